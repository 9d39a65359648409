"""Error bodies of the Messages wire."""

import json

import pytest

from secondbasket.errors import (
    AuthenticationFailed,
    BasketError,
    BodyTooLarge,
    BudgetExceeded,
    ContextLengthExceeded,
    InvalidRequest,
    ModelNotFound,
    PermissionDenied,
    UpstreamBroken,
    UpstreamError,
    UpstreamLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from secondbasket.wires.anthropic.errors import decode_error, encode_error


def body(kind: str, message: str = "m", code: str | None = None) -> bytes:
    details = {} if code is None else {"details": {"error_code": code}}
    return json.dumps(
        {"type": "error", "error": {"type": kind, "message": message, **details}}
    ).encode()


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, "invalid_request_error", UpstreamRejected),
        (401, "authentication_error", UpstreamUnavailable),
        (402, "billing_error", UpstreamUnavailable),
        (403, "permission_error", UpstreamUnavailable),
        (404, "not_found_error", UpstreamUnavailable),
        (409, "conflict_error", UpstreamUnavailable),
        (413, "request_too_large", UpstreamRejected),
        (429, "rate_limit_error", UpstreamLimited),
        (500, "api_error", UpstreamError),
        (500, "overloaded_error", UpstreamLimited),
        (504, "timeout_error", UpstreamTimeout),
        (529, "overloaded_error", UpstreamLimited),
        (400, "billing_error", UpstreamUnavailable),
    ],
)
def test_statuses_and_types(status: int, kind: str, error: type[BasketError]) -> None:
    assert type(decode_error(status, body(kind))) is error


def test_a_spent_account_is_not_the_callers_fault() -> None:
    for code in ("enforced_spend_limit_reached", "organization_on_hold"):
        error = decode_error(400, body("invalid_request_error", "org-7 is out", code))
        assert type(error) is UpstreamUnavailable
        assert "org-7" not in str(error)


def test_too_long_a_prompt_keeps_its_counts() -> None:
    told = "prompt is too long: 210000 tokens > 200000 maximum"
    error = decode_error(400, body("invalid_request_error", told))
    assert isinstance(error, ContextLengthExceeded)
    assert (error.input_tokens, error.context_tokens) == (210_000, 200_000)


@pytest.mark.parametrize("given", [b"", b"[]", b"<html>", b'{"error": 7}', b"[" * 10**5, b"\xff"])
def test_a_body_of_another_shape_is_read_by_its_status(given: bytes) -> None:
    assert type(decode_error(529, given, retry_after=3)) is UpstreamLimited
    assert type(decode_error(400, given)) is UpstreamRejected


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("m"), "invalid_request_error"),
        (AuthenticationFailed("m"), "authentication_error"),
        (PermissionDenied("m"), "permission_error"),
        (ModelNotFound("m"), "not_found_error"),
        (BodyTooLarge("m"), "request_too_large"),
        (BudgetExceeded("m"), "rate_limit_error"),
        (UpstreamBroken("m"), "api_error"),
        (UpstreamTimeout("m"), "timeout_error"),
        (UpstreamUnavailable("m", hint="Wait."), "overloaded_error"),
        (BasketError("m"), "api_error"),
    ],
)
def test_our_errors_in_the_wires_form(error: BasketError, kind: str) -> None:
    told = json.loads(encode_error(error))
    assert told == {"type": "error", "error": {"type": kind, "message": str(error)}}
