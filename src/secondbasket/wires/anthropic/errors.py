"""Error bodies of the Messages wire, both ways. Nothing else knows their shape."""

import re
from typing import Any

import msgspec

from secondbasket.errors import (
    BasketError,
    ContextLengthExceeded,
    UpstreamBroken,
    UpstreamUnavailable,
)
from secondbasket.wires.status import failure

# The types Anthropic publishes. Inside an answer that began as a success, the type is all there is.
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_TYPE = {status: kind for kind, status in _STATUS.items()} | {
    405: "invalid_request_error",
    503: "overloaded_error",
}
# Statuses that stand for many things, where the type says which.
_VAGUE = frozenset({400, 500})
# A 400 may also be about the operator's account: these codes say so.
_ACCOUNT = frozenset({"linked_organization_billing_unavailable", "organization_on_hold"})
_SPENT = "_spend_limit_reached"
# The wire has no code for it. Should the words change, the error is as final, only less exact.
_TOO_LONG = re.compile(r"prompt is too long: (\d{1,9}) tokens > (\d{1,9}) maximum")


def encode_error(error: BasketError) -> bytes:
    """`error` as the wire's body; the status is `error.status`."""
    kind = _TYPE.get(error.status)
    if kind is None:
        kind = "invalid_request_error" if error.status < 500 else "api_error"
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": str(error)}})


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""
    details: dict[str, Any] | None = None

    @property
    def code(self) -> str:
        code = (self.details or {}).get("error_code")
        return code if isinstance(code, str) else ""


class _Failure(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)


def decode_error(status: int, body: bytes, *, retry_after: float | None = None) -> BasketError:
    """What an upstream's error answer means to us: final, or worth asking somebody else."""
    try:
        error = msgspec.json.decode(body, type=_Failure).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = _Error()
    if status in _VAGUE:
        status = _STATUS.get(error.type, status)
    return _meaning(error, status, retry_after)


def decode_error_object(error: object) -> BasketError:
    """An error that came inside an answer which began as a success."""
    try:
        known = msgspec.convert(error, _Error)
    except msgspec.ValidationError:
        known = _Error()
    status = _STATUS.get(known.type)
    if status is None:
        return UpstreamBroken("The upstream failed in its answer.")
    return _meaning(known, status, None)


def _meaning(error: _Error, status: int, retry_after: float | None) -> BasketError:
    if status == 400:
        if error.code in _ACCOUNT or error.code.endswith(_SPENT):
            return UpstreamUnavailable(
                "The upstream's account takes no calls now.",
                hint="Look at its limits and its billing at the provider.",
            )
        if counts := _TOO_LONG.search(error.message):
            return ContextLengthExceeded(input_tokens=int(counts[1]), context_tokens=int(counts[2]))
    return failure(status, error.message, retry_after=retry_after)
