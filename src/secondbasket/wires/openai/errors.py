"""Error bodies of the OpenAI wire, both ways. Nothing else knows their shape."""

from typing import Any

import msgspec

from secondbasket.errors import (
    BasketError,
    ContextLengthExceeded,
    UpstreamBroken,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)


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


def decode_error(status: int, body: bytes) -> BasketError:
    """What an upstream's error answer means to us: final, or worth asking somebody else."""
    try:
        failure = msgspec.json.decode(body, type=_Failure).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        failure = None
    return decode_error_object(failure or f"HTTP {status}", status=status)


def decode_error_object(error: dict[str, Any] | str, *, status: int | None) -> BasketError:
    """`status` is None where the error came inside an answer that began as a success."""
    if isinstance(error, str):
        error = {"message": error}
    told = str(error.get("message", "no message"))[:2000]
    if status is None:
        code = error.get("code")
        status = code if isinstance(code, int) else None
    if error.get("type") == "exceed_context_size_error":
        return ContextLengthExceeded(
            input_tokens=_count(error.get("n_prompt_tokens")),
            context_tokens=_count(error.get("n_ctx")),
        )
    if status is None:
        return UpstreamBroken(f"The upstream failed in its answer: {told}")
    if status in (408, 504):
        return UpstreamTimeout(f"The upstream gave up waiting: {told}")
    if status in (429, 503, 529):
        return UpstreamUnavailable(f"The upstream is not taking calls now: {told}")
    if status in (401, 402, 403, 404):
        # The caller cannot mend our credentials or our configuration: somebody else may answer.
        return UpstreamUnavailable(
            f"The upstream does not let us in (HTTP {status}).",
            hint="Check its key, model and base_url in basket.toml.",
        )
    if 400 <= status < 500:
        return UpstreamRejected(f"The upstream refused the request: {told}")
    return UpstreamError(f"The upstream failed (HTTP {status}): {told}")


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
