"""The bench measures what it says: against the real mock upstream, and on figures known before."""

import msgspec
import pytest

from bench import gateway, table
from bench.machine import describe
from bench.mock_upstream import WORDS
from bench.stream import Connection, FirstTokens, first_tokens, together
from bench.wrk import Load
from secondbasket.core.clock import now


def test_the_mock_upstream_streams_and_counts() -> None:
    with gateway.mock_upstream() as url:
        endpoint = f"{url}/v1/chat/completions"
        body = gateway.chat_body(stream=True)
        rate, streams = together(endpoint, key="none", bodies=[body] * 4)
        figures = first_tokens(endpoint, key="none", body=body, calls=50)
    assert [stream.output_tokens for stream in streams] == [len(WORDS)] * 4
    assert all(0 < stream.first_ms <= stream.total_ms for stream in streams)
    assert rate > 0
    assert 0 < figures.p50_ms <= figures.p99_ms


def test_a_plain_answer_is_no_stream() -> None:
    with gateway.mock_upstream() as url:
        connection = Connection(f"{url}/v1/chat/completions", "none")
        connection._socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.ask(gateway.chat_body(stream=False))
        connection.close()


def test_the_summary_is_of_medians_and_differences() -> None:
    def turns(target: str, rates: list[float], p50: float, p99: float) -> list[gateway.Turn]:
        return [
            gateway.Turn(target, mode, connections, Load(rate, p50, p99, 0))
            for rate in rates
            for mode in gateway.MODES
            for connections in gateway.CONNECTIONS
        ]

    figures = gateway.Result(
        litellm="1",
        turns=[
            *turns("direct", [50_000], 0.1, 0.2),
            *turns("second basket", [3000, 4000, 9000], 0.5, 1.2),
            *turns("litellm", [50, 80, 90], 16, 30),
        ],
        first_tokens={
            "direct": [FirstTokens(0.1, 0.2)],
            "second basket": [FirstTokens(0.6, 0.9)],
        },
        idle_mib={"second basket": 80},
        loaded_mib={"second basket": 90},
    )
    told = {what: measured for what, measured, _ in table.gateway_ratios(figures)}
    assert told["requests/s ÷ LiteLLM's, 16 connections, keyed and metered"] == (
        "50 (4,000 against 80)"
    )
    assert told["added p50, 1 connection"] == "0.40 ms"
    assert told["added p99, 1 connection"] == "1.00 ms"
    assert told["added time to first token"] == "0.50 ms"


def test_figures_carry_the_machine_they_were_taken_on() -> None:
    here = describe(now())
    measured = table.Measured(machine=here, figures={"answer": 42})
    again = msgspec.json.decode(msgspec.json.encode(measured), type=table.Measured[dict[str, int]])
    assert again.machine == here
    assert str(here).endswith(here.measured_at[:10])
    assert here.cores >= 1
