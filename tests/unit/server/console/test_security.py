"""Cookies and origins under TLS, where a browser test over plain HTTP cannot look."""

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from secondbasket.errors import PermissionDenied
from secondbasket.server.console.security import SameOrigin, set_cookie


def scope(scheme: str, origin: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "scheme": scheme,
        "server": ("127.0.0.1", 8400),
        "path": "/console/keys",
        "root_path": "/console",
        "query_string": b"",
        "headers": [(b"host", b"ai.example"), (b"origin", origin.encode())],
    }


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_cookie_is_secure_exactly_under_tls(scheme: str) -> None:
    response = Response()
    set_cookie(Request(scope(scheme, "")), response, "basket_session", "value")
    kept = response.headers["set-cookie"]
    assert ("Secure" in kept) == (scheme == "https")
    for word in ("HttpOnly", "SameSite=strict", "Path=/console"):
        assert word in kept


@pytest.mark.anyio
async def test_the_scheme_is_part_of_the_origin() -> None:
    passed: list[str] = []

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope["scheme"])

    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        raise AssertionError

    guard = SameOrigin(page)
    await guard(scope("https", "https://ai.example"), receive, send)
    with pytest.raises(PermissionDenied, match="trusted_proxies"):
        await guard(scope("http", "https://ai.example"), receive, send)
    with pytest.raises(PermissionDenied):
        await guard(scope("https", "http://ai.example"), receive, send)
    assert passed == ["https"]
