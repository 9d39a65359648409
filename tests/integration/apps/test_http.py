"""HTTP through a real door, to a real server that sends too much, hangs and redirects."""

import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from secondbasket.apps.tools import http
from secondbasket.apps.tools.ground import ToolGround
from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.core.ports import Tool
from secondbasket.core.tool import NeverHappened, ToolCall, ToolOutcome
from secondbasket.errors import OutcomeUnknown, ToolFailed, ToolRefused
from tests.grounds import Site, open_door, web

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with web() as running:
        yield running


@pytest.fixture
def decisions() -> list[Decision]:
    return []


class Tools:
    def __init__(self, session: Any, *origins: str) -> None:
        self.session, self.origins = session, origins

    def make(self, **settings: Any) -> dict[str, Tool]:
        made = http.create(
            ToolGround(
                session=self.session,
                settings={"allow": list(self.origins), **settings},
                programs=Path("/"),
            )
        )
        return {tool.facts.name: tool for tool in made}


@pytest.fixture
async def tools(site: Site, decisions: list[Decision]) -> AsyncIterator[Tools]:
    async with open_door(site.origin, told=decisions) as session:
        yield Tools(session, site.origin)


def call_of(data_class: DataClass = DataClass.PUBLIC, **arguments: Any) -> ToolCall:
    return ToolCall(
        key="eff_7",
        task="t",
        worker="w",
        arguments=arguments,
        folder=Path("/nowhere"),
        data_class=data_class,
    )


async def get(tools: Tools, url: str, **settings: Any) -> ToolOutcome:
    return await tools.make(**settings)["http.get"].call(call_of(url=url))


async def test_a_page_is_read_as_text(tools: Tools, site: Site) -> None:
    outcome = await tools.make()["http.get"].call(
        call_of(url=f"{site.origin}/page", query={"q": "a b&c", "n": 3, "all": True})
    )
    assert outcome.text.startswith("[200 text/html]\nPrices & terms\nBolts cost 3 EUR.")
    assert "alert" not in outcome.text
    method, path, headers = site.seen[0]
    assert (method, path) == ("GET", "/page?q=a+b%26c&n=3&all=true")
    assert not {"Cookie", "Authorization"} & set(headers)
    facts = tools.make()["http.get"].facts
    assert (facts.effect, facts.from_outside, facts.egress) == ("read", True, True)


async def test_fifty_megabytes_are_cut_while_they_are_read(tools: Tools, site: Site) -> None:
    tracemalloc.start()
    outcome = await get(tools, f"{site.origin}/huge")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.data["cut"]
    assert outcome.text.endswith("[cut: there is more]")
    assert len(outcome.text) < 64 * 1024
    assert site.sent < 30_000_000, "the other end was not read to its end"
    assert peak < 20_000_000


async def test_a_bomb_is_not_unpacked(tools: Tools, site: Site) -> None:
    tracemalloc.start()
    with pytest.raises((OutcomeUnknown, ToolFailed), match="encoding"):
        await get(tools, f"{site.origin}/bomb")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


async def test_what_hangs_is_left(tools: Tools, site: Site) -> None:
    with pytest.raises(ToolFailed, match=r"within 0\.3 s"):
        await get(tools, f"{site.origin}/hang", seconds=0.3)
    with pytest.raises(OutcomeUnknown, match="may have acted"):
        await tools.make(seconds=0.3)["http.post"].call(
            call_of(url=f"{site.origin}/hang", body=None)
        )


@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:1/",
        "http://[::ffff:a9fe:a9fe]/",
        "https://example.org/",
        "//example.org/",
        "file:///etc/passwd",
        "http://user:pw@127.0.0.1/",
        "http://",
        "http://0x7f000001/",
    ],
)
async def test_a_redirect_leads_to_listed_origins_only(
    tools: Tools, site: Site, elsewhere: str, decisions: list[Decision]
) -> None:
    site.elsewhere = elsewhere
    with pytest.raises(ToolFailed):
        await get(tools, f"{site.origin}/away")
    dialled = {decision.subject for decision in decisions if decision.kind == "egress"}
    assert dialled == {site.origin.removeprefix("http://")}


