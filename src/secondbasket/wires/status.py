"""What the HTTP status of a model API means to us, whichever wire its body is in.

Only what a caller can mend is told to the caller. Everything else may name the
operator's account, key or machines, so the upstream's own words stay here.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from secondbasket.errors import (
    BasketError,
    UpstreamError,
    UpstreamLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)

_LIMITED = frozenset({429, 503, 529})
_TIMEOUT = frozenset({408, 504})
# The request's content is to blame. Every other 4xx is about our key, our address, the state of
# the provider or its law (451), none of which a caller can mend.
_REQUEST = frozenset({400, 413, 422})
_LONGEST_TOLD = 500
_LONGEST_WAIT = 24 * 3600.0
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,6})?")


def failure(status: int, told: str = "", *, retry_after: float | None = None) -> BasketError:
    """The error that an answer of `status` is; `told` are the upstream's words for it."""
    if status in _REQUEST:
        return UpstreamRejected(
            f"The upstream refused the request: {told[:_LONGEST_TOLD] or f'HTTP {status}'}"
        )
    if status in _LIMITED:
        return UpstreamLimited(
            f"The upstream is not taking calls now (HTTP {status}).", retry_after=retry_after
        )
    if status in _TIMEOUT:
        return UpstreamTimeout(f"The upstream gave up waiting (HTTP {status}).")
    if status == 409:
        return UpstreamUnavailable("The upstream cannot answer in its present state (HTTP 409).")
    if status < 500:
        return UpstreamUnavailable(
            f"The upstream does not let us in (HTTP {status}).",
            hint="Check its key, model and base_url in basket.toml.",
        )
    return UpstreamError(f"The upstream failed (HTTP {status}).")


def seconds_until(retry_after: str | None, *, now: datetime | None = None) -> float | None:
    """A Retry-After header (seconds, or a date) in seconds from `now`, at most a day.

    None where there is none, or none that can be read.
    """
    if retry_after is None:
        return None
    text = retry_after.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), _LONGEST_WAIT)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    wait = (when - (now or datetime.now(UTC))).total_seconds()
    return min(max(wait, 0.0), _LONGEST_WAIT)
