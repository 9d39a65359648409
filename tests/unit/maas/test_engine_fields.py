"""Fields beyond the wire: harmless ones reach our engines, the others do not."""

from typing import Any

import pytest

from secondbasket.core.chat import ChatRequest, Message
from secondbasket.errors import InvalidRequest
from secondbasket.maas.upstreams.engine_fields import known_only


def request(message_extra: dict[str, Any] | None = None, **extra: Any) -> ChatRequest:
    message = Message(role="user", content="x", extra=message_extra or {})
    return ChatRequest(model="m", messages=(message,), extra=extra)


def test_sampling_fields_of_the_engine_pass() -> None:
    for asked in (
        request(top_k=40, min_p=0.1, repeat_last_n=64, ignore_eos=True, user="u"),
        request(chat_template_kwargs={"enable_thinking": False}),
        request({"reasoning_content": "because"}),
    ):
        assert known_only(asked) == asked


@pytest.mark.parametrize("name", ["samplers", "n_indent", "t_max_predict_ms", "made_up"])
def test_what_is_not_listed_does_not_reach_them(name: str) -> None:
    asked = known_only(request({name: 1}, **{name: 1}, top_k=1))
    assert asked.extra == {"top_k": 1}
    assert asked.messages[0].extra == {}


@pytest.mark.parametrize(
    "extra",
    [
        {"repeat_last_n": 100_000_000},
        {"dry_penalty_last_n": 2**31 - 1},
        {"top_k": -1},
        {"chat_template_kwargs": {"messages": []}},
        {"chat_template_kwargs": {"bos_token": "x"}},
        {"chat_template_kwargs": {"enable_thinking": ["x"]}},
    ],
)
def test_what_is_out_of_bounds_is_refused(extra: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        known_only(request(**extra))
