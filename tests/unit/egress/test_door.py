"""Threat 13 and the door's other promises, attacked over real connections."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import httpx2
import pytest
import trustme
from aiohttp import web

from secondbasket.core.decision import Decision
from secondbasket.egress.door import Door
from secondbasket.errors import EgressRefused, SettingsError
from secondbasket.policy.destinations import Destination, DestinationRules
from tests.unit.egress.conftest import Fetch, Names, Served

Serve = Callable[..., Awaitable[Served]]
pytestmark = pytest.mark.anyio


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


@asynccontextmanager
async def opened(door: Door) -> AsyncIterator[Door]:
    try:
        yield door
    finally:
        await door.aclose()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "[::ffff:a9fe:a9fe]",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "0.0.0.0",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "localhost",
    ],
)
async def test_no_spelling_of_a_forbidden_place_is_dialled(
    host: str, fetch: Fetch, serve: Serve, told: list[Decision]
) -> None:
    victim = await serve(hello)
    async with opened(Door(DestinationRules(), told.append)) as door:
        with pytest.raises((EgressRefused, httpx2.InvalidURL)):
            await fetch(door, f"http://{host}:{victim.port}/")
    assert victim.requests == []
    assert all(decision.outcome == "refused" for decision in told)


@pytest.mark.parametrize(
    "answer",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fe80::1", "0.0.0.0"],
)
async def test_a_name_that_resolves_inside_is_refused(
    answer: str, fetch: Fetch, serve: Serve, names: Names, told: list[Decision]
) -> None:
    victim = await serve(hello)
    names.answers["evil.example"] = [[answer]]
    async with opened(Door(DestinationRules(), told.append, resolve=names)) as door:
        with pytest.raises(EgressRefused, match=r"evil\.example"):
            await fetch(door, f"http://evil.example:{victim.port}/")
    assert victim.requests == []
    (decision,) = told
    assert (decision.kind, decision.subject, decision.outcome) == (
        "egress",
        f"evil.example:{victim.port}",
        "refused",
    )
    assert decision.detail["address"] == str(ip_address(answer))


async def test_one_forbidden_answer_among_good_ones_closes_the_door(
    fetch: Fetch, serve: Serve, names: Names, told: list[Decision]
) -> None:
    victim = await serve(hello)
    names.answers["mixed.example"] = [["93.184.216.34", "127.0.0.1"]]
    async with opened(Door(DestinationRules(), told.append, resolve=names)) as door:
        with pytest.raises(EgressRefused):
            await fetch(door, f"http://mixed.example:{victim.port}/")
    assert victim.requests == []


async def test_rebinding_finds_no_second_lookup(
    fetch: Fetch, serve: Serve, names: Names, told: list[Decision]
) -> None:
    """The name answers with a permitted address first and with the victim's ever after."""
    good = await serve(hello)
    victim = await serve(hello, address="127.0.0.2", port=good.port)
    names.answers["rebind.example"] = [["127.0.0.1"], ["127.0.0.2"]]
    rules = DestinationRules([Destination("rebind.example", good.port)])
    async with opened(Door(rules, told.append, resolve=names)) as door:
        assert await fetch(door, f"http://rebind.example:{good.port}/") == (200, b"hello")
    assert names.asked == ["rebind.example"]
    assert victim.requests == []
    assert good.requests[0][1]["Host"] == f"rebind.example:{good.port}"


async def test_a_redirect_to_a_forbidden_place_is_refused(
    fetch: Fetch, serve: Serve, told: list[Decision]
) -> None:
    victim = await serve(hello)

    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"http://127.0.0.1:{victim.port}/metadata")

    lure = await serve(elsewhere)
    rules = DestinationRules([Destination("127.0.0.1", lure.port)])
    async with opened(Door(rules, told.append)) as door:
        with pytest.raises(EgressRefused):
            await fetch(door, f"http://127.0.0.1:{lure.port}/")
    assert len(lure.requests) == 1
    assert victim.requests == []


