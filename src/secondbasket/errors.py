"""Every error Second Basket raises on purpose, as one tree.

::

    BasketError                      code, status, retryable, hint
    ├── InvalidRequest               400  the caller's request is wrong; final
    │   ├── UnsupportedField         400  it steers engine or route, or no upstream's wire has it
    │   ├── ContextLengthExceeded    400  prompt larger than the context, with counts
    │   └── BodyTooLarge             413
    ├── AuthenticationFailed         401  no key, or a wrong one
    │   ├── KeyExpired               401
    │   ├── KeyRevoked               401
    │   └── KeyUncheckable           401  its pepper is lost
    ├── PermissionDenied             403  known, but not allowed
    │   └── PolicyRefused            403  no upstream may see data of this class; names the rules
    ├── NotFound                     404
    │   └── ModelNotFound            404
    ├── MethodNotAllowed             405
    ├── Conflict                     409  the state does not allow it now
    │   └── HomeInUse                409  another process holds the home
    ├── BudgetExceeded               429  the key's money is spent or reserved
    ├── UpstreamError                502  something that answers did not; retryable
    │   ├── UpstreamUnavailable      503  refused, reset, not ready, does not let us in
    │   │   └── UpstreamLimited      503  asks us to slow down, perhaps until when
    │   ├── UpstreamTimeout          504
    │   ├── UpstreamBroken           502  malformed, truncated, died in mid-answer
    │   └── UpstreamRejected         4xx  the upstream blames the request; final
    │       └── UpstreamRefused      400  its provider's content policy says no; final
    ├── EngineError                  503
    │   ├── EngineFailedToStart      503
    │   ├── EngineNotReady           503  starting, restarting, draining or stopped; retryable
    │   └── ModelDoesNotFit          507  refused before loading, with the numbers
    ├── ModelError                   422
    │   ├── BadModelFile             422  truncated, lying or unsafe weights
    │   ├── DigestMismatch           422
    │   ├── SourceUnavailable        503  offline, or the source said no; retryable
    │   └── NotEnoughDisk            507
    ├── ToolError                    502  a worker's tool did not do its part
    │   ├── ToolFailed               502  it did nothing, and says why; the worker reads it
    │   ├── ToolRefused              403  a rule or a person says no; the worker reads it
    │   └── OutcomeUnknown           502  it may have happened: never blindly again
    ├── DocumentError                422  encrypted, broken, too large, or of no known kind
    ├── BadSignature                 422  a signed document was changed, or its key is not known
    ├── EgressRefused                403  the outbound door did not open
    ├── SettingsError                500  a bad setting, named, with the nearest key
    ├── StoreError                   503  a disk or a database did not do its part
    ├── PluginError                  500  a named plug-in that cannot load, with the remedy
    └── PortInUse                    500

``code`` is the stable machine-readable name, ``status`` the HTTP status a door
answers with, ``retryable`` the only thing failover reads. ``message`` says what
happened, ``hint`` what to do about it; both are for people and may change.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class BasketError(Exception):
    """Base of the tree. `message` says what happened, `hint` what to do."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.param = param

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidRequest(BasketError):
    code = "invalid_request"
    status = 400


class UnsupportedField(InvalidRequest):
    code = "unsupported_field"


class ContextLengthExceeded(InvalidRequest):
    """`input_tokens` were asked of a context of `context_tokens`; 0: the upstream did not say."""

    code = "context_length_exceeded"

    def __init__(self, *, input_tokens: int = 0, context_tokens: int = 0) -> None:
        super().__init__(
            f"The prompt has {input_tokens} tokens; this model's context holds {context_tokens}."
            if input_tokens and context_tokens
            else "The prompt does not fit into this model's context.",
            hint="Shorten the prompt, or serve the model with a larger context.",
            param="messages",
        )
        self.input_tokens = input_tokens
        self.context_tokens = context_tokens


class BodyTooLarge(InvalidRequest):
    code = "body_too_large"
    status = 413


class AuthenticationFailed(BasketError):
    code = "invalid_api_key"
    status = 401


class KeyExpired(AuthenticationFailed):
    code = "api_key_expired"


class KeyRevoked(AuthenticationFailed):
    code = "api_key_revoked"


