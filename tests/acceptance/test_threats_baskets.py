"""Attacks on baskets over providers, against the running product: cases 2, 13 and 22.

The providers are scripted: what they were sent, and by whom, is what counts. Rebinding, which
needs a resolver of its own, is in a file of its own.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.acceptance.test_threats import Canary
from tests.faults.acts import Scene
from tests.faults.catalogue import BY_NAME, Fault
from tests.faults.configuration import Basket, Member, configuration
from tests.faults.server import FaultServer, Upstream
from tests.running import Running, running

PROVIDER_KEY = "sk-provider-0123456789abcdef"
SECONDS = 10.0
IBAN = "Please pay to DE89 3704 0044 0532 0130 00 by Friday."


def redirecting(status: int, place: str) -> Fault:
    async def act(scene: Scene) -> None:
        await scene.line.respond(b"{}", status=status, headers={"Location": place})

    return Fault(name="redirect", does="sends its callers somewhere else", act=act)


class Vendors:
    """`near` and `spare` are under the EU's law, `far` is under another's; `judge` never fails."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self.near = server.upstream("near")
        self.spare = server.upstream("spare")
        self.far = server.upstream("far")
        self.judge = server.upstream("judge")
        self.vectors_near = server.upstream("vectors-near")
        self.vectors_far = server.upstream("vectors-far")

    @property
    def all(self) -> list[Upstream]:
        return [
            *(self.near, self.spare, self.far, self.judge),
            *(self.vectors_near, self.vectors_far),
        ]

    def reset(self) -> None:
        for each in self.all:
            each.heal()
            each.calls.clear()

    def baskets(self) -> list[Basket]:
        members = {
            "guarded": [Member(self.near), Member(self.far, law="US")],
            "spared": [Member(self.near), Member(self.spare)],
            "judged": [Member(self.judge), Member(self.spare)],
        }
        vectors = [Member(self.vectors_near), Member(self.vectors_far, law="US")]
        return [
            *(
                Basket(name=name, kind="chat", members=each, seconds=SECONDS)
                for name, each in members.items()
            ),
            Basket(name="vectors", kind="embeddings", members=vectors, seconds=SECONDS),
        ]


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Vendors, Running]]:
    with FaultServer() as server:
        vendors = Vendors(server)
        text = configuration([server], vendors.baskets(), health="failures_to_open = 1000")
        secret = tmp_path_factory.mktemp("keys") / "near.key"
        secret.write_text(PROVIDER_KEY)
        text = text.replace("[providers.near]\n", f'[providers.near]\napi_key_file = "{secret}"\n')
        text += '[projects.payroll]\ndata_class = "confidential"\n'
        home = Path(tmp_path_factory.mktemp("h"))
        (home / "basket.toml").write_text(text)
        with running(home) as product:
            yield vendors, product


@pytest.fixture
def vendors(shared: tuple[Vendors, Running]) -> Vendors:
    shared[0].reset()
    return shared[0]


@pytest.fixture
def product(shared: tuple[Vendors, Running]) -> Running:
    return shared[1]


@pytest.fixture
def canary() -> Iterator[Canary]:
    bird = Canary()
    yield bird
    bird.close()


def chat(
    product: Running,
    model: str,
    text: str = "Say your words.",
    headers: dict[str, str] | None = None,
    stream: bool = False,
    more: dict[str, Any] | None = None,
) -> httpx2.Response:
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": text}]}
    body |= {"stream": stream} | (more or {})
    return httpx2.post(
        f"{product.url}/v1/chat/completions",
        json=body,
        headers=product.headers | (headers or {}),
        timeout=60,
        trust_env=False,
    )


def streamed(product: Running, model: str, data_class: str) -> str:
    """Everything that came of a stream, its end clean or not."""
    body = {"model": model, "messages": [{"role": "user", "content": "Say your words."}]}
    told = b""
    with httpx2.stream(
        "POST",
        f"{product.url}/v1/chat/completions",
        json=body | {"stream": True},
        headers=product.headers | {"x-basket-data-class": data_class},
        timeout=60,
        trust_env=False,
    ) as response:
        try:
            for block in response.iter_raw():
                told += block
        except httpx2.RemoteProtocolError:
            pass  # a broken answer has no clean end
    return told.decode()