@pytest.mark.parametrize(
    "lead",
    [
        "http://[::ffff:7f00:1]:{port}/",
        "http://[::ffff:a9fe:a9fe]/latest/meta-data",
        "http://[64:ff9b::7f00:1]:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://127.1:{port}/",
        "//localhost:{port}/",
        "http://good.example@127.0.0.2:{port}/",
        "http://127.0.0.2:{port}\\@good.example/",
        "http://good.example\\@127.0.0.2:{port}/",
        "http://127.0.0.2%2f.good.example:{port}/",
        "file:///etc/passwd",
        "gopher://127.0.0.2:{port}/_x",
        "unix:///run/admin.sock",
    ],
)
async def test_no_spelling_of_a_redirect_leads_to_a_forbidden_place(
    lead: str, fetch: Fetch, serve: Serve, names: Names, told: list[Decision]
) -> None:
    names.answers |= {each: [[each]] for each in ("127.0.0.1", "127.0.0.2")}
    names.answers |= {each: [["127.0.0.2"]] for each in ("good.example", "localhost")}

    async def elsewhere(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": lead.format(port=victim.port)})

    lure = await serve(elsewhere)
    victim = await serve(hello, address="127.0.0.2", port=lure.port)
    rules = DestinationRules([Destination("127.0.0.1", lure.port)])
    async with opened(Door(rules, told.append, resolve=names)) as door:
        with pytest.raises(
            (EgressRefused, aiohttp.ClientError, httpx2.TransportError, httpx2.InvalidURL)
        ):
            await fetch(door, f"http://127.0.0.1:{lure.port}/")
    assert len(lure.requests) == 1
    assert victim.requests == []
    allowed = {decision.subject for decision in told if decision.outcome == "allowed"}
    assert allowed == {f"127.0.0.1:{lure.port}"}


async def test_a_name_that_is_rebound_is_judged_anew_at_the_next_connection(
    fetch: Fetch, serve: Serve, names: Names, told: list[Decision]
) -> None:
    """Each connection is dialled at an address that was judged for it, never for an earlier one."""

    async def once(request: web.Request) -> web.Response:
        answer = web.Response(text="hello")
        answer.force_close()
        return answer

    place = await serve(once)
    names.answers["rebind.example"] = [["127.0.0.1"], ["169.254.169.254"]]
    rules = DestinationRules([Destination("rebind.example", place.port)])
    async with opened(Door(rules, told.append, resolve=names)) as door:
        url = f"http://rebind.example:{place.port}/"
        assert (await fetch(door, url))[0] == 200
        with pytest.raises(EgressRefused, match=r"169\.254\.169\.254"):
            await fetch(door, url)
    assert len(place.requests) == 1


async def test_credentials_stay_behind_when_a_redirect_leaves_the_origin(
    fetch: Fetch, serve: Serve, told: list[Decision]
) -> None:
    delivery = await serve(hello)

    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"http://127.0.0.1:{delivery.port}/file")

    hub = await serve(elsewhere)
    rules = DestinationRules(
        [Destination("127.0.0.1", hub.port), Destination("127.0.0.1", delivery.port)]
    )
    async with opened(Door(rules, told.append)) as door:
        status, body = await fetch(door, f"http://127.0.0.1:{hub.port}/", Authorization="Bearer s")
    assert (status, body) == (200, b"hello")
    assert hub.requests[0][1]["Authorization"] == "Bearer s"
    assert "Authorization" not in delivery.requests[0][1]


async def test_the_environment_names_no_proxy(
    fetch: Fetch, serve: Serve, told: list[Decision], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await serve(hello)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    rules = DestinationRules([Destination("127.0.0.1", place.port)])
    async with opened(Door(rules, told.append)) as door:
        assert (await fetch(door, f"http://127.0.0.1:{place.port}/"))[0] == 200


async def test_offline_refuses_even_the_inside(
    fetch: Fetch, serve: Serve, names: Names, told: list[Decision]
) -> None:
    place = await serve(hello)
    rules = DestinationRules([Destination("127.0.0.1", place.port)])
    async with opened(Door(rules, told.append, offline=True, resolve=names)) as door:
        for host in ("127.0.0.1", "hub.example"):
            with pytest.raises(EgressRefused, match="offline"):
                await fetch(door, f"http://{host}:{place.port}/")
    assert place.requests == []
    assert names.asked == []
    assert [decision.detail["rule"] for decision in told] == ["offline", "offline"]


async def test_decisions_are_told_once_and_bytes_are_counted(
    fetch: Fetch, serve: Serve, told: list[Decision]
) -> None:
    place = await serve(hello)
    destination = Destination("127.0.0.1", place.port)
    async with opened(Door(DestinationRules([destination]), told.append)) as door:
        for _ in range(3):
            await fetch(door, f"http://127.0.0.1:{place.port}/")
        (total,) = door.meter.sums()
        assert (total.destination, total.received) == (str(destination), 3 * len(b"hello"))
    decision, _ = told
    assert (decision.outcome, decision.detail["rule"]) == ("allowed", "configured: loopback")


async def test_an_answer_without_a_body_counts_none(
    fetch: Fetch, serve: Serve, told: list[Decision]
) -> None:
    async def nothing(request: web.Request) -> web.Response:
        return web.Response(status=204)

    server = await serve(nothing)
    place = Destination("127.0.0.1", server.port)
    async with opened(Door(DestinationRules([place]), told.append)) as door:
        await fetch(door, f"http://{place}/")
        door.meter.tell()
    assert [each.outcome for each in told if each.kind == "egress"] == ["allowed"]


async def test_an_abandoned_answer_is_counted_as_far_as_it_came(
    serve: Serve, told: list[Decision]
) -> None:
    never = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"12345")
        await never.wait()
        return answer

    place = await serve(endless)
    destination = Destination("127.0.0.1", place.port)
    async with opened(Door(DestinationRules([destination]), told.append)) as door:
        session = door.session("test", base_url=f"http://127.0.0.1:{place.port}")
        async with session.post("v1", json={"a": 1}) as answer:
            assert await answer.content.readany() == b"12345"
            (under_way,) = door.meter.sums()
        (total,) = door.meter.sums()
        assert under_way == total
        assert (total.sent, total.received) == (len('{"a": 1}'), 5)
    never.set()


