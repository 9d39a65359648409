"""The door's twin for libraries that bring httpx (huggingface_hub): same gate, same rules."""

from collections.abc import Iterable, Iterator

import httpcore2
import httpx2

from secondbasket.egress.door import Door
from secondbasket.egress.gate import Gate
from secondbasket.egress.meter import Counter
from secondbasket.errors import EgressRefused
from secondbasket.policy.destinations import Destination, checked_host


def httpx_client(door: Door, purpose: str) -> httpx2.Client:
    """A blocking client for worker threads; the caller closes it.

    Redirects are followed, each hop is judged anew, and httpx drops the
    Authorization header when the origin changes. No variables of the
    environment. Requests raise EgressRefused.
    """
    return httpx2.Client(
        transport=_GatedTransport(door, purpose), follow_redirects=True, trust_env=False
    )


class _GatedTransport(httpx2.BaseTransport):
    """Inside places directly, all others through the proxy where there is one."""

    def __init__(self, door: Door, purpose: str) -> None:
        self._gate = door.gate
        self._meter = door.meter
        self._purpose = purpose
        self._direct = _transport(door, purpose, proxied=False)
        self._outside = _transport(door, purpose, proxied=True) if door.proxy else self._direct

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        if url.userinfo:
            raise EgressRefused(
                f"The URL of a request to '{url.host}' carries a user name.",
                hint="Hand credentials over as a header.",
            )
        port = url.port or (443 if url.scheme == "https" else 80)
        destination = Destination(checked_host(url.host), port)
        self._gate.admit(self._purpose, destination)
        inside = self._gate.is_inside(destination)
        counter = self._meter.counter(destination, None)
        response = (self._direct if inside else self._outside).handle_request(request)
        counter.add(sent=int(request.headers.get("Content-Length", 0)))
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _CountedStream(response.stream, counter)
        return response

    def close(self) -> None:
        self._direct.close()
        self._outside.close()


def _transport(door: Door, purpose: str, *, proxied: bool) -> httpx2.HTTPTransport:
    transport = httpx2.HTTPTransport(verify=door.tls, trust_env=False)
    proxy = None
    if proxied and door.proxy is not None:
        proxy = httpcore2.Proxy(
            str(door.proxy.with_user(None)),
            auth=(door.proxy.user, door.proxy.password or "") if door.proxy.user else None,
            ssl_context=door.tls if door.proxy.scheme == "https" else None,
        )
    # httpx hands httpcore no network backend, the seam where a connection is dialled, so the
    # pool it made is replaced by one that has ours.
    transport._pool = httpcore2.ConnectionPool(  # noqa: SLF001 - as told above
        ssl_context=door.tls,
        proxy=proxy,
        network_backend=_PinningBackend(door.gate, purpose),
    )
    return transport


class _PinningBackend(httpcore2.SyncBackend):
    """Dials the addresses that the gate judged, one after the other."""

    def __init__(self, gate: Gate, purpose: str) -> None:
        self._gate = gate
        self._purpose = purpose

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            addresses = self._gate.addresses(self._purpose, Destination(host, port))
        except OSError as exc:
            raise httpcore2.ConnectError(str(exc)) from exc
        for address in addresses[:-1]:
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return super().connect_tcp(addresses[-1], port, timeout, local_address, socket_options)


class _CountedStream(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, counter: Counter) -> None:
        self._stream = stream
        self._counter = counter

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            self._counter.add(received=len(part))
            yield part

    def close(self) -> None:
        self._stream.close()
