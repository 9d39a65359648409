"""Prices: what each upstream costs, and the most one call can come to."""

from collections.abc import Mapping

from secondbasket.core.money import Price
from secondbasket.core.usage import Usage
from secondbasket.errors import InvalidRequest, SettingsError

LOCAL = "local"

# What a chat template adds to the text of a call (a default system prompt, instructions for
# tools) and of each message (role, delimiters, wrapping of a tool's call or reply).
_TEMPLATE_TOKENS = 512
_MESSAGE_TOKENS = 32


class PriceBook:
    """The price of this machine's own compute, and of each upstream elsewhere by its name.

    All in one currency, because a budget cannot add up two. Raises
    SettingsError otherwise.
    """

    def __init__(self, local: Price, by_upstream: Mapping[str, Price]) -> None:
        for name, price in by_upstream.items():
            if price.currency != local.currency:
                raise SettingsError(
                    f"Upstream '{name}' is priced in {price.currency}, everything else in"
                    f" {local.currency}.",
                    hint="Give every price in one currency.",
                )
        self.currency = local.currency
        self._local = local
        self._by_upstream = dict(by_upstream)

    def for_upstream(self, name: str, provider: str) -> Price:
        """An upstream's own price; for our own compute without one, the local price.

        Raises SettingsError for anyone else's: nothing is free by accident.
        """
        price = self._by_upstream.get(name)
        if price is not None:
            return price
        if provider == LOCAL:
            return self._local
        raise SettingsError(
            f"Upstream '{name}' of {provider} has no price.",
            hint="Set its price per million input and output tokens; 0 says that it is free.",
        )


def worst_case(
    price: Price,
    *,
    text_bytes: int,
    max_tokens: int | None,
    context_tokens: int,
    messages: int = 1,
) -> int:
    """The most one answer can cost, in nano-units: what is reserved before it is asked for.

    A token covers at least one byte of text, so the input is at most
    `text_bytes` tokens and what a chat template adds to each of the `messages`;
    the answer is at most `max_tokens`. Neither is more than `context_tokens` (0: unknown). Raises
    InvalidRequest where nothing bounds the answer.
    """
    input_tokens = text_bytes + _TEMPLATE_TOKENS + messages * _MESSAGE_TOKENS
    output_tokens = max_tokens
    if context_tokens:
        input_tokens = min(input_tokens, context_tokens)
        output_tokens = min(context_tokens if max_tokens is None else max_tokens, context_tokens)
    if output_tokens is None:
        raise InvalidRequest(
            "This model's context size is not known, so nothing bounds what an answer can cost.",
            hint="Set max_tokens in the request, or context_tokens of the upstream.",
            param="max_tokens",
        )
    return price.cost(Usage(input_tokens, output_tokens))
