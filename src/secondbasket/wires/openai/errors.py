"""Error bodies of the OpenAI wire, both ways. Nothing else knows their shape."""

from typing import Any

import msgspec

from secondbasket.errors import (
    BasketError,
    ContextLengthExceeded,
    UpstreamBroken,
    UpstreamRefused,
)
from secondbasket.wires.status import failure


def encode_error(error: BasketError) -> bytes:
    """`error` as the wire's body; the status is `error.status`, by which SDKs pick their class.

    `type` follows what OpenAI itself answers: every 4xx but a spent budget,
    wrong keys and unknown models included, is an `invalid_request_error`.
    """
    if error.status == 429:
        kind = "insufficient_quota"
    elif error.status < 500:
        kind = "invalid_request_error"
    else:
        kind = "server_error"
    return msgspec.json.encode(
        {
            "error": {
                "message": str(error),
                "type": kind,
                "param": error.param,
                "code": error.code,
            }
        }
    )


class _Failure(msgspec.Struct):
    error: dict[str, Any] | str | None = None


# What the `code` or `type` of an error says more exactly than its status does, and all that an
# error inside an answer that began as a success has to go by.
_STATUS = {
    "account_deactivated": 401,
    "api_error": 500,
    "authentication_error": 401,
    "billing_hard_limit_reached": 402,
    "billing_not_active": 402,
    "engine_overloaded_error": 503,
    "exceeded_current_quota_error": 402,
    "insufficient_quota": 402,
    "internal_error": 500,
    "internal_server_error": 500,
    "invalid_api_key": 401,
    "invalid_request_error": 400,
    "model_not_found": 404,
    "not_found_error": 404,
    "overloaded_error": 529,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "server_error": 500,
    "service_unavailable": 503,
    "timeout_error": 504,
    "unavailable_error": 503,
    "unsupported_country_region_territory": 403,
}
_SHARPER = frozenset(name for name, status in _STATUS.items() if 400 < status < 500)
_REFUSALS = frozenset(
    {"content_filter", "content_policy_violation", "moderation_blocked", "safety_violations"}
)
_OVERFLOWS = frozenset({"context_length_exceeded", "exceed_context_size_error"})


def decode_error(status: int, body: bytes, *, retry_after: float | None = None) -> BasketError:
    """What an upstream's error answer means to us: final, or worth asking somebody else."""
    try:
        error = msgspec.json.decode(body, type=_Failure).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = None
    return decode_error_object(error or {}, status=status, retry_after=retry_after)


def decode_error_object(
    error: dict[str, Any] | str, *, status: int | None, retry_after: float | None = None
) -> BasketError:
    """`status` is None where the error came inside an answer that began as a success."""
    if isinstance(error, str):
        error = {"message": error}
    told = error.get("message")
    told = told if isinstance(told, str) else ""
    names = [name for name in (error.get("code"), error.get("type")) if isinstance(name, str)]
    if not _OVERFLOWS.isdisjoint(names):
        return ContextLengthExceeded(
            input_tokens=_count(error.get("n_prompt_tokens")),
            context_tokens=_count(error.get("n_ctx")),
        )
    if not _REFUSALS.isdisjoint(names) or _flagged(error):
        return UpstreamRefused(
            "The provider's content policy refuses this request.",
            hint="Change the request; no other provider is asked in its place.",
        )
    for name in names:
        if name in _SHARPER or (status is None and name in _STATUS):
            return failure(_STATUS[name], told, retry_after=retry_after)
    code = error.get("code")
    if status is None and isinstance(code, int) and 400 <= code < 600:
        status = code
    if status is None:
        return UpstreamBroken("The upstream failed in its answer.")
    return failure(status, told, retry_after=retry_after)


def _flagged(error: dict[str, Any]) -> bool:
    """Whether a router says that its moderation stopped the request (its HTTP status is 403)."""
    metadata = error.get("metadata")
    return isinstance(metadata, dict) and "flagged_input" in metadata


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
