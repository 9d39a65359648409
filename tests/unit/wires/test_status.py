"""HTTP statuses and Retry-After: what they mean to us, for whatever wire."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondbasket.errors import (
    UpstreamError,
    UpstreamLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from secondbasket.wires.status import failure, seconds_until

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, UpstreamUnavailable),
        (400, UpstreamRejected),
        (401, UpstreamUnavailable),
        (403, UpstreamUnavailable),
        (404, UpstreamUnavailable),
        (408, UpstreamTimeout),
        (409, UpstreamUnavailable),
        (410, UpstreamUnavailable),
        (413, UpstreamRejected),
        (422, UpstreamRejected),
        (429, UpstreamLimited),
        (451, UpstreamUnavailable),
        (500, UpstreamError),
        (503, UpstreamLimited),
        (504, UpstreamTimeout),
        (529, UpstreamLimited),
    ],
)
def test_each_status_has_one_meaning(status: int, kind: type[UpstreamError]) -> None:
    error = failure(status)
    assert type(error) is kind
    assert error.retryable is (kind is not UpstreamRejected)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 0.5 ", 0.5),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 12:00:30", 30.0),
        ("999999999", 86400.0),
        ("Sun, 22 Nov 9999 12:00:30 GMT", 86400.0),
        ("-1", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("Sun, 22 Nov 2026 12:00:30 +99999999999999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_until(header, now=NOW) == seconds


@settings(deadline=None)
@given(st.text() | st.integers().map(str) | st.datetimes().map(str))
def test_any_retry_after_is_a_wait_or_nothing(header: str) -> None:
    wait = seconds_until(header, now=NOW)
    assert wait is None or 0 <= wait <= 86400
