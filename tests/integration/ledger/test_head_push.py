"""Heads on their way to another host, over the real door and real HTTP."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from yarl import URL

from secondbasket.core.decision import Decision
from secondbasket.core.head import PushState
from secondbasket.egress.door import Door
from secondbasket.ledger.head_push import HeadPush
from secondbasket.policy.destinations import DestinationRules, destination_of
from tests.scripted_upstream import Exchange, ScriptedUpstream, scripted_upstream

pytestmark = pytest.mark.anyio


def head(size: int) -> dict[str, Any]:
    return {"document": "secondbasket.tree_head", "size": size, "hash": "é"}


async def accept(exchange: Exchange) -> None:
    await exchange.plain({})


@asynccontextmanager
async def pushing(
    *hosts: ScriptedUpstream, told: list[Decision], offline: bool = False
) -> AsyncIterator[HeadPush]:
    urls = {f"host {number}": URL(host.base_url) for number, host in enumerate(hosts)}
    rules = DestinationRules(named=map(destination_of, urls.values()))
    door = Door(rules, told.append, offline=offline)
    destinations = {
        name: (f"{url}/heads?token=x", door.session("heads", base_url=str(url.origin())))
        for name, url in urls.items()
    }
    try:
        yield HeadPush(destinations, told.append, first_wait_seconds=0.01)
    finally:
        await door.aclose()


def pushes(told: list[Decision]) -> list[tuple[str, str]]:
    return [(each.subject, each.outcome) for each in told if each.kind == "head_push"]


async def test_a_head_is_posted_as_it_was_signed_and_told_once() -> None:
    told: list[Decision] = []
    async with scripted_upstream(accept) as host, pushing(host, told=told) as push:
        push.offer(head(3))
        await push.push()
        push.offer(head(4))
        [state] = await push.push()
    assert [json.loads(each.body) for each in host.exchanges] == [head(3), head(4)]
    assert host.exchanges[0].path == "/v1/heads?token=x"
    assert host.exchanges[0].headers["content-type"] == "application/json"
    assert (state.size, state.failure) == (4, "")
    assert pushes(told) == [("host 0", "done")]


async def test_an_answer_without_a_body_is_an_answer() -> None:
    told: list[Decision] = []

    async def take(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with scripted_upstream(take) as host, pushing(host, told=told) as push:
        push.offer(head(3))
        [state] = await push.push()
    assert (state.size, state.failure) == (3, "")


async def test_what_fails_is_tried_again_and_the_newest_head_gets_there() -> None:
    told: list[Decision] = []
    refusals = 3
    taken = anyio.Event()

    async def answer(exchange: Exchange) -> None:
        nonlocal refusals
        if refusals:
            refusals -= 1
            if refusals == 1:
                exchange.reset()
            else:
                await exchange.plain({}, status=503)
        else:
            await exchange.plain({})
            if exchange.json()["size"] == 9:
                taken.set()

    async with (
        scripted_upstream(answer) as host,
        pushing(host, told=told) as push,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(push.run)
        push.offer(head(7))
        push.offer(head(8))
        with anyio.fail_after(10):
            await _until_pushed(push, 8)
            push.offer(head(9))
            await taken.wait()
            await _until_pushed(push, 9)
        tasks.cancel_scope.cancel()
    assert [each.json()["size"] for each in host.exchanges] == [8, 8, 8, 8, 9]
    assert pushes(told) == [("host 0", "failed"), ("host 0", "done")]
    assert "503" in next(each.detail["reason"] for each in told if each.kind == "head_push")


async def test_one_host_that_fails_does_not_keep_another_from_it() -> None:
    told: list[Decision] = []

    async def refuse(exchange: Exchange) -> None:
        await exchange.plain({}, status=401)

    async with (
        scripted_upstream(refuse) as first,
        scripted_upstream(accept) as second,
        pushing(first, second, told=told) as push,
    ):
        push.offer(head(5))
        refused, taken = await push.push()
        again, _ = await push.push()
    assert (refused.size, refused.failure) == (0, "it answered 401")
    assert again.failing_since == refused.failing_since != ""
    assert taken == PushState(destination="host 1", size=5, pushed_at=taken.pushed_at)
    assert sorted(pushes(told)) == [("host 0", "failed"), ("host 1", "done")]


async def test_a_redirect_is_not_followed() -> None:
    told: list[Decision] = []

    async def redirect(exchange: Exchange) -> None:
        await exchange.plain({}, status=307, headers="Location: http://127.0.0.1:1/\r\n")

    async with scripted_upstream(redirect) as host, pushing(host, told=told) as push:
        push.offer(head(5))
        [state] = await push.push()
    assert "redirect" in state.failure
    assert pushes(told) == [("host 0", "failed")]


async def test_offline_pushes_nothing_and_says_so() -> None:
    told: list[Decision] = []
    async with scripted_upstream(accept) as host, pushing(host, told=told, offline=True) as push:
        push.offer(head(5))
        [state] = await push.push()
    assert host.exchanges == []
    assert "offline" in state.failure


async def test_a_host_that_does_not_answer_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secondbasket.ledger.head_push._PUSH_SECONDS", 0.2)

    async def hang(exchange: Exchange) -> None:
        await exchange.closed_by_client.wait()

    async with scripted_upstream(hang) as host, pushing(host, told=[]) as push:
        push.offer(head(5))
        with anyio.fail_after(5):
            [state] = await push.push()
        await host.left()
    assert "no answer within" in state.failure


async def test_nothing_is_pushed_before_there_is_a_head() -> None:
    async with scripted_upstream(accept) as host, pushing(host, told=[]) as push:
        assert await push.push() == (PushState(destination="host 0"),)
    assert host.exchanges == []


async def _until_pushed(push: HeadPush, size: int) -> None:
    while push.states[0].size != size:  # noqa: ASYNC110 - what it waits for tells nobody
        await anyio.sleep(0.01)
