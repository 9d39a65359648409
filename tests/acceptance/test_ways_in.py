"""Tasks over HTTP with keys, before one running server: what is another's is not there."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.running import Running, running

PRINTER = """---
name: printer
role: printer of letters
tools: [files.write]
limits: {minutes: 5, steps: 9}
plan:
  - id: write
    tool: files.write
    arguments: {path: letter.txt, content: "{{ task.text }} {{ task.files | join(',') }}"}
---
Print what you are told.
"""

ASKER = """---
name: asker
role: one who asks first
tools: [memory.remember]
plan:
  - id: keep
    tool: memory.remember
    arguments: {kind: episode, text: "{{ task.text }}"}
---
Remember what you are told.
"""


@pytest.fixture(scope="module")
def house(stocked_module_home: Path) -> Iterator[Running]:
    workers = stocked_module_home / "workers"
    workers.mkdir(exist_ok=True)
    (workers / "printer.md").write_text(PRINTER)
    (workers / "asker.md").write_text(ASKER)
    with running(stocked_module_home) as server:
        yield server


class Caller:
    """One key before the tasks of one server."""

    def __init__(self, server: Running, name: str) -> None:
        made = server.basket("key", "create", "--name", name)
        self.id: str = made["id"]
        self._server = server.url
        self._headers = {"Authorization": f"Bearer {made['key']}"}

    def _client(self) -> httpx2.Client:
        return httpx2.Client(
            base_url=f"{self._server}/v1/", headers=self._headers, trust_env=False, timeout=30
        )

    def ask(self, method: str, path: str, **more: Any) -> httpx2.Response:
        with self._client() as client:
            return client.request(method, path, **more)

    def add(self, text: str, **more: Any) -> httpx2.Response:
        return self.ask("POST", "tasks", json={"text": text, "worker": "printer"}, **more)

    def ended(self, task: str) -> dict[str, Any]:
        deadline = time.monotonic() + 30
        while True:
            shown: dict[str, Any] = self.ask("GET", f"tasks/{task}").json()
            if shown["state"] in ("done", "failed", "cancelled"):
                return shown
            assert time.monotonic() < deadline, shown
            time.sleep(0.1)

    def events(self, task: str, **headers: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Name and data of each event, as it comes."""
        with (
            self._client() as client,
            client.stream("GET", f"tasks/{task}/events", headers=headers) as response,
        ):
            assert response.headers["content-type"].startswith("text/event-stream")
            name = ""
            for line in response.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))
                    name = ""


def test_a_task_with_files_is_followed_fetched_and_judged(house: Running) -> None:
    alice = Caller(house, "alice")
    added = alice.ask(
        "POST",
        "tasks",
        data={"text": "Print this.", "worker": "printer", "priority": "2"},
        files=[("file", ("a.txt", b"one")), ("file", ("b.txt", b"two"))],
    )
    assert added.status_code == 201, added.text
    task = added.json()["id"]
    assert added.headers["location"] == f"/v1/tasks/{task}"
    told = list(alice.events(task))
    assert [data["position"] for name, data in told if name == "step"] == [0, 1]
    assert told[-1][1]["state"] == "done"
    assert [name for name, _ in alice.events(task, **{"Last-Event-ID": "0"})] == ["step", "task"]
    shown = alice.ended(task)
    here = house.basket("task", "show", task)
    assert shown["deliverables"] == ["letter.txt"]
    assert {**here, "deliverables": []} == {**shown, "deliverables": []}
    assert shown["priority"] == 2

    letter = alice.ask("GET", f"tasks/{task}/deliverables/letter.txt")
    assert letter.text == "Print this. in/a.txt,in/b.txt"
    assert letter.headers["content-disposition"].startswith("attachment;")
    assert letter.headers["x-content-type-options"] == "nosniff"
    for name in ("in/a.txt", "%2e%2e/%2e%2e/basket.toml", "../../local.key", "%2fetc%2fpasswd"):
        assert alice.ask("GET", f"tasks/{task}/deliverables/{name}").status_code == 404

    accepted = alice.ask("POST", f"tasks/{task}/accept")
    assert accepted.json()["accepted"] is True
    again = alice.ask("POST", f"tasks/{task}/rework", json={"text": "Larger."}).json()
    assert again["parent"] == task
    assert alice.ended(again["id"])["state"] == "done"


def test_one_key_sees_nothing_of_anothers(house: Running) -> None:
    alice, bob = Caller(house, "alice"), Caller(house, "bob")
    task = alice.add("Hers.").json()["id"]
    alice.ended(task)
    for method, path in (
        ("GET", ""),
        ("GET", "/events"),
        ("GET", "/deliverables/letter.txt"),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/cancel"),
        ("POST", "/accept"),
        ("POST", "/approvals/apr_1/approve"),
        ("POST", "/approvals/apr_1/reject"),
    ):
        answer = bob.ask(method, f"tasks/{task}{path}")
        nothing = bob.ask(method, f"tasks/task_none{path}")
        assert answer.status_code == nothing.status_code == 404, (method, path)
        assert answer.json()["error"]["code"] == "not_found"
        assert answer.text.replace(task, "task_none") == nothing.text
    after = {"text": "His.", "worker": "printer", "after": [task]}
    assert bob.ask("POST", "tasks", json=after).status_code == 404
    assert bob.ask("GET", "tasks", params={"before": task}).status_code == 404
    assert bob.ask("GET", "tasks").json()["data"] == []
    bare = httpx2.get(f"{house.url}/v1/tasks/{task}", trust_env=False)
    assert bare.status_code == 401


