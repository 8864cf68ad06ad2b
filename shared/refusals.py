"""How many of a stream's entries can't be read; beyond a share of them its reader must stop.

One bad entry goes into the quarantine and its neighbours are read. When most are bad, it is the
reader or the writer that is wrong, and reading on would only empty the stream.
"""

from dataclasses import dataclass

_SHARE = 0.5
_WINDOW = 1000
"""Entries, after which counting begins anew."""


class TooManyRefusedError(RuntimeError):
    """So many entries can't be read that something other than they must be wrong."""


@dataclass
class Refusals:
    """Counts what one reader of a stream has read and refused."""

    stream: str
    _read: int = 0
    _refused: int = 0

    def read(self) -> None:
        """An entry has been looked at."""
        if self._read >= _WINDOW:
            self._read = self._refused = 0
        self._read += 1

    def refused(self) -> None:
        """It could not be read. Raises `TooManyRefusedError`."""
        self._refused += 1
        if self._refused > _SHARE * _WINDOW:
            raise TooManyRefusedError(
                f"{self._refused} of {self._read} entries of {self.stream} can't be read; "
                "see `narvara quarantine list`, mend the source, then start again"
            )
