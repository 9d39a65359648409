"""The road from a command to the server of its own home: a Unix socket, no network."""

from pathlib import Path

import aiohttp


def home_session(socket: Path) -> aiohttp.ClientSession:
    """A session that can reach `socket` only, whatever the URL says; the caller closes it.

    No cookies, no proxies and no time limits: a pull may take hours. Call it
    inside a running event loop.
    """
    return aiohttp.ClientSession(
        base_url="http://localhost",
        connector=aiohttp.UnixConnector(str(socket), limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        trust_env=False,
    )