# 2: nothing a caller sends moves a call, or the provider's key, to a place of its choice.


@pytest.mark.parametrize(
    "field",
    [
        "api_base",
        "base_url",
        "api_key",
        "endpoint",
        "custom_llm_provider",
        "extra_headers",
        "extra_body",
        "provider",
        "models",
        "route",
    ],
)
def test_2_no_field_moves_the_call(
    vendors: Vendors, product: Running, canary: Canary, field: str
) -> None:
    for value in (canary.url, {"api_base": canary.url}, [canary.url]):
        answer = chat(product, "spared", more={field: value})
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "unsupported_field"
    assert not canary.visits
    assert not any(each.calls for each in vendors.all)


@pytest.mark.parametrize(
    "model",
    [
        "{canary}",
        "{canary}/v1",
        "openai/{canary}",
        "near",
        "near/scripted",
        "providers.near",
        "spared@{canary}",
        "spared\\r\\nHost: evil.example",
        "spared?api_base={canary}",
        "../spared",
        "local/spared",
        "",
    ],
)
def test_2_no_model_name_is_an_address(
    vendors: Vendors, product: Running, canary: Canary, model: str
) -> None:
    answer = chat(product, model.format(canary=canary.url))
    assert answer.status_code in (400, 404)
    assert PROVIDER_KEY not in answer.text
    assert not canary.visits
    assert not any(each.calls for each in vendors.all)


def test_2_no_header_moves_the_call_or_reaches_the_provider(
    vendors: Vendors, product: Running, canary: Canary
) -> None:
    told = {
        "X-Api-Base": canary.url,
        "Api-Base": canary.url,
        "X-Forwarded-Host": canary.url,
        "X-Original-URL": canary.url,
        "X-Basket-Upstream": "far",
        "X-Basket-Provider": "far",
        "X-LiteLLM-Api-Base": canary.url,
        "Proxy-Authorization": "Basic secret",
        "OpenAI-Organization": "org-of-the-caller",
        "X-Api-Key": "key-of-the-caller",
        "Cookie": "session=of-the-caller",
    }
    assert chat(product, "spared", headers=told).status_code == 200
    (call,) = vendors.near.calls
    assert call.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    sent = json.dumps(call.headers) + call.body.decode()
    assert product.key not in sent
    assert "of-the-caller" not in sent
    assert canary.url not in sent
    assert not canary.visits
    assert not vendors.far.calls


def test_2_a_provider_that_tells_its_key_tells_it_to_nobody(
    vendors: Vendors, product: Running
) -> None:
    async def act(scene: Scene) -> None:
        told = {"error": {"message": f"Bad call with key {PROVIDER_KEY}", "type": "x"}}
        await scene.line.respond(json.dumps(told).encode(), status=400)

    vendors.near.fail(Fault(name="tells", does="puts the key into its error", act=act))
    answer = chat(product, "spared")
    assert answer.status_code == 400
    assert PROVIDER_KEY not in answer.text
    assert PROVIDER_KEY not in product.log.read_text()


# 13: a provider cannot send our calls, or its key, anywhere else.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("stream", [False, True])
def test_13_a_redirect_of_a_provider_is_not_followed(
    vendors: Vendors, product: Running, canary: Canary, status: int, stream: bool
) -> None:
    for place in (canary.url, "//evil.example/", "http://169.254.169.254/latest/meta-data/"):
        vendors.near.fail(redirecting(status, place))
        answer = chat(product, "spared", stream=stream)
        assert answer.status_code == 200, answer.text
        assert "w59" in answer.text, "the second upstream answers"
    assert not canary.visits
    assert len(vendors.spare.calls) == 3
    assert not any(PROVIDER_KEY in json.dumps(call.headers) for call in vendors.spare.calls)


