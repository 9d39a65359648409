"""Lint and parity over the admin door's real socket, on a real stack that has loaded no model."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from secondbasket.cli.connection import Connection, Refused
from secondbasket.cli.stack import run_stack
from secondbasket.core.reloaded import Reloaded
from secondbasket.egress.home_socket import home_session
from secondbasket.maas.independence import Findings
from secondbasket.maas.parity.orders import ParityOrder
from secondbasket.maas.parity.results import ParityRun
from secondbasket.settings import read_settings
from secondbasket.stores.home import Home

pytestmark = pytest.mark.anyio

SETTINGS = """\
[providers.eu]
base_url = "http://127.0.0.1:9/v1"
law = "FR"
vendor = "Far"

[upstreams.one]
provider = "eu"
model = "m"
context_tokens = 1000
price_input_per_million = 1
price_output_per_million = 2

[upstreams.two]
provider = "eu"
model = "n"
context_tokens = 1000
price_input_per_million = 1
price_output_per_million = 2

[baskets.b]
upstreams = ["one", "two"]
"""


@pytest.fixture
async def server(home: Path) -> AsyncIterator[Connection]:
    (home / "basket.toml").write_text(SETTINGS)
    place = Home(home)
    place.create()

    async with (
        home_session(place.admin_socket) as session,
        run_stack(
            read_settings(home, {}).settings,
            engines=False,
            public=False,
            reread=lambda: read_settings(home, {}).settings,
        ),
    ):
        yield Connection(session)


async def test_lint_tells_what_is_shared_and_what_is_not_known(server: Connection) -> None:
    found = await server.get("lint", Findings, basket="b")
    assert found.baskets == ("b",)
    assert {each.domain for each in found.shared} == {"vendor", "operator", "law", "machine"}
    assert [(each.domain, each.upstreams) for each in found.unknown] == [
        ("weights_origin", ("one", "two"))
    ]
    with pytest.raises(Refused, match="no model 'c'"):
        await server.get("lint", Findings, basket="c")


async def test_a_floor_comes_into_force_with_a_reload_and_a_bad_file_does_not(
    server: Connection, home: Path
) -> None:
    file = home / "basket.toml"
    evals = home / "cases.jsonl"
    file.write_text(f'{SETTINGS}parity_floor = 0.8\nparity_evals = "{evals}"\n')
    with pytest.raises(Refused, match=r"'baskets\.b\.parity_evals' names .* cannot be read"):
        await server.post("reload", Reloaded)
    unchanged = await server.get("lint", Findings, basket="b")
    assert "parity" not in {each.domain for each in unchanged.shared}
    evals.write_text('{"id": "a", "prompt": "p", "check": {"kind": "regex", "pattern": "x"}}\n')
    await server.post("reload", Reloaded)
    told = [each.told for each in (await server.get("lint", Findings, basket="b")).shared]
    assert told == [
        "There is no second basket: nothing behind it counts.",
        "one does not count: parity not measured.",
        "two does not count: parity not measured.",
    ]


async def test_a_run_is_told_step_by_step_and_found_again(server: Connection) -> None:
    order = ParityOrder(
        basket="b",
        upstream="one",
        evals='{"id": "a", "prompt": "p", "check": {"kind": "regex", "pattern": "x"}}\n',
    )
    steps = [step async for step in server.follow("parity", order)]
    assert steps[0].asked is not None
    assert (steps[0].asked.upstream, steps[0].asked.done, steps[0].asked.total) == ("one", 0, 1)
    run = steps[-1].parity
    assert run is not None
    assert (run.upstreams[0].state, run.complete) == ("incomplete", False)
    assert (await server.get(f"parity/{run.id}", ParityRun)).id == run.id
    assert [each.id for each in await server.get("parity", list[ParityRun])] == [run.id]
    with pytest.raises(Refused, match="'limit' is a number"):
        await server.get("parity", list[ParityRun], limit="0")
    with pytest.raises(Refused, match="no parity run"):
        await server.get("parity/parity_none", ParityRun)


async def test_an_order_with_an_unknown_field_is_refused(server: Connection) -> None:
    with pytest.raises(Refused, match="unknown field"):
        await server.post("parity", msgspec.Raw, {"basket": "b", "command": "rm"})