class KeyUncheckable(AuthenticationFailed):
    code = "api_key_uncheckable"


class PermissionDenied(BasketError):
    code = "permission_denied"
    status = 403


class PolicyRefused(PermissionDenied):
    """`rules` says for each upstream of the basket which rule forbids it."""

    code = "policy_refused"

    def __init__(self, basket: str, data_class: str, rules: Mapping[str, str]) -> None:
        told = "; ".join(f"{name}: {rule}" for name, rule in rules.items())
        super().__init__(
            f"Nothing behind '{basket}' may be sent {data_class} data ({told}).",
            hint="Ask a model that runs on your own machines, or have the policy changed;"
            " `basket explain` shows what decides.",
        )
        self.data_class = data_class
        self.rules = dict(rules)


class NotFound(BasketError):
    code = "not_found"
    status = 404


class ModelNotFound(NotFound):
    code = "model_not_found"


class MethodNotAllowed(BasketError):
    code = "method_not_allowed"
    status = 405


class Conflict(BasketError):
    code = "conflict"
    status = 409


class HomeInUse(Conflict):
    code = "home_in_use"


class BudgetExceeded(BasketError):
    code = "insufficient_quota"
    status = 429


class UpstreamError(BasketError):
    code = "upstream_error"
    status = 502
    retryable = True


class UpstreamUnavailable(UpstreamError):
    code = "upstream_unavailable"
    status = 503


class UpstreamLimited(UpstreamUnavailable):
    """Too many requests there; `retry_after` are the seconds it asked us to wait, if it did."""

    code = "upstream_limited"

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class UpstreamTimeout(UpstreamError):
    code = "upstream_timeout"
    status = 504


class UpstreamBroken(UpstreamError):
    code = "upstream_broken"


class AllUpstreamsFailed(UpstreamError):
    """Every upstream that could be asked was; `attempts` holds (upstream, error), in order."""

    code = "all_upstreams_failed"
    status = 503

    def __init__(self, basket: str, attempts: Sequence[tuple[str, BasketError]]) -> None:
        told = "; ".join(f"{name}: {error.code}" for name, error in attempts)
        super().__init__(
            f"Nothing behind '{basket}' answered ({told}).",
            hint="Try again in a moment; `basket status` shows what is wrong.",
        )
        self.attempts = tuple(attempts)


class UpstreamRejected(UpstreamError):
    """The upstream answered 4xx: the request itself is at fault, so nobody else is asked."""

    code = "upstream_rejected"
    status = 400
    retryable = False


class UpstreamRefused(UpstreamRejected):
    """The provider's own policy refuses this content. Nobody else is asked in its place."""

    code = "content_policy"


class EngineError(BasketError):
    code = "engine_error"
    status = 503


class EngineFailedToStart(EngineError):
    code = "engine_failed_to_start"


class EngineNotReady(EngineError):
    code = "engine_not_ready"
    retryable = True


class ModelDoesNotFit(EngineError):
    code = "model_does_not_fit"
    status = 507


class ModelError(BasketError):
    code = "model_error"
    status = 422


class BadModelFile(ModelError):
    code = "bad_model_file"


class DigestMismatch(ModelError):
    code = "digest_mismatch"


class SourceUnavailable(ModelError):
    code = "source_unavailable"
    status = 503
    retryable = True


class NotEnoughDisk(ModelError):
    code = "not_enough_disk"
    status = 507


class ToolError(BasketError):
    code = "tool_error"
    status = 502


class ToolFailed(ToolError):
    code = "tool_failed"


class ToolRefused(ToolError):
    code = "tool_refused"
    status = 403


class OutcomeUnknown(ToolError):
    code = "outcome_unknown"


class DocumentError(BasketError):
    code = "document_error"
    status = 422


class BadSignature(BasketError):
    code = "bad_signature"
    status = 422


class EgressRefused(BasketError):
    code = "egress_refused"
    status = 403


class SettingsError(BasketError):
    code = "bad_setting"


class StoreError(BasketError):
    code = "store_unavailable"
    status = 503


class PluginError(BasketError):
    code = "plugin_unavailable"


class PortInUse(BasketError):
    code = "port_in_use"
