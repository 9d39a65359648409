"""The sampling fields that chat and text completions share."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from secondbasket.core.chat import Sampling
from secondbasket.errors import InvalidRequest

_Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class SamplingFields(msgspec.Struct, kw_only=True):
    """Ranges as OpenAI publishes them; outside is a 400 that names the field."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_tokens: _Count | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=16)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    n: Annotated[int, Meta(ge=1, le=8)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    def wants_usage(self) -> bool:
        if self.stream_options is not None and not self.stream:
            raise InvalidRequest("'stream_options' needs 'stream': true.", param="stream_options")
        return bool(self.stream_options and self.stream_options.include_usage)

    def sampling(
        self, *, max_tokens: int | None, logprobs: bool | None, top_logprobs: int | None
    ) -> Sampling:
        stop = self.stop
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=max_tokens,
            seed=self.seed,
            stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            logit_bias=self.logit_bias,
            logprobs=logprobs,
            top_logprobs=top_logprobs,
            n=self.n or 1,
        )


def encode_sampling(sampling: Sampling) -> dict[str, Any]:
    """The fields that were given, spelled for the wire; `logprobs` is the caller's to spell."""
    given: dict[str, Any] = {}
    for name in ("temperature", "top_p", "max_tokens", "seed", "presence_penalty",
                 "frequency_penalty", "logit_bias"):  # fmt: skip
        value = getattr(sampling, name)
        if value is not None:
            given[name] = value
    if sampling.stop:
        given["stop"] = sampling.stop
    if sampling.n != 1:
        given["n"] = sampling.n
    return given
