"""
Opening a source: which format it has, and its requests one after the other.

Lines are read as they are needed, so that a source may be larger than memory.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from collector.replay.access_log import is_access_log, log_reader
from collector.replay.captures import read_capture
from collector.replay.request import Reader, Request, SourceError, Unsent
from collector.replay.segments import segment_reader
from pipeline.sealing import MAGIC

# The longest line that is read: a request with the largest body, and room.
_LONGEST: Final = 67_108_864


class Source:
    """
    The requests of a file or of a stream.

    Attributes:
        format: captures, segment or access_log; empty until the first line is read.
        unsent: how many of what it holds are not sent, by reason.
        broken: the numbers of the first lines that could not be read.
        lines: how many lines were read.

    """

    def __init__(self, file: IO[bytes], site: str) -> None:
        """
        Take a source that is open.

        Args:
            file: where it is read from.
            site: whose traffic it is, where it does not say.

        """
        self._file = file
        self._site = site
        self.format = ""
        self.unsent: Counter[str] = Counter()
        self.broken: list[int] = []
        self.lines = 0

    def requests(self) -> Iterator[Request]:
        """
        Yield what can be sent; what cannot is counted.

        Raises:
            SourceError: when the source as a whole cannot be read, at its first line.

        """
        read: Reader | None = None
        while line := self._file.readline(_LONGEST):
            self.lines += 1
            if not line.strip():
                continue
            if read is None:
                read = self._reader(line)
                if self.format == "segment":
                    # The types: of JSON nothing needs to be known.
                    self._file.readline(_LONGEST)
                    self.lines += 1
                    continue
            for one in read(line):
                if isinstance(one, Request):
                    yield one
                    continue
                self.drop(one)
                if one.reason == "broken_line":
                    self._note()
        if read is None:
            message = "the source is empty"
            raise SourceError("empty", message)

    def drop(self, unsent: Unsent) -> None:
        """Count something that turned out not to be sendable."""
        self.unsent[unsent.reason] += unsent.number

    def _note(self) -> None:
        if len(self.broken) < 3:  # noqa: PLR2004 - enough to find out what is wrong
            self.broken.append(self.lines)

    def _reader(self, line: bytes) -> Reader:
        if line.startswith(MAGIC):
            message = "the segment is encrypted; a load test does not ask for its key"
            raise SourceError("encrypted", message)
        if line.lstrip().startswith(b"{"):
            self.format = "captures"
            if all(
                isinstance(one, Unsent) and one.reason == "broken_line"
                for one in read_capture(line)
            ):
                message = f"line {self.lines} is no captured request"
                raise SourceError("unknown_format", message)
            return read_capture
        if line.lstrip().startswith(b"["):
            self.format = "segment"
            return segment_reader(line)
        if is_access_log(line):
            self.format = "access_log"
            return log_reader(self._site)
        message = (
            f"line {self.lines} is no captured request, no header of a segment and "
            "no line of a combined access log"
        )
        raise SourceError("unknown_format", message)


def open_source(path: str, stream: IO[bytes]) -> IO[bytes]:
    """
    Return a source's file; `-` is the stream.

    Raises:
        SourceError: when it cannot be opened.

    """
    if path == "-":
        return stream
    try:
        return Path(path).open("rb")
    except OSError as error:
        message = f"the source cannot be opened: {error.strerror}"
        raise SourceError("unreadable", message) from None
