"""Bytes through the door, under the law and the class that they belong to, and into the ledger."""

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.core.money import Price
from secondbasket.core.ports import UpstreamFacts
from secondbasket.egress.door import Door
from secondbasket.egress.meter import Meter
from secondbasket.egress.traffic import Traffic, current_traffic
from secondbasket.errors import StoreError
from secondbasket.policy.destinations import Destination, DestinationRules
from tests.unit.egress.conftest import Served

pytestmark = pytest.mark.anyio

Serve = Callable[..., Awaitable[Served]]


def upstream(name: str, *, law: str, vendor: str) -> UpstreamFacts:
    return UpstreamFacts(
        name=name,
        provider=vendor,
        vendor=vendor,
        law=law,
        model="m",
        task="chat",
        price=Price(0, 0),
    )


async def answer(request: web.Request) -> web.StreamResponse:
    await request.read()
    return web.Response(body=b"1234567")


async def test_bytes_are_told_apart_by_class_law_and_vendor(
    serve: Serve, told: list[Decision]
) -> None:
    places = {"US": await serve(answer), "FR": await serve(answer)}
    rules = DestinationRules(Destination("127.0.0.1", place.port) for place in places.values())
    door = Door(rules, told.append)
    for law, data_class, body in (
        ("US", DataClass.PUBLIC, b"one"),
        ("US", DataClass.CONFIDENTIAL, b"three"),
        ("US", DataClass.CONFIDENTIAL, b"three"),
        ("FR", DataClass.CONFIDENTIAL, b"seven!!"),
    ):
        current_traffic.set(Traffic(data_class))
        base_url = f"http://127.0.0.1:{places[law].port}"
        session = door.session(
            law, base_url=base_url, facts=upstream(law, law=law, vendor=f"v{law}")
        )
        async with session.post("/", data=body) as response:
            await response.read()
    counted = {
        (each.destination, each.vendor, each.law, each.data_class): (each.sent, each.received)
        for each in door.meter.sums()
    }
    us, fr = (f"127.0.0.1:{places[law].port}" for law in ("US", "FR"))
    assert counted == {
        (us, "vUS", "US", "public"): (3, 7),
        (us, "vUS", "US", "confidential"): (10, 14),
        (fr, "vFR", "FR", "confidential"): (7, 7),
    }
    await door.aclose()
    recorded = [each for each in told if each.kind == "egress_bytes"]
    assert {
        (each.subject, each.detail["law"], each.detail["data_class"], each.detail["sent"])
        for each in recorded
    } == {
        (us, "US", "public", "3"),
        (us, "US", "confidential", "10"),
        (fr, "FR", "confidential", "7"),
    }


async def test_what_was_sent_counts_although_no_answer_came(
    serve: Serve, told: list[Decision]
) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    place = await serve(hang_up)
    destination = Destination("127.0.0.1", place.port)
    door = Door(DestinationRules([destination]), told.append)
    facts = upstream("u", law="US", vendor="v")
    session = door.session("u", base_url=f"http://{destination}", facts=facts)
    with pytest.raises(Exception, match="disconnected"):
        await session.post("/", data=b"secret")
    assert [each.sent for each in door.meter.sums()] == [6]
    await door.aclose()


async def test_a_connection_that_never_stood_carried_nothing(told: list[Decision]) -> None:
    destination = Destination("127.0.0.1", 9)
    door = Door(DestinationRules([destination]), told.append)
    session = door.session("u", base_url=f"http://{destination}")
    with pytest.raises(Exception, match="Cannot connect"):
        await session.post("/", data=b"secret")
    assert door.meter.sums() == []
    await door.aclose()


def test_each_time_only_what_came_since_is_told() -> None:
    told: list[Decision] = []
    full = False

    def record(decision: Decision) -> None:
        if full:
            raise StoreError("The disk is full.")
        told.append(decision)

    meter = Meter(record)
    counter = meter.counter(Destination("a.example", 443), None)
    counter.add(sent=5)
    meter.tell()
    meter.tell()
    counter.add(sent=1, received=2)
    full = True
    with pytest.raises(StoreError):
        meter.tell()
    full = False
    counter.add(received=10)
    meter.tell()
    assert [(each.detail["sent"], each.detail["received"]) for each in told] == [
        ("5", "0"),
        ("1", "12"),
    ]
    assert told[1].detail["since"] >= told[0].at[:19]
