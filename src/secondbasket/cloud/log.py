"""What an engine says: a bounded file of its own, and its last words for people."""

import logging
from collections import deque
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

_FILE_BYTES = 1024 * 1024
_OLDER_FILES = 2
_LINE_CHARACTERS = 4096
_LAST_WORDS = 6


class _BoundedFile(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A disk that takes no more loses the line; telling so line by line helps nobody."""


class EngineLog:
    """Lines of one replica's engines, appended to `path` with the time, rotated at 1 MiB.

    A disk that takes no more does not stop the engine: the line is lost.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handler = _BoundedFile(
            path, maxBytes=_FILE_BYTES, backupCount=_OLDER_FILES, encoding="utf-8", delay=True
        )
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        self._last: deque[str] = deque(maxlen=_LAST_WORDS)

    def write(self, line: str) -> None:
        """Keep one line. Control characters are blanked: a log is read in terminals."""
        line = "".join(c if c.isprintable() else " " for c in line[:_LINE_CHARACTERS]).strip()
        if not line:
            return
        self._last.append(line)
        self._handler.handle(
            logging.LogRecord("engine", logging.INFO, "", 0, line, args=None, exc_info=None)
        )

    def begin(self) -> None:
        """A new process speaks from here on: forget the last words of the one before."""
        self._last.clear()

    def last_words(self) -> str:
        """The last few lines since `begin`, in one."""
        return " / ".join(self._last)

    def close(self) -> None:
        with suppress(OSError):  # lines that a full disk did not take are given up
            self._handler.close()


class Lines:
    """Cuts a stream of bytes into lines, without holding more than one line allows."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes; one that never ends is handed out in pieces."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LINE_CHARACTERS:
            whole.append(self._rest)
            self._rest = b""
        return [line.decode(errors="replace") for line in whole]

    def flush(self) -> list[str]:
        """What was left without a line end when the stream closed."""
        rest, self._rest = self._rest, b""
        return [rest.decode(errors="replace")] if rest else []
