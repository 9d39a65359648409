"""``hf:`` against a hub that speaks the real protocol on loopback, faults included."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from secondbasket.core.ports import ModelSource, PullProgress
from secondbasket.egress.door import Door
from secondbasket.errors import (
    DigestMismatch,
    EgressRefused,
    InvalidRequest,
    ModelNotFound,
    SourceUnavailable,
)
from secondbasket.models.sources import hf
from secondbasket.models.sources.download import Patience, download
from secondbasket.models.sources.options import SourceOptions
from secondbasket.models.sources.part import Promised
from secondbasket.policy.destinations import Destination, DestinationRules
from tests.hub import COMMIT, HubServer
from tests.unit.models.sources.conftest import CONTENT

pytestmark = pytest.mark.anyio


async def test_a_file_arrives_whole_with_its_origin(
    source: ModelSource, hub: HubServer, into: Path, told: list[PullProgress]
) -> None:
    fetched = await source.fetch("acme/tiny/tiny.gguf", into, told.append)
    (file,) = fetched.files
    assert file.name == "tiny.gguf"
    assert file.path.read_bytes() == CONTENT
    assert fetched.licence == "apache-2.0"
    assert fetched.provenance == {
        "repository": "acme/tiny",
        "revision": "main",
        "commit": COMMIT,
        "file": "tiny.gguf",
    }
    assert told[0].stage == "resolving"
    received = [step.received for step in told if step.stage == "downloading"]
    assert received == sorted(received)
    assert received[-1] == len(CONTENT)
    assert {step.total for step in told if step.stage == "downloading"} == {len(CONTENT)}


async def test_the_token_reaches_the_hub_and_never_the_delivery_network(
    source: ModelSource, hub: HubServer, into: Path, told: list[PullProgress]
) -> None:
    hub.gated = True
    await source.fetch("acme/tiny/tiny.gguf@main", into, told.append)
    assert hub.requests
    for request in hub.requests:
        assert "hf_secret" not in str(request.headers)


async def test_a_small_file_is_checked_by_its_git_id(
    source: ModelSource, hub: HubServer, into: Path, told: list[PullProgress]
) -> None:
    fetched = await source.fetch("acme/tiny/onnx/config.json", into, told.append)
    assert fetched.files[0].path == into / "config.json"
    hub.files["onnx/config.json"] = b'{"other": 1}'
    hub.delivered["onnx/config.json"] = b'{"evil": 10}'
    with pytest.raises(DigestMismatch):
        await source.fetch("acme/tiny/onnx/config.json", into, told.append)


async def test_a_cut_connection_goes_on_where_it_broke(
    source: ModelSource, hub: HubServer, into: Path, told: list[PullProgress]
) -> None:
    hub.cut_at = len(CONTENT) // 2
    fetched = await source.fetch("acme/tiny/tiny.gguf", into, told.append)
    assert fetched.files[0].path.read_bytes() == CONTENT
    first, second = hub.requests
    assert first.range == ""
    resumed_at = int(second.range.removeprefix("bytes=").removesuffix("-"))
    assert 0 < resumed_at <= len(CONTENT) // 2


async def test_a_server_without_ranges_starts_over(
    source: ModelSource, hub: HubServer, into: Path, told: list[PullProgress]
) -> None:
    hub.cut_at = len(CONTENT) // 2
    hub.ignore_range = True
    fetched = await source.fetch("acme/tiny/tiny.gguf", into, told.append)
    assert fetched.files[0].path.read_bytes() == CONTENT


async def test_a_busy_server_is_asked_again(
    hub: HubServer, door: Door, into: Path, told: list[PullProgress]
) -> None:
    hub.busy = 2
    await fetch_directly(hub, door, into, told)
    assert (into / "tiny.gguf").read_bytes() == CONTENT
    assert len(hub.requests) == 3


async def test_a_server_that_stays_busy_is_given_up_and_what_came_is_kept(
    hub: HubServer, door: Door, into: Path, told: list[PullProgress]
) -> None:
    (into / "tiny.gguf.part").write_bytes(CONTENT[:1_500_000])
    hub.busy = 100
    with pytest.raises(SourceUnavailable, match="503") as caught:
        await fetch_directly(hub, door, into, told)
    assert caught.value.retryable
    assert "2 of 4 MB are kept" in caught.value.hint
    assert (into / "tiny.gguf.part").stat().st_size == 1_500_000
    assert len(hub.requests) == 3


@pytest.mark.parametrize(
    ("left", "asked"),
    [
        pytest.param(CONTENT[:1000], ["bytes=1000-"], id="a good start"),
        pytest.param(b"x" * 1000, ["bytes=1000-", ""], id="something else"),
        pytest.param(CONTENT + b"more", [""], id="too much"),
        pytest.param(CONTENT, [], id="all of it"),
        pytest.param(b"x" * len(CONTENT), [""], id="as many wrong bytes"),
    ],
)
async def test_what_an_earlier_attempt_left_is_taken_up_or_found_out(
    left: bytes,
    asked: list[str],
    source: ModelSource,
    hub: HubServer,
    into: Path,
    told: list[PullProgress],
) -> None:
    (into / "tiny.gguf.part").write_bytes(left)
    fetched = await source.fetch("acme/tiny/tiny.gguf", into, told.append)
    assert fetched.files[0].path.read_bytes() == CONTENT
    assert [request.range for request in hub.requests] == asked
    assert not (into / "tiny.gguf.part").exists()


@pytest.mark.parametrize("delivered", [CONTENT[:-1] + b"!", CONTENT + b"more", CONTENT[:-1]])
async def test_other_bytes_than_promised_are_never_delivered(
    delivered: bytes, hub: HubServer, door: Door, into: Path, told: list[PullProgress]
) -> None:
    hub.delivered["tiny.gguf"] = delivered
    with pytest.raises((DigestMismatch, SourceUnavailable)):
        await fetch_directly(hub, door, into, told)
    assert not (into / "tiny.gguf").exists()


@pytest.mark.parametrize(
    ("coordinate", "error", "message"),
    [
        ("acme/tiny/other.gguf", ModelNotFound, "holds no file 'other.gguf'"),
        ("acme/none/tiny.gguf", ModelNotFound, "no repository 'acme/none'"),
        ("acme/tiny/tiny.gguf@v9", ModelNotFound, "no revision 'v9'"),
        ("acme/tiny", InvalidRequest, "not a coordinate"),
        ("acme/tiny/../../etc/passwd", InvalidRequest, "not a coordinate"),
        ("acme/tiny/a\nb", InvalidRequest, "not a coordinate"),
        ("--help/tiny/x.gguf", InvalidRequest, "not a coordinate"),
    ],
)
async def test_what_is_not_there_is_told(
    coordinate: str, error: type[Exception], message: str, source: ModelSource, into: Path
) -> None:
    with pytest.raises(error, match=message):
        await source.fetch(coordinate, into, lambda progress: None)


async def test_a_wrong_file_name_is_answered_with_the_right_ones(
    source: ModelSource, into: Path
) -> None:
    with pytest.raises(ModelNotFound) as caught:
        await source.fetch("acme/tiny/other.gguf", into, lambda progress: None)
    assert "tiny.gguf" in caught.value.hint


async def test_a_gated_model_says_where_to_accept_its_licence(
    hub: HubServer, door: Door, into: Path
) -> None:
    hub.gated = True
    source = hf.create(SourceOptions(door=door, hub_endpoint=hub.endpoint, hub_token="hf_other"))
    with pytest.raises(SourceUnavailable, match="gated") as caught:
        await source.fetch("acme/tiny/tiny.gguf", into, lambda progress: None)
    assert f"{hub.endpoint}/acme/tiny" in caught.value.hint
    assert hub.requests == []


async def test_a_licence_of_its_own_keeps_its_name(
    source: ModelSource, hub: HubServer, into: Path
) -> None:
    hub.card = {"license": "other", "license_name": "acme-terms"}
    fetched = await source.fetch("acme/tiny/tiny.gguf", into, lambda progress: None)
    assert fetched.licence == "acme-terms"


async def test_offline_is_said_with_a_way_round(into: Path) -> None:
    door = Door(DestinationRules([Destination("127.0.0.1", 9)]), lambda decision: None)
    source = hf.create(SourceOptions(door=door, hub_endpoint="http://127.0.0.1:9"))
    with pytest.raises(SourceUnavailable, match="did not tell") as caught:
        await source.fetch("acme/tiny/tiny.gguf", into, lambda progress: None)
    assert "file:" in caught.value.hint


async def test_a_door_that_stays_shut_is_the_answer(hub: HubServer, into: Path) -> None:
    shut = Door(DestinationRules(), lambda decision: None)
    source = hf.create(SourceOptions(door=shut, hub_endpoint=hub.endpoint, hub_token="hf_x"))
    with pytest.raises(EgressRefused):
        await source.fetch("acme/tiny/tiny.gguf", into, lambda progress: None)
    assert hub.asked["info"] == 0


async def test_the_library_calls_nobody_but_the_hub_and_tells_nothing_of_this_machine(
    source: ModelSource, hub: HubServer, into: Path
) -> None:
    """`no_way_out` sees huggingface_hub's own call home; the hub sees the user agent."""
    await source.fetch("acme/tiny/tiny.gguf", into, lambda progress: None)
    agent = hub.requests[0].headers["User-Agent"]
    assert agent.startswith("secondbasket/")
    assert "torch" not in agent
    assert "agent/" not in agent


def test_hf_xet_which_opens_sockets_of_its_own_is_never_loaded() -> None:
    code = (
        "import sys; import secondbasket.models.sources.hub as hub; "
        "hub.Hub(endpoint='http://127.0.0.1:9', token='x', client_factory=None).headers(); "
        "assert 'hf_xet' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


async def fetch_directly(hub: HubServer, door: Door, into: Path, told: list[PullProgress]) -> None:
    await download(
        door,
        f"{hub.network}/blobs/tiny.gguf",
        into / "tiny.gguf",
        Promised(size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest()),
        headers={},
        report=told.append,
        patience=Patience(attempts=3, pause=0.001),
    )
