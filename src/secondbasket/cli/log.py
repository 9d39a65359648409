"""What this process says on standard error: lines for people, or JSON objects for machines."""

import logging
import sys
from datetime import UTC, datetime

import msgspec

from secondbasket.cli.output import printable
from secondbasket.core.clock import timestamp


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": timestamp(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _is_news(record: logging.LogRecord) -> bool:
    """uvicorn calls it an error when a stream that broke is not ended cleanly; we mean it."""
    return record.getMessage() != "ASGI callable returned without completing response."


def configure(level: str, form: str) -> None:
    """Log to standard error from `level` on, in the `form` 'text' or 'json'."""
    handler = logging.StreamHandler(sys.stderr)
    text = _Text("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(_Json() if form == "json" else text)
    handler.addFilter(_is_news)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        # What a library finds worth telling is rarely what an operator asked for.
        for library in ("alembic", "uvicorn"):
            logging.getLogger(library).setLevel(logging.WARNING)
