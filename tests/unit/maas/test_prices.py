"""What is reserved before a call is never less than what the call can come to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.core.money import Price
from secondbasket.core.usage import Usage
from secondbasket.errors import InvalidRequest
from secondbasket.maas.prices import most_usage, plausible

PRICE = Price(50_000_000, 200_000_000)


def most_of(text_bytes: int, max_tokens: int | None, context_tokens: int, **more: int) -> int:
    shape = {"prompts": 1, "messages": 1, "answers": 1} | more
    return PRICE.cost(
        most_usage(
            text_bytes=text_bytes,
            max_tokens=max_tokens,
            context_tokens=context_tokens,
            prompts=shape["prompts"],
            messages=shape["messages"],
            answers=shape["answers"],
        )
    )


def test_an_answer_nothing_bounds_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        most_of(10, None, 0)
    assert caught.value.param == "max_tokens"


def test_the_context_bounds_what_nothing_else_does() -> None:
    assert most_of(10**6, None, 2_048) == PRICE.cost(Usage(2_048, 2_048))
    assert most_of(10**6, 16, 2_048) == PRICE.cost(Usage(2_048, 16))


def test_answers_share_their_prompt_and_embeddings_have_none() -> None:
    assert most_of(10**6, 16, 2_048, answers=4) == PRICE.cost(Usage(2_048, 64))
    assert most_of(10**6, 16, 2_048, prompts=3, answers=6) == PRICE.cost(Usage(3 * 2_048, 96))
    assert most_of(10**6, None, 256, prompts=100, answers=0) == PRICE.cost(Usage(25_600, 0))


counts = st.integers(0, 10**6)


@given(
    price=st.builds(Price, counts, counts),
    text_bytes=counts,
    max_tokens=st.none() | st.integers(1, 10**6),
    context_tokens=st.integers(1, 10**6),
    messages=st.integers(1, 100),
    answers=st.integers(1, 8),
    parts=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
)
def test_no_call_within_its_bounds_costs_more_than_its_most_usage(
    price: Price,
    text_bytes: int,
    max_tokens: int | None,
    context_tokens: int,
    messages: int,
    answers: int,
    parts: tuple[float, float, float],
) -> None:
    """Tokens cover a byte or more each; a template adds up to 30 a message and 500 a call."""
    read = int(parts[0] * text_bytes) + int(parts[1] * (30 * messages + 500))
    written = int(parts[2] * (context_tokens if max_tokens is None else max_tokens))
    usage = Usage(min(read, context_tokens), answers * min(written, context_tokens))
    most = most_usage(
        text_bytes=text_bytes,
        prompts=1,
        messages=messages,
        answers=answers,
        max_tokens=max_tokens,
        context_tokens=context_tokens,
    )
    assert price.cost(usage) <= price.cost(most)


MOST = most_usage(
    text_bytes=100, prompts=1, messages=1, answers=1, max_tokens=50, context_tokens=4096
)


@pytest.mark.parametrize(
    ("usage", "wrote", "believed"),
    [
        (Usage(100, 50), True, True),
        (Usage(30, 0), False, True),
        (Usage(30, 0), True, False),
        (Usage(100, 51), True, False),
        (Usage(5000, 50), True, True),
        (Usage(10**6, 5), True, False),
        (Usage(30, 5, 30), True, True),
        (Usage(30, 5, 31), True, False),
        (Usage(-1, 5), True, False),
        (Usage(30, -5), True, False),
    ],
)
def test_a_count_is_believed_only_within_what_the_call_could_use(
    usage: Usage, wrote: bool, believed: bool
) -> None:
    assert plausible(usage, MOST, wrote=wrote) is believed
