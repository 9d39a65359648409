import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.core.money import Price
from secondbasket.core.usage import Usage
from secondbasket.errors import InvalidRequest, SettingsError
from secondbasket.maas.prices import LOCAL, PriceBook, worst_case

PRICE = Price(50_000_000, 200_000_000, per_call=7)


def test_local_compute_has_the_local_price_and_nobody_is_free_by_accident() -> None:
    book = PriceBook(PRICE, {"paris": Price(1, 2), "gpu": Price(3, 4)})
    assert book.for_upstream("any", LOCAL) == PRICE
    assert book.for_upstream("gpu", LOCAL) == Price(3, 4)
    assert book.for_upstream("paris", "Mistral") == Price(1, 2)
    with pytest.raises(SettingsError, match="'tokyo' of Acme has no price"):
        book.for_upstream("tokyo", "Acme")


def test_prices_of_two_currencies_stop_the_start() -> None:
    with pytest.raises(SettingsError, match="'paris' is priced in EUR"):
        PriceBook(PRICE, {"paris": Price(1, 2, "EUR")})


def test_an_answer_nothing_bounds_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        worst_case(PRICE, text_bytes=10, max_tokens=None, context_tokens=0)
    assert caught.value.param == "max_tokens"


def test_the_context_bounds_what_nothing_else_does() -> None:
    most = worst_case(PRICE, text_bytes=10**6, max_tokens=None, context_tokens=2_048)
    assert most == PRICE.cost(Usage(2_048, 2_048))
    assert worst_case(PRICE, text_bytes=10**6, max_tokens=16, context_tokens=2_048) == PRICE.cost(
        Usage(2_048, 16)
    )


counts = st.integers(0, 10**6)
prices = st.builds(Price, counts, counts, per_call=counts)


@given(
    price=prices,
    text_bytes=counts,
    max_tokens=st.none() | counts,
    context_tokens=st.integers(1, 10**6),
    messages=st.integers(1, 100),
    parts=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
)
def test_no_call_within_its_bounds_costs_more_than_the_worst_case(
    price: Price,
    text_bytes: int,
    max_tokens: int | None,
    context_tokens: int,
    messages: int,
    parts: tuple[float, float, float],
) -> None:
    """Tokens cover a byte or more each; a template adds up to 30 a message and 500 a call."""
    read = int(parts[0] * text_bytes) + int(parts[1] * (30 * messages + 500))
    written = int(parts[2] * (context_tokens if max_tokens is None else max_tokens))
    usage = Usage(min(read, context_tokens), min(written, context_tokens))
    most = worst_case(
        price,
        text_bytes=text_bytes,
        max_tokens=max_tokens,
        context_tokens=context_tokens,
        messages=messages,
    )
    assert price.cost(usage) <= most