async def test_a_listed_origin_is_still_the_doors_to_judge(tools: Tools, site: Site) -> None:
    """The list says where a tool may go; that an address may be dialled at all, the door says."""
    site.elsewhere = "http://169.254.169.254/"
    tools.origins = (*tools.origins, "http://169.254.169.254")
    with pytest.raises((ToolFailed, OutcomeUnknown), match=r"169\.254\.169\.254"):
        await get(tools, f"{site.origin}/away")


async def test_redirects_within_are_followed_and_end(tools: Tools, site: Site) -> None:
    assert "Prices" in (await get(tools, f"{site.origin}/moved")).text
    with pytest.raises(ToolFailed, match="redirected more than 5 times"):
        await get(tools, f"{site.origin}/circle")
    assert len(site.seen) == 2 + 6


async def test_other_origins_are_not_asked(tools: Tools, site: Site) -> None:
    for url in (
        "http://127.0.0.1:1/",
        "https://example.org/",
        f"{site.origin}.example.org/",
        site.origin.replace("http://", "http://user@"),
        site.origin.replace("http://", "https://"),
        f"{site.origin}\\@example.org/",
    ):
        with pytest.raises(ToolFailed):
            await get(tools, url)
    assert site.seen == []


async def test_what_is_no_text_is_told_by_its_size(tools: Tools, site: Site) -> None:
    outcome = await get(tools, f"{site.origin}/picture")
    assert "[5 bytes of image/png, which is no text]" in outcome.text


async def test_a_status_is_an_answer(tools: Tools, site: Site) -> None:
    assert (await get(tools, f"{site.origin}/none")).data["status"] == 404
    assert (await get(tools, f"{site.origin}/broken")).data["status"] == 502


async def test_a_post_carries_its_key(tools: Tools, site: Site) -> None:
    post = tools.make()["http.post"]
    facts = post.facts
    assert (facts.effect, facts.from_outside, facts.egress) == ("external", True, True)
    assert not facts.takes_key, "whether the other end keeps to it, its owner has to say"
    assert tools.make(keyed=True)["http.post"].facts.takes_key
    call = call_of(url=f"{site.origin}/orders", body={"item": "bolts"})
    for _ in range(2):
        outcome = await post.call(call)
        assert outcome.data["status"] == 201
    assert site.orders == {"eff_7": {"item": "bolts"}}
    assert site.seen[0][2]["Content-Type"] == "application/json"
    assert await post.reconcile(call) is None
    assert isinstance(await tools.make()["http.get"].reconcile(call), NeverHappened)


async def test_a_post_that_may_have_acted_is_not_called_failed(tools: Tools, site: Site) -> None:
    post = tools.make()["http.post"]
    with pytest.raises(OutcomeUnknown, match="502"):
        await post.call(call_of(url=f"{site.origin}/broken", body=1))
    tools.origins = (*tools.origins, "http://127.0.0.1:1")
    async with open_door(*tools.origins) as session:
        tools.session = session
        with pytest.raises(ToolFailed, match="cannot be reached"):
            await tools.make()["http.post"].call(call_of(url="http://127.0.0.1:1/", body=1))


async def test_a_task_that_holds_too_much_asks_nobody(tools: Tools, site: Site) -> None:
    for name in ("http.get", "http.post"):
        with pytest.raises(ToolRefused, match="confidential"):
            await tools.make()[name].call(
                call_of(DataClass.CONFIDENTIAL, url=f"{site.origin}/page", body=1)
            )
    assert site.seen == []
    allowed = tools.make(up_to="confidential")["http.get"]
    await allowed.call(call_of(DataClass.CONFIDENTIAL, url=f"{site.origin}/page"))
    assert len(site.seen) == 1
