"""CSV text into rows that know their line; a stray quote costs its own line, nothing more.

The csv module alone would let one unclosed quote swallow the rest of a file, and people who
mend an export need the line in their editor, also below cells that span lines.
"""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

import msgspec

LONGEST = 32
"""Lines that a quoted cell may span before its opening quote is taken for a stray one."""


class CsvRow(msgspec.Struct):
    """One row; `line` is its first line, from 1. `fault` says why its cells can't be trusted."""

    line: int
    text: str
    cells: list[str]
    header: tuple[str, ...]
    """The columns that its file has."""
    fault: str = ""

    @property
    def raw(self) -> str:
        r"""The row as any log or JSON can carry it; bytes that weren't UTF-8 become `\xe5`."""
        text = self.text.rstrip("\r\n")
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class HeaderError(ValueError):
    """The first row doesn't name the columns that were wanted."""


def open_rows(path: Path) -> TextIO:
    """Open a file for `csv_rows`: bytes that aren't UTF-8 cost their row, not the file."""
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def csv_rows(
    lines: Iterable[str],
    columns: tuple[str, ...],
    optional: tuple[str, ...] = (),
    delimiter: str = ",",
) -> Iterator[CsvRow]:
    """Every row below the header but blank ones, in order and as it is asked for.

    The header is `columns`, or these with all of `optional` after them; `HeaderError` is raised
    at the first row where it is another. `lines` keep their line ends, as those of `open_rows`
    do. A row whose `fault` is empty has a cell for each column, an empty one for those that its
    file has not.
    """
    numbered = enumerate(lines, 1)
    header = _header(numbered, columns, optional, delimiter)
    missing = len(columns) + len(optional) - len(header)
    ahead: deque[tuple[int, str]] = deque()
    while taken := ahead.popleft() if ahead else next(numbered, None):
        line, text = taken
        content = text.rstrip("\r\n")
        if not content:
            continue
        if '"' in content:
            if content.count('"') % 2:
                ahead.extend(islice(numbered, LONGEST - 1 - len(ahead)))
            row, more = _quoted(taken, [later for _, later in ahead], header, delimiter)
            for _ in range(more):
                ahead.popleft()
        else:
            row = CsvRow(line, text, content.split(delimiter), header)
        row.fault = _fault(row)
        if missing:
            row.cells += [""] * missing
        yield row


def _header(
    numbered: Iterator[tuple[int, str]],
    columns: tuple[str, ...],
    optional: tuple[str, ...],
    delimiter: str,
) -> tuple[str, ...]:
    """The first row that isn't blank; `HeaderError` names what was met and what is wanted."""
    wanted = f"wanted the header {delimiter.join(columns)} as the first row"
    if optional:
        wanted += f", or with {delimiter.join(optional)} after it"
    taken = next((each for each in numbered if each[1].rstrip("\r\n")), None)
    if taken is None:
        raise HeaderError(f"met an empty file; {wanted}")
    header = tuple(_parsed(taken[1], delimiter))
    if header not in (columns, columns + optional):
        # A file without a header begins with a pupil, whom no error may name.
        raw = CsvRow(*taken, [], ()).raw
        words = re.split(r'[,;|\t" ]+', raw.lower())
        named = sum(column in words for column in columns) >= 2
        raise HeaderError(f"met {raw[:200] if named else 'none of its columns'}; {wanted}")
    return header


def shown(text: str, harmless: re.Pattern[str]) -> str:
    """What a reason may repeat of a cell: all of it where it is harmless, else its length."""
    if not text:
        return "nothing"
    return repr(text) if harmless.fullmatch(text) else f"{len(text)} characters of another kind"


def _quoted(
    taken: tuple[int, str], following: list[str], header: tuple[str, ...], delimiter: str
) -> tuple[CsvRow, int]:
    """The row that begins with the line `taken`, and how many of `following` belong to it.

    Where quotes pair up only beyond its end, or to no row of the right width, the line is given
    up alone, so that the rows after it are read.
    """
    line, text = taken
    quotes = text.count('"')
    for more, later in enumerate(following if quotes % 2 else (), 1):
        quotes += later.count('"')
        if quotes % 2 == 0:
            whole = "".join((text, *following[:more]))
            cells = _parsed(whole, delimiter)
            if len(cells) != len(header):
                break
            return CsvRow(line, whole, cells, header), more
    cells = _parsed(text, delimiter) if text.count('"') % 2 == 0 else []
    return CsvRow(line, text, cells, header), 0


def _parsed(text: str, delimiter: str) -> list[str]:
    try:
        (cells,) = csv.reader([text], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        return []
    return cells


def _fault(row: CsvRow) -> str:
    if not row.cells:
        return (
            "columns: met a quote that nothing closes, or text after a closing one; "
            'wanted quoted cells as "so", and "" for a quote in them'
        )
    if len(row.cells) != len(row.header):
        return f"columns: met {len(row.cells)}; wanted {len(row.header)}: {','.join(row.header)}"
    if "\0" in row.text or (not row.text.isascii() and _NOT_UTF8.search(row.text)):
        for column, cell in zip(row.header, row.cells, strict=True):
            if "\0" in cell:
                return f"{column}: met a NUL character; wanted text"
            if _NOT_UTF8.search(cell):
                return f"{column}: met bytes that are no UTF-8; wanted the file saved as UTF-8"
    return ""


_NOT_UTF8 = re.compile("[\ud800-\udfff]")