def test_13_a_redirect_with_nobody_else_to_ask_is_an_error(
    vendors: Vendors, product: Running, canary: Canary
) -> None:
    vendors.near.fail(redirecting(307, canary.url))
    vendors.spare.fail(redirecting(307, canary.url))
    answer = chat(product, "spared")
    assert answer.status_code == 503
    assert canary.url not in answer.text
    assert not canary.visits


# 22: failover crosses no class and no jurisdiction, and never follows a refusal.


@pytest.mark.parametrize(
    "fault",
    ["refuse", "reset", "500", "429", "error as 200", "cut", "error event midway", "bad JSON"],
)
@pytest.mark.parametrize("way", ["plain", "stream", "vectors"])
def test_22_confidential_data_stays_although_its_upstreams_fail(
    vendors: Vendors, product: Running, fault: str, way: str
) -> None:
    if BY_NAME[fault].listens:
        vendors.near.fail(BY_NAME[fault])
        vendors.vectors_near.fail(BY_NAME["500"])
    else:
        vendors.server.shut()
    confidential = {"x-basket-data-class": "confidential"}
    try:
        if way == "vectors":
            answer = httpx2.post(
                f"{product.url}/v1/embeddings",
                json={"model": "vectors", "input": ["a"]},
                headers=product.headers | confidential,
                timeout=60,
                trust_env=False,
            )
            assert answer.status_code >= 500
        elif way == "plain":
            assert chat(product, "guarded", headers=confidential).status_code >= 500
        else:
            told = streamed(product, "guarded", "confidential")
            assert '"error"' in told
            assert "[DONE]" not in told
            assert "w59" not in told
    finally:
        vendors.server.listen()
    assert not vendors.far.calls
    assert not vendors.vectors_far.calls


def test_22_what_may_go_goes(vendors: Vendors, product: Running) -> None:
    """The same basket, the same fault, without the class: it is the class that keeps it."""
    vendors.near.fail(BY_NAME["500"])
    assert chat(product, "guarded").status_code == 200
    assert len(vendors.far.calls) == 1


@pytest.mark.parametrize(
    ("key", "headers", "text"),
    [
        (["--data-class", "confidential"], {}, "Say your words."),
        (["--data-class", "confidential"], {"x-basket-data-class": "public"}, "Say your words."),
        (["--project", "payroll"], {}, "Say your words."),
        ([], {"x-basket-data-class": "Confidential"}, "Say your words."),
        ([], {}, IBAN),
        ([], {"x-basket-data-class": "public"}, IBAN),
    ],
)
def test_22_whatever_raises_the_class_holds_on_every_hop(
    vendors: Vendors, product: Running, key: list[str], headers: dict[str, str], text: str
) -> None:
    vendors.near.fail(BY_NAME["500"])
    made = product.basket("key", "create", "--name", "payroll", *key)
    told = {"Authorization": f"Bearer {made['key']}"} | headers
    answer = chat(product, "guarded", text=text, headers=told)
    assert answer.status_code >= 500
    assert not vendors.far.calls


def test_22_no_upstream_for_a_class_is_a_refusal_that_names_the_rule(
    vendors: Vendors, product: Running
) -> None:
    answer = chat(product, "guarded", headers={"x-basket-data-class": "secret"})
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert error["code"] == "policy_refused"
    assert "built-in rule" in error["message"]
    assert not any(each.calls for each in vendors.all)


@pytest.mark.parametrize("fault", ["rejects", "declines"])
@pytest.mark.parametrize("stream", [False, True])
def test_22_what_one_provider_refuses_is_carried_to_no_other(
    vendors: Vendors, product: Running, fault: str, stream: bool
) -> None:
    vendors.judge.fail(BY_NAME[fault])
    answer = chat(product, "judged", stream=stream)
    if fault == "rejects":
        assert answer.status_code == 400
    else:
        assert "content_filter" in answer.text
    assert not vendors.spare.calls
    assert len(vendors.judge.calls) == 1
