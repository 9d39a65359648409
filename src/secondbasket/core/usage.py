"""Token counts of one call, in the words of OpenTelemetry's ``gen_ai.usage.*``."""

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """Tokens read and written by one call.

    `cached_input_tokens` is the part of `input_tokens` that the engine took
    from its prefix cache; it is never added on top.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens
