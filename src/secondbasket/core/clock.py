"""Moments as text: RFC 3339 in UTC with milliseconds, so that text order is time order."""

from datetime import UTC, datetime


def timestamp(moment: datetime) -> str:
    """An aware datetime → '2026-11-22T14:05:09.250Z'. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError(f"a moment without a time zone: {moment.isoformat()}")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> str:
    """This moment as `timestamp` writes it."""
    return timestamp(datetime.now(UTC))


def parse(text: str) -> datetime:
    """Any RFC 3339 moment → an aware datetime in UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a moment without a time zone: {text}")
    return moment.astimezone(UTC)
