"""The key in an Authorization header, read in one way at every door."""

import pytest
from starlette.types import Message

from secondbasket.errors import AuthenticationFailed
from secondbasket.server.asgi import bearer
from secondbasket.server.health import Exposition


def scope(*authorization: bytes) -> dict[str, object]:
    return {"headers": [(b"host", b"a"), *[(b"authorization", each) for each in authorization]]}


@pytest.mark.parametrize("value", [b"Bearer sb-1", b"bearer sb-1", b"BEARER   sb-1 "])
def test_the_scheme_is_read_in_any_case(value: bytes) -> None:
    assert bearer(scope(value)) == "sb-1"


@pytest.mark.parametrize("value", [b"", b"Bearer", b"Bearer  ", b"sb-1", b"Basic sb-1"])
def test_what_is_no_bearer_key_is_none(value: bytes) -> None:
    assert bearer(scope(value)) is None


def test_no_header_is_none() -> None:
    assert bearer(scope()) is None


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("value", "status"), [(b"bearer sb-1", 200), (b"Bearer sb-1", 200), (b"sb-1", 401)]
)
async def test_metrics_read_it_so(value: bytes, status: int) -> None:
    def verify(key: str) -> None:
        if key != "sb-1":
            raise AuthenticationFailed("That key is not known.")

    async def receive() -> Message:
        raise AssertionError("there is no body to read")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await Exposition(lambda: b"x 1\n", verify)(scope(value), receive, send)
    assert sent[0]["status"] == status
