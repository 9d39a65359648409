"""A receipt on the terminal: every hop with its reason and its price."""

import msgspec
import pytest

from secondbasket.cli.receipt import receipt_line, show
from secondbasket.core.receipt import Hop, Receipt

RECEIPT = Receipt(
    request_id="req_1",
    created_at="2026-11-24T14:05:09.250Z",
    operation="chat",
    key_id="key_1",
    key_name="Ada",
    basket="assistant",
    upstream="local/small",
    model="small",
    digest="sha256:b179",
    engine="llama",
    chip="cpu0",
    provider="local",
    law="own",
    outcome="completed",
    input_tokens=66,
    output_tokens=60,
    cached_input_tokens=0,
    cost=290,
    currency="USD",
    duration_ms=420.0,
    data_class="confidential",
)
BROKEN = Hop(
    upstream="far",
    decision="first by priority",
    provider="vendor",
    law="US",
    model="large",
    outcome="upstream_failed",
    error="upstream_timeout",
    output_tokens=40,
    usage_exact=False,
    cost=40,
    first_token_ms=20.0,
)
REST = Hop(
    upstream="local/small",
    decision="goes on after upstream_timeout of far",
    provider="local",
    law="own",
    model="small",
    outcome="completed",
    input_tokens=66,
    output_tokens=20,
    cost=250,
    started_ms=310.0,
    first_token_ms=25.0,
    goes_on=True,
)


def test_one_upstream_needs_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    show(RECEIPT)
    told = capsys.readouterr().out
    assert "Class     confidential" in told
    assert "Hops" not in told
    assert "HOP" not in told


def test_every_hop_has_its_reason_and_its_price(capsys: pytest.CaptureFixture[str]) -> None:
    receipt = msgspec.structs.replace(
        RECEIPT, hops=(BROKEN, REST), passed_over={"other": "law is not FR"}
    )
    show(receipt)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "Hops 2: continued on local/small after far broke off; not asked: other" in lines
    assert (
        "1 far US first by priority upstream_failed (upstream_timeout) ~0 + 40 0.00000004 USD"
        " 0 ms 20 ms"
    ) in lines
    assert (
        "2 local/small own goes on after upstream_timeout completed 66 + 20 0.00000025 USD"
        " 310 ms 335 ms"
    ) in lines
    assert "other law is not FR" in lines
    assert receipt_line(receipt).endswith(
        "continued on local/small after far broke off; not asked: other"
    )


def test_what_an_upstream_wrote_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hop = msgspec.structs.replace(BROKEN, decision="\x1b]0;gone\x07", upstream="\u202efar")
    show(msgspec.structs.replace(RECEIPT, hops=(hop, REST), passed_over={"\x1b[2J": "\x9b2J"}))
    told = capsys.readouterr().out.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(told)
