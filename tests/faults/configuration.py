"""The `basket.toml` of a product whose baskets are the cases."""

from collections.abc import Iterable, Sequence

import msgspec

from tests.faults.server import FaultServer, Upstream
from tests.faults.wire import Kind

_HEAD = """\
[models]
default_chat = "{first}"
default_embedding = ""

[engine]
drain_seconds = 1

[log]
level = "warning"

[health]
probe_seconds = 3600
{health}

[policy.rules.trusted]
classes = ["confidential"]
laws = ["EU"]

[egress]
allow = [{places}]
"""

_UPSTREAM = """
[providers.{name}]
kind = "{wire}"
base_url = "{base_url}"
law = "{law}"
connect_seconds = {seconds}

[upstreams.{name}]
provider = "{name}"
model = "scripted"
task = "{task}"
context_tokens = 8192
price_input_per_million = "{read}"
price_output_per_million = "{written}"

"""

_BASKET = """
[baskets.{name}]
upstreams = [{upstreams}]
task = "{task}"
first_token_seconds = {seconds}
idle_seconds = {seconds}
continuation = "{continuation}"
"""


class Member(msgspec.Struct, frozen=True):
    """An upstream of a basket, with prices per million tokens read and written.

    Only under the law of the EU may it see confidential data.
    """

    upstream: Upstream
    law: str = "EU"
    prices: tuple[int, int] = (1, 2)


class Basket(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds` is each of its time-outs."""

    name: str
    kind: Kind
    members: Sequence[Member]
    continuation: str = "replay"
    seconds: float


def configuration(
    servers: Iterable[FaultServer], baskets: Iterable[Basket], *, health: str = ""
) -> str:
    """One provider for every upstream; `health` are more lines of that section."""
    baskets = list(baskets)
    ports = [port for server in servers for port in (server.port, server.closed_port)]
    places = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
    parts = [_HEAD.format(first=baskets[0].name, places=places, health=health)]
    written: set[str] = set()
    for basket in baskets:
        task = "embedding" if basket.kind == "embeddings" else "chat"
        for member in basket.members:
            upstream = member.upstream
            if upstream.name in written:
                continue
            written.add(upstream.name)
            read, write = member.prices
            parts.append(
                _UPSTREAM.format(
                    name=upstream.name,
                    wire=upstream.wire,
                    base_url=upstream.base_url,
                    law=member.law,
                    seconds=basket.seconds,
                    task=task,
                    read=read,
                    written=write,
                )
            )
        parts.append(
            _BASKET.format(
                name=basket.name,
                upstreams=", ".join(f'"{each.upstream.name}"' for each in basket.members),
                task=task,
                seconds=basket.seconds,
                continuation=basket.continuation,
            )
        )
    return "".join(parts)