def test_a_list_is_paged_and_an_order_under_one_key_is_one_task(house: Running) -> None:
    carol = Caller(house, "carol")
    key = {"Idempotency-Key": "order 7"}
    first, second = (carol.add("Once.", headers=key).json()["id"] for _ in range(2))
    assert first == second
    other = carol.add("Another.", headers=key)
    assert (other.status_code, other.json()["error"]["param"]) == (409, "Idempotency-Key")
    ids = [first, *(carol.add(f"Number {n}.").json()["id"] for n in range(4))]
    seen: list[str] = []
    page: dict[str, Any] = {"has_more": True}
    while page["has_more"]:
        before = {"before": seen[-1]} if seen else {}
        page = carol.ask("GET", "tasks", params={"limit": "2", **before}).json()
        seen += [each["id"] for each in page["data"]]
    assert seen == ids[::-1]
    carol.ended(first)
    done = carol.ask("GET", "tasks", params={"state": "done", "worker": "printer"}).json()
    assert first in {each["id"] for each in done["data"]}


def test_what_cannot_be_used_is_refused_in_words(house: Running) -> None:
    dave = Caller(house, "dave")
    wrong: list[tuple[int, dict[str, Any]]] = [
        (400, {"content": b"{"}),
        (400, {"json": {"text": "x"}}),
        (400, {"json": {"text": "x", "worker": "printer", "owner": "key_1"}}),
        (404, {"json": {"text": "x", "worker": "nobody"}}),
        (400, {"json": {"text": "x", "worker": "printer", "deadline": "2020-01-01T00:00:00Z"}}),
        (413, {"content": b" " * (9 << 20)}),
        (400, {"content": b"--x", "headers": {"Content-Type": "multipart/form-data"}}),
        (400, {"data": {"text": "x", "worker": "printer"}, "files": {"other": ("a", b"")}}),
        (400, {"data": {"text": "x", "worker": "printer"}, "files": {"file": ("../a", b"")}}),
        (400, {"headers": {"Idempotency-Key": "k" * 300}, "json": {}}),
    ]
    for status, sent in wrong:
        answer = dave.ask("POST", "tasks", **sent)
        assert answer.status_code == status, (sent, answer.text)
        assert answer.json()["error"]["message"]
    for query in ("limit=0", "limit=x", "state=gone"):
        assert dave.ask("GET", f"tasks?{query}").status_code == 400
    assert dave.ask("PUT", "tasks").status_code == 405
    assert dave.ask("GET", "tasks").json()["data"] == []


def asked(caller: Caller, text: str) -> tuple[str, str]:
    """A task that waits for a person, and the approval that it asks for."""
    task = caller.ask("POST", "tasks", json={"text": text, "worker": "asker"}).json()["id"]
    deadline = time.monotonic() + 30
    while (shown := caller.ask("GET", f"tasks/{task}").json())["state"] != "waiting":
        assert time.monotonic() < deadline, shown
        time.sleep(0.1)
    [approval] = shown["approvals"]
    return task, approval["id"]


def test_a_caller_answers_what_their_task_asks_and_puts_tasks_aside(house: Running) -> None:
    frank = Caller(house, "frank")
    (one, yes), (two, no) = asked(frank, "The lamp is red."), asked(frank, "The lamp is blue.")
    assert frank.ask("POST", f"tasks/{one}/approvals/{no}/approve").status_code == 404
    given = frank.ask("POST", f"tasks/{one}/approvals/{yes}/approve", json={"note": "fine"})
    assert (given.json()["state"], given.json()["answered_by"]) == ("approved", frank.id)
    assert frank.ask("POST", f"tasks/{one}/approvals/{yes}/reject").status_code == 409
    assert frank.ended(one)["state"] == "done"
    assert frank.ask("POST", f"tasks/{two}/approvals/{no}/reject").json()["state"] == "rejected"
    assert frank.ended(two)["state"] == "failed"
    three, _ = asked(frank, "The lamp is green.")
    assert frank.ask("POST", f"tasks/{three}/pause").json()["state"] == "parked"
    more = frank.ask("POST", f"tasks/{three}/resume", json={"more": {"steps": 3}})
    assert more.json()["state"] == "queued"
    assert frank.ask("POST", f"tasks/{three}/cancel").json()["state"] == "cancelled"
    assert frank.ask("POST", f"tasks/{three}/resume").status_code == 409


def test_a_key_that_is_revoked_ends_the_streams_it_opened(house: Running) -> None:
    eve = Caller(house, "eve")
    task, _ = asked(eve, "The door is open.")
    told: list[tuple[str, dict[str, Any]]] = []

    def follow() -> None:
        try:
            for event in eve.events(task):
                told.append(event)  # noqa: PERF402 - each counts as it comes
        except httpx2.RemoteProtocolError:
            told.append(("cut", {}))

    following = threading.Thread(target=follow)
    following.start()
    deadline = time.monotonic() + 10
    while not any(name == "task" for name, _ in told):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    house.basket("key", "revoke", eve.id)
    following.join(5)
    assert not following.is_alive()
    assert told[-2][1]["error"]["code"] == "api_key_revoked"
    assert told[-1][0] == "cut"
    assert eve.ask("GET", "tasks").status_code == 401
