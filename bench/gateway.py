"""Gateways in front of one mock upstream that takes no time: what does the gateway itself cost?

Second Basket (keyed, budgeted, every call written to the ledger before it ends), LiteLLM's proxy
(master key, no database: its database cannot be set up offline, which is in its favour here),
and the mock itself, one worker each, in turns.
"""

import contextlib
import secrets
import statistics
import sys
from collections.abc import Iterator

import msgspec

from bench import litellm
from bench.processes import WORK, Basket, free_port, resident_mib, running, wait_for
from bench.stream import FirstTokens, first_tokens
from bench.wrk import Load, measure

CONNECTIONS = (1, 4, 16, 64)
MODES = ("plain", "stream")

_LITELLM_CONFIGURATION = """\
model_list:
  - model_name: mock
    litellm_params:
      model: openai/mock
      api_base: {mock}/v1
      api_key: none
litellm_settings:
  telemetry: false
general_settings:
  master_key: {key}
"""

_BASKET_CONFIGURATION = """\
[models]
default_chat = "mock"
default_embedding = ""

[ledger]
fsync = {fsync}

[policy]
detect = {detect}

[log]
level = "warning"

[egress]
allow = ["127.0.0.1:{port}"]

[providers.bench]
base_url = "{mock}/v1"
law = "local"

[upstreams.mock]
provider = "bench"
model = "mock"
context_tokens = 8192
price_input_per_million = "0.05"
price_output_per_million = "0.20"

[baskets.mock]
upstreams = ["mock"]
"""


class Turn(msgspec.Struct, frozen=True):
    """One turn of load on one target."""

    target: str
    mode: str
    connections: int
    load: Load


class Result(msgspec.Struct, frozen=True):
    """Every turn as measured; memory of the gateways' own processes in MiB."""

    litellm: str
    turns: list[Turn]
    first_tokens: dict[str, list[FirstTokens]]
    idle_mib: dict[str, float]
    loaded_mib: dict[str, float]

    def median(self, target: str, mode: str, connections: int, figure: str) -> float:
        """The middle of the turns of one cell; `figure` names a field of Load."""
        return statistics.median(self.cell(target, mode, connections, figure))

    def cell(self, target: str, mode: str, connections: int, figure: str) -> list[float]:
        return [
            float(getattr(turn.load, figure))
            for turn in self.turns
            if (turn.target, turn.mode, turn.connections) == (target, mode, connections)
        ]


def chat_body(*, stream: bool) -> bytes:
    messages = [{"role": "user", "content": "What is a basket? Answer in one sentence."}]
    asked = {"model": "mock", "messages": messages, "stream": stream}
    if stream:
        asked["stream_options"] = {"include_usage": True}
    return msgspec.json.encode(asked)


@contextlib.contextmanager
def mock_upstream() -> Iterator[str]:
    port = free_port()
    with running("mock", [sys.executable, "-m", "bench.mock_upstream", str(port)]) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process)
        yield url


def basket_before(mock: str, name: str, *, fsync: bool = False, detect: bool = True) -> Basket:
    """A home whose one basket is the mock, named to the outbound door as our own."""
    port = mock.rpartition(":")[2]
    return Basket(
        WORK / name,
        _BASKET_CONFIGURATION.format(
            mock=mock, port=port, fsync=str(fsync).lower(), detect=str(detect).lower()
        ),
    )


def run(*, rounds: int, seconds: int) -> Result:
    """All targets up at once, idle but for the one whose turn it is."""
    with contextlib.ExitStack() as stack:
        mock = stack.enter_context(mock_upstream())
        basket = basket_before(mock, "gateway")
        ours = stack.enter_context(basket.up())
        key = basket.key()

        port, master = free_port(), f"sk-{secrets.token_urlsafe(32)}"
        configuration = WORK / "litellm.yaml"
        configuration.write_text(_LITELLM_CONFIGURATION.format(mock=mock, key=master))
        theirs = stack.enter_context(
            running(
                "litellm",
                litellm.command(str(configuration), port),
                litellm.ENVIRONMENT,
            )
        )
        wait_for(f"http://127.0.0.1:{port}/health/liveliness", theirs)

        processes = {"second basket": ours, "litellm": theirs}
        targets = {
            "direct": (mock, ""),
            "second basket": (basket.url, key),
            "litellm": (f"http://127.0.0.1:{port}", master),
        }
        idle = {name: resident_mib(process) for name, process in processes.items()}
        turns = [
            Turn(
                name,
                mode,
                connections,
                measure(
                    f"{url}/v1/chat/completions",
                    key=secret,
                    body=chat_body(stream=mode == "stream"),
                    connections=connections,
                    seconds=seconds,
                ),
            )
            for _ in range(rounds)
            for mode in MODES
            for connections in CONNECTIONS
            for name, (url, secret) in targets.items()
        ]
        first: dict[str, list[FirstTokens]] = {name: [] for name in targets}
        for _ in range(rounds):
            for name, (url, secret) in targets.items():
                endpoint = f"{url}/v1/chat/completions"
                first[name].append(
                    first_tokens(endpoint, key=secret, body=chat_body(stream=True), calls=200)
                )
        loaded = {name: resident_mib(process) for name, process in processes.items()}
    return Result(
        litellm=litellm.version(),
        turns=turns,
        first_tokens=first,
        idle_mib=idle,
        loaded_mib=loaded,
    )
