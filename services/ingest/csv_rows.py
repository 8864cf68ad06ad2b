"""CSV text into rows that know their line; a stray quote costs its own line, nothing more.

The csv module alone would let one unclosed quote swallow the rest of a file, and people who
mend an export need the line in their editor, also below cells that span lines.
"""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

LONGEST = 32
"""Lines that a quoted cell may span before its opening quote is taken for a stray one."""


@dataclass(slots=True)
class CsvRow:
    """One row; `line` is its first line, from 1. `fault` says why its cells can't be trusted."""

    line: int
    text: str
    cells: list[str]
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


def csv_rows(lines: Iterable[str], columns: tuple[str, ...], delimiter: str) -> Iterator[CsvRow]:
    """Every row but blank ones, header included, in order and as it is asked for.

    `lines` keep their line ends, as those of `open_rows` do. A row whose `fault` is empty has
    a cell for each of `columns`, unless it is the first, which is the reader's to judge.
    """
    numbered = enumerate(lines, 1)
    ahead: deque[tuple[int, str]] = deque()
    first = True
    while taken := ahead.popleft() if ahead else next(numbered, None):
        line, text = taken
        content = text.rstrip("\r\n")
        if not content:
            continue
        if '"' in content:
            if content.count('"') % 2:
                ahead.extend(islice(numbered, LONGEST - 1 - len(ahead)))
            row, more = _quoted(taken, [later for _, later in ahead], len(columns), delimiter)
            for _ in range(more):
                ahead.popleft()
        else:
            row = CsvRow(line, text, content.split(delimiter))
        if not first:
            row.fault = _fault(row, columns)
        first = False
        yield row


def check_header(row: CsvRow | None, columns: tuple[str, ...], delimiter: str) -> None:
    """Raise `HeaderError` unless the first row is exactly `columns`; met and wanted are named."""
    wanted = f"wanted the header {delimiter.join(columns)} as the first row"
    if row is None:
        raise HeaderError(f"met an empty file; {wanted}")
    if tuple(row.cells) != columns:
        # A file without a header begins with a pupil, whom no error may name.
        words = re.split(r'[,;|\t" ]+', row.raw.lower())
        named = sum(column in words for column in columns) >= 2
        raise HeaderError(f"met {row.raw[:200] if named else 'none of its columns'}; {wanted}")


def shown(text: str, harmless: re.Pattern[str]) -> str:
    """What a reason may repeat of a cell: all of it where it is harmless, else its length."""
    if not text:
        return "nothing"
    return repr(text) if harmless.fullmatch(text) else f"{len(text)} characters of another kind"


def _quoted(
    taken: tuple[int, str], following: list[str], width: int, delimiter: str
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
            return (CsvRow(line, whole, cells), more) if len(cells) == width else _stray(taken)
    return (CsvRow(line, text, _parsed(text, delimiter)), 0) if quotes % 2 == 0 else _stray(taken)


def _stray(taken: tuple[int, str]) -> tuple[CsvRow, int]:
    line, text = taken
    return CsvRow(line, text, []), 0


def _parsed(text: str, delimiter: str) -> list[str]:
    try:
        (cells,) = csv.reader([text], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        return []
    return cells


def _fault(row: CsvRow, columns: tuple[str, ...]) -> str:
    if not row.cells:
        return (
            "columns: met a quote that nothing closes, or text after a closing one; "
            'wanted quoted cells as "so", and "" for a quote in them'
        )
    if len(row.cells) != len(columns):
        return f"columns: met {len(row.cells)}; wanted {len(columns)}: {','.join(columns)}"
    if "\0" in row.text or not row.text.isascii():
        for column, cell in zip(columns, row.cells, strict=True):
            if "\0" in cell:
                return f"{column}: met a NUL character; wanted text"
            if _NOT_UTF8.search(cell):
                return f"{column}: met bytes that are no UTF-8; wanted the file saved as UTF-8"
    return ""


_NOT_UTF8 = re.compile("[\ud800-\udfff]")