async def test_a_bound_session_keeps_to_its_origin(serve: Serve, told: list[Decision]) -> None:
    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("/v1/moved")

    own, other = await serve(redirect), await serve(hello)
    rules = DestinationRules(
        [Destination("127.0.0.1", own.port), Destination("127.0.0.1", other.port)]
    )
    async with opened(Door(rules, told.append)) as door:
        session = door.session("upstream", base_url=f"http://127.0.0.1:{own.port}/v1")
        assert session is door.session("upstream", base_url=f"http://127.0.0.1:{own.port}/v1")
        with pytest.raises(EgressRefused, match="other origin"):
            await session.get(f"http://127.0.0.1:{other.port}/")
        with pytest.raises(EgressRefused, match="redirect"):
            await session.post("chat/completions", json={})
    assert other.requests == []
    assert [url for url, _ in own.requests] == [f"http://127.0.0.1:{own.port}/v1/chat/completions"]


async def test_a_private_authority_is_trusted_only_where_it_is_named(
    fetch: Fetch, serve: Serve, names: Names, told: list[Decision], tmp_path: Path
) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hub.internal").configure_cert(tls)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    place = await serve(hello, tls=tls)
    names.answers["hub.internal"] = names.answers["other.internal"] = [["127.0.0.1"]]
    rules = DestinationRules(
        [Destination("hub.internal", place.port), Destination("other.internal", place.port)]
    )
    url = f"https://hub.internal:{place.port}/"
    async with opened(Door(rules, told.append, ca_bundle=bundle, resolve=names)) as door:
        assert await fetch(door, url) == (200, b"hello")
        with pytest.raises((aiohttp.ClientConnectorCertificateError, httpx2.ConnectError)):
            await fetch(door, f"https://other.internal:{place.port}/")
    async with opened(Door(rules, told.append, resolve=names)) as door:
        with pytest.raises((aiohttp.ClientConnectorCertificateError, httpx2.ConnectError)):
            await fetch(door, url)


class CorporateProxy:
    """A forwarding proxy that asks for a password and sends all tunnels to one port."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.seen: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.seen.append(head.partition("\r\n")[0])
        expected = base64.b64encode(b"me:p@ss").decode()
        if f"Proxy-Authorization: Basic {expected}" not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        elif head.startswith("CONNECT "):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await writer.drain()
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target)
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy")
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def test_behind_a_proxy_only_the_proxy_is_dialled(
    fetch: Fetch, serve: Serve, names: Names, told: list[Decision], tmp_path: Path
) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hub.example").configure_cert(tls)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    hub, inside = await serve(hello, tls=tls), await serve(hello)
    proxy = CorporateProxy(hub.port)
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy_port = listening.sockets[0].getsockname()[1]
    names.answers["proxy.internal"] = [["127.0.0.1"]]
    rules = DestinationRules([Destination("127.0.0.1", inside.port)])
    door = Door(
        rules,
        told.append,
        proxy=f"http://me:p%40ss@proxy.internal:{proxy_port}",
        ca_bundle=bundle,
        resolve=names,
    )
    async with listening, opened(door):
        assert await fetch(door, "https://hub.example/") == (200, b"hello")
        assert await fetch(door, "http://plain.example/x") == (200, b"proxy")
        with pytest.raises(EgressRefused):
            await fetch(door, "http://169.254.169.254/")
        await door.aclose()
    assert set(names.asked) == {"proxy.internal"}
    assert [line.split()[1] for line in proxy.seen] == ["hub.example:443", "http://plain.example/x"]
    assert ("proxy", "allowed") in {
        (decision.detail.get("rule"), decision.outcome) for decision in told
    }
    async with opened(door):
        session = door.session("upstream", base_url=f"http://127.0.0.1:{inside.port}")
        async with session.get("/") as answer:
            assert await answer.read() == b"hello"
    assert len(proxy.seen) == 2


async def test_a_name_without_an_address_is_an_ordinary_connection_error(
    fetch: Fetch, told: list[Decision]
) -> None:
    def nobody(host: str, port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    async with opened(Door(DestinationRules(), told.append, resolve=nobody)) as door:
        with pytest.raises((aiohttp.ClientConnectorError, httpx2.ConnectError)):
            await fetch(door, "http://nowhere.example/")
    (decision,) = told
    assert (decision.outcome, decision.detail["rule"]) == ("refused", "no address")


@pytest.mark.parametrize("proxy", ["proxy:3128", "socks5://proxy:1080", "http://a b/", "http://"])
async def test_a_bad_proxy_setting_is_told_without_its_password(proxy: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Door(DestinationRules(), print, proxy=proxy)
    assert "http://user:password@host:port" in raised.value.hint


async def test_a_bad_ca_bundle_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    for path in (broken, tmp_path / "absent.pem"):
        with pytest.raises(SettingsError, match=path.name):
            Door(DestinationRules(), print, ca_bundle=path)


async def test_a_user_name_in_a_base_url_is_refused() -> None:
    door = Door(DestinationRules(), print)
    with pytest.raises(EgressRefused):
        door.session("upstream", base_url="https://good.example@evil.example/v1")
