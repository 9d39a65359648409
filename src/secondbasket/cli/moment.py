"""Moments and spans as people type them."""

import re
from datetime import UTC, datetime, timedelta

import click

from secondbasket.core.clock import parse, timestamp


def read_moment(text: str | None, option: str) -> str | None:
    """'24h', '30d' (so long ago) or an RFC 3339 moment, as `timestamp` writes it; None for None.

    Raises BadParameter naming `option`.
    """
    if text is None:
        return None
    span = re.fullmatch(r"(\d{1,5})([hd])", text)
    if span:
        hours = int(span[1]) * (24 if span[2] == "d" else 1)
        return timestamp(datetime.now(UTC) - timedelta(hours=hours))
    try:
        return timestamp(parse(text))
    except ValueError as exc:
        raise click.BadParameter(
            f"{text!r} is neither a span such as 24h nor a moment such as 2026-11-22T00:00:00Z.",
            param_hint=option,
        ) from exc
