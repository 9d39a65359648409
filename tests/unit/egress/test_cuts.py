"""Cuts at real sockets, on both event loops: what runs is reset, what is asked for is refused."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
import msgspec
import pytest

from secondbasket.core.decision import Decision
from secondbasket.core.money import Price
from secondbasket.core.ports import UpstreamFacts
from secondbasket.egress.cuts import Cut, Cuts, names_of
from secondbasket.egress.door import Door
from secondbasket.egress.loopback import Loopback
from secondbasket.egress.traffic import Traffic, current_traffic
from secondbasket.errors import InvalidRequest
from secondbasket.policy.destinations import Destination, DestinationRules


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


pytestmark = pytest.mark.anyio

FACTS = UpstreamFacts(
    name="cloud/large",
    provider="cloud",
    vendor="Cloud Inc.",
    operator="Iron Ltd.",
    law="US",
    location="DE",
    engine_family="llamacpp",
    model="large",
    task="chat",
    price=Price(0, 0),
)


class Far:
    """A server that answers the first bytes of a stream and goes on for ever; says how it ends."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.ends: asyncio.Queue[str] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun")
            self.ends.put_nowait("closed" if not await reader.read() else "more")
        except ConnectionResetError:
            self.ends.put_nowait("reset")
        finally:
            writer.close()


@asynccontextmanager
async def far() -> AsyncIterator[Far]:
    place = Far()
    server = await asyncio.start_server(place.serve, "127.0.0.1", 0)
    place.port = server.sockets[0].getsockname()[1]
    async with server:
        yield place


@asynccontextmanager
async def by_door(place: Far, cuts: Cuts) -> AsyncIterator[aiohttp.ClientSession]:
    told: list[Decision] = []
    destination = Destination("127.0.0.1", place.port)
    door = Door(DestinationRules([destination]), told.append, cuts=cuts)
    yield door.session("test", base_url=f"http://{destination}", facts=FACTS)
    await door.aclose()


@asynccontextmanager
async def by_loopback(_place: Far, cuts: Cuts) -> AsyncIterator[aiohttp.ClientSession]:
    loopback = Loopback(cuts)
    yield loopback.session(FACTS)
    await loopback.aclose()


Road = Callable[[Far, Cuts], AbstractAsyncContextManager[aiohttp.ClientSession]]
both_roads = pytest.mark.parametrize("road", [by_door, by_loopback])


async def begin(
    session: aiohttp.ClientSession, place: Far, *, canary: bool
) -> aiohttp.ClientResponse:
    current_traffic.set(Traffic(canary=canary))
    response = await session.get(f"http://127.0.0.1:{place.port}/")
    assert await response.content.readexactly(5) == b"begun"
    return response


@both_roads
async def test_what_runs_is_really_reset_and_more_is_refused(road: Road) -> None:
    cuts = Cuts()
    async with far() as place, road(place, cuts) as session:
        running = await begin(session, place, canary=True)
        with cuts.inflict([Cut("law", "us")]):
            with pytest.raises(aiohttp.ClientError):
                await running.content.read()
            assert await asyncio.wait_for(place.ends.get(), 5) == "reset"
            with pytest.raises(aiohttp.ClientConnectorError) as refused:
                await session.get(f"http://127.0.0.1:{place.port}/")
            assert isinstance(refused.value.os_error, ConnectionResetError)
            assert place.connections == 1
        running.close()
        (await begin(session, place, canary=True)).close()
        assert place.connections == 2


@both_roads
async def test_traffic_of_others_goes_on_unless_the_cut_is_live(road: Road) -> None:
    cuts = Cuts()
    async with far() as place, road(place, cuts) as session:
        running = await begin(session, place, canary=False)
        with cuts.inflict([Cut("vendor", "Cloud Inc.")]):
            other = await begin(session, place, canary=False)
            assert place.ends.empty()
            with cuts.inflict([Cut("vendor", "Cloud Inc.")], live=True):
                for each in (running, other):
                    with pytest.raises(aiohttp.ClientError):
                        await each.content.read()
                    assert await asyncio.wait_for(place.ends.get(), 5) == "reset"
                with pytest.raises(aiohttp.ClientConnectorError):
                    await begin(session, place, canary=False)
            (await begin(session, place, canary=False)).close()
        running.close()
        other.close()


async def test_it_is_restored_however_the_block_ends() -> None:
    cuts = Cuts()
    current_traffic.set(Traffic(canary=True))
    with pytest.raises(RuntimeError), cuts.inflict([Cut("law", "US")]):
        assert cuts.severed(FACTS)
        raise RuntimeError
    assert not cuts.severed(FACTS)

    async def cut() -> None:
        with cuts.inflict([Cut("law", "US")]):
            await asyncio.Event().wait()

    task = asyncio.create_task(cut())
    await asyncio.sleep(0)
    assert cuts.severed(FACTS)
    task.cancel()
    await asyncio.wait({task})
    assert not cuts.severed(FACTS)


async def test_two_of_the_same_are_two() -> None:
    cuts = Cuts()
    current_traffic.set(Traffic(canary=True))
    with cuts.inflict([Cut("law", "US")]):
        with cuts.inflict([Cut("law", "US")]):
            pass
        assert cuts.severed(FACTS)


@both_roads
async def test_a_connection_is_held_only_while_a_call_has_it(road: Road) -> None:
    cuts = Cuts()
    async with far() as place, road(place, cuts) as session:
        running = await begin(session, place, canary=True)
        assert len(cuts._lines) == 1
        running.close()
        assert not cuts._lines


@pytest.mark.parametrize(
    "text",
    [
        "law:US",
        "vendor:cloud inc.",
        "provider:cloud",
        "operator:Iron Ltd.",
        "location: de",
        "engine:llamacpp",
        "upstream:cloud/large",
    ],
)
async def test_every_kind_is_read_and_matches(text: str) -> None:
    cut = Cut.parse(text)
    assert Cut.parse(str(cut)) == cut
    assert cut.severs(FACTS)
    assert not Cut(cut.kind, f"{cut.name}x").severs(FACTS)


async def test_the_law_of_the_union_takes_its_members_along_and_not_the_other_way_round() -> None:
    french = msgspec.structs.replace(FACTS, law="FR")
    european = msgspec.structs.replace(FACTS, law="EU")
    assert Cut.parse("law:EU").severs(french)
    assert Cut.parse("law:FR").severs(french)
    assert not Cut.parse("law:DE").severs(french)
    assert not Cut.parse("law:FR").severs(european)
    assert names_of("law", french) == ("FR", "EU")


@pytest.mark.parametrize(
    "text", ["", "law", "law:", ":US", "country:US", "Law:US", "law:" + "x" * 201]
)
async def test_what_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="cut"):
        Cut.parse(text)
