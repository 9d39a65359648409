"""A request for the rest: the conversation stays, the half-written answer is in it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from secondbasket.core.chat import ChatRequest, Message, Sampling, TextPart, ToolCall
from secondbasket.maas.failover import continuation
from secondbasket.maas.failover.joint import anchor_of

QUESTION = Message(role="user", content="Tell me of the sea.")


def ask(*messages: Message, max_tokens: int | None = None) -> ChatRequest:
    return ChatRequest(
        model="b", messages=messages, sampling=Sampling(max_tokens=max_tokens, seed=7)
    )


@settings(deadline=None)
@given(st.text(min_size=1))
def test_prefilled_ends_with_what_was_delivered(delivered: str) -> None:
    asked = continuation.prefilled(ask(QUESTION), delivered)
    assert asked.messages == (QUESTION, Message(role="assistant", content=delivered))
    assert asked.sampling.seed == 7


@settings(deadline=None)
@given(st.text(min_size=1).filter(str.strip))
def test_replay_shows_what_was_delivered_and_asks_for_its_last_words(delivered: str) -> None:
    asked = continuation.replay(ask(QUESTION), delivered)
    question, answer, instruction = asked.messages
    assert (question, answer.role, answer.content) == (QUESTION, "assistant", delivered)
    assert instruction.role == "user"
    assert isinstance(instruction.content, str)
    assert f"<last_words>{anchor_of(delivered)}</last_words>" in instruction.content


def test_nothing_delivered_is_the_request_itself() -> None:
    request = ask(QUESTION, max_tokens=9)
    assert continuation.prefilled(request, "") is request
    assert continuation.replay(request, "") is request
    assert continuation.replay(request, " \n") is request


def test_an_answer_that_the_caller_began_goes_on_in_one_message() -> None:
    begun = Message(role="assistant", content="The sea")
    for asked in (
        continuation.prefilled(ask(QUESTION, begun), " is wide"),
        continuation.replay(ask(QUESTION, begun), " is wide"),
    ):
        assert asked.messages[1] == Message(role="assistant", content="The sea is wide")
    parts = Message(role="assistant", content=(TextPart("The sea"),))
    asked = continuation.prefilled(ask(QUESTION, parts), " is wide")
    assert asked.messages[1].content == (TextPart("The sea"), TextPart(" is wide"))


def test_a_tool_call_is_no_beginning_of_a_text() -> None:
    call = Message(role="assistant", tool_calls=(ToolCall("c", "look", "{}"),))
    asked = continuation.prefilled(ask(QUESTION, call), "The sea")
    assert asked.messages == (QUESTION, call, Message(role="assistant", content="The sea"))


def test_tokens_already_written_come_off_the_limit() -> None:
    request, delivered = ask(QUESTION, max_tokens=100), "sea " * 60
    assert continuation.prefilled(request, delivered).sampling.max_tokens == 100
    assert continuation.prefilled(request, delivered, written=60).sampling.max_tokens == 40
    assert continuation.prefilled(request, delivered, written=200).sampling.max_tokens == 1
    again = continuation.replay(request, delivered, written=60).sampling.max_tokens
    assert again is not None
    assert 40 < again <= 100
