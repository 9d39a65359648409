"""The fault server does what its catalogue says, seen by a client that talks to it directly."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from tests.faults.answer import TEXT, flaw, fragments
from tests.faults.calls import Seen, call
from tests.faults.catalogue import CATALOGUE, Fault, Mode
from tests.faults.server import FaultServer, Upstream
from tests.faults.wire import Kind

pytestmark = pytest.mark.anyio
SILENT = {"hang before headers", "hang before first token", "stall", "slow drip"}


@pytest.fixture(scope="module")
def faults() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield client


async def ask(
    client: httpx2.AsyncClient, upstream: Upstream, fault: Fault, kind: Kind, mode: Mode
) -> Seen:
    return await call(
        client,
        url=upstream.base_url.removesuffix("/v1"),
        headers={},
        model="scripted",
        kind=kind,
        form="vectors" if kind == "embeddings" else fault.form,
        stream=mode == "stream",
        patience=2 if fault.name in SILENT else 20,
    )


@pytest.mark.parametrize("fault", CATALOGUE, ids=lambda fault: fault.name)
async def test_a_fault_is_what_a_client_meets(
    faults: FaultServer, client: httpx2.AsyncClient, fault: Fault
) -> None:
    async def one(kind: Kind, mode: Mode) -> None:
        upstream = faults.upstream(f"{fault.name}-{kind}-{mode}".replace(" ", "-"), fault=fault)
        seen = await ask(client, upstream, fault, kind, mode)
        where = f"{fault.name} {kind} {mode}: {seen}"
        if fault.name in SILENT:
            assert seen.ending == "hung", where
        elif fault.whole and fault.sees == "complete":
            assert seen.whole, where
        elif fault.name.startswith("usage"):
            assert seen.whole, where
            assert seen.usage != (7, 0 if kind == "embeddings" else 60), where
        else:
            assert not seen.whole, where
        assert len(upstream.calls) == fault.listens
        assert await asyncio.to_thread(upstream.is_quiet, 2)

    kinds = [(kind, mode) for kind in fault.kinds for mode in fault.modes]
    await asyncio.gather(*(one(*each) for each in kinds if each != ("embeddings", "stream")))


async def test_a_fault_for_the_first_calls_is_over_then(
    faults: FaultServer, client: httpx2.AsyncClient
) -> None:
    fault = next(each for each in CATALOGUE if each.first == 2)
    upstream = faults.upstream("recovers", fault=fault)
    seen = [await ask(client, upstream, fault, "chat", "plain") for _ in range(4)]
    assert [each.status for each in seen] == [500, 500, 200, 200]
    assert seen[3].whole


async def test_a_shut_server_refuses_and_comes_back_on_its_port(
    client: httpx2.AsyncClient,
) -> None:
    fault = CATALOGUE[0]
    with FaultServer() as server:
        upstream = server.upstream("up")
        assert (await ask(client, upstream, fault, "chat", "plain")).whole
        server.shut()
        assert (await ask(client, upstream, fault, "chat", "plain")).status is None
        server.listen()
        assert (await ask(client, upstream, fault, "chat", "plain")).whole


async def test_it_goes_on_from_the_right_word(
    faults: FaultServer, client: httpx2.AsyncClient
) -> None:
    upstream = faults.upstream("goes-on")
    half = "".join(fragments()[:40])
    told = [
        {"role": "user", "content": "Say your words."},
        {"role": "assistant", "content": half},
    ]
    url = f"{upstream.base_url}/chat/completions"
    answer = (await client.post(url, json={"messages": told})).json()
    assert half + answer["choices"][0]["message"]["content"] == TEXT
    again = {"role": "user", "content": "Go on. <last_words>w38 w39</last_words>"}
    answer = (await client.post(url, json={"messages": [*told, again]})).json()
    assert answer["choices"][0]["message"]["content"].startswith("w38 w39 w40 w41")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (TEXT, "whole"),
        ("".join(fragments()[:40]), "short"),
        ("".join(fragments()[:40] + fragments(41)), "missing"),
        ("".join(fragments(1)), "missing"),
        ("".join(fragments()[:40] + fragments(39)), "repeated"),
        (TEXT.replace("w39 w40", "w39w40"), "garbled"),
        ("", "short"),
    ],
)
def test_what_is_wrong_with_a_text_is_named(text: str, found: str) -> None:
    assert flaw(text, TEXT) == found
