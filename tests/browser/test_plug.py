"""Pull the plug: a real drill over real cuts, chosen, seen live, reported, and kept from others."""

import json
from typing import Literal

import anyio
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from secondbasket.core.drill import DrillPlan
from secondbasket.ledger.audit import REPORT
from secondbasket.ledger.signing import check_document
from tests.browser.conftest import sign_in
from tests.browser.scripted_console import MODEL, PAIR, Console

pytestmark = pytest.mark.anyio

SHORT = DrillPlan(cuts=("law:local",), basket=PAIR, seconds=2, rate=10)
LONG = DrillPlan(cuts=("law:local",), basket=PAIR, seconds=60, rate=5)


async def fill_in(page: Page, console: Console, *, seconds: str = "3", rate: str = "10") -> None:
    await page.goto(f"{console.url}/plug?basket={PAIR}")
    await page.get_by_label("Seconds").fill(seconds)
    await page.get_by_label("Requests a second").fill(rate)


async def drilled(console: Console, plan: DrillPlan = SHORT) -> str:
    """The id of a drill that has been run to its end."""
    running = console.drills.start(plan)
    async for _ in running.follow():
        pass
    running.result()
    return running.id


def running_plan(console: Console) -> DrillPlan:
    assert console.drills.running is not None
    return console.drills.running.plan


async def test_a_drill_is_chosen_seen_live_and_reported(signed_in: Page, console: Console) -> None:
    await signed_in.get_by_role("link", name="Pull the plug").click()
    await expect(signed_in.get_by_text("None yet.")).to_be_visible()
    await fill_in(signed_in, console, seconds="8")
    laws = signed_in.get_by_role("group", name="Laws")
    # The French upstream is under the Union's law as well.
    for law in ("local", "FR", "EU"):
        await expect(laws.get_by_role("checkbox", name=law)).to_have_count(1)
    await expect(laws).to_contain_text(f"1 of 2 upstreams; all of {MODEL}")
    effect = signed_in.locator(".effect:visible")
    await expect(effect).to_contain_text("Choose what to take away.")
    await laws.get_by_role("checkbox", name="local").check()
    await expect(effect).to_contain_text("1 of 2 would be left to answer.")
    await expect(effect.locator(".away")).to_contain_text("scripted")
    await signed_in.get_by_role("button", name="Pull the plug").click()
    phase = signed_in.locator("#phase")
    await expect(phase).to_contain_text("The plug is out.")
    chart = signed_in.get_by_role("img", name="Answers in each second")
    await expect(chart.locator("rect.series-1").first).to_be_visible()
    await expect(chart.locator("line.moment")).to_have_count(1)
    await expect(signed_in.locator("[data-figure=p95]")).to_contain_text("ms")
    await expect(phase).to_contain_text("It is back.")
    await expect(chart.locator("text.moment-name").nth(1)).to_have_text("back")
    verdict = signed_in.locator(".verdict")
    await expect(verdict).to_contain_text("100 % of 80 requests were answered")
    await expect(verdict.locator(".badge")).to_have_text("passed")
    parts = signed_in.get_by_role("region", name="Who did what")
    await expect(parts.get_by_role("row", name="scripted")).to_contain_text("taken away")
    await signed_in.get_by_role("link", name="Pull the plug").first.click()
    row = signed_in.get_by_role("row", name="law:local")
    for text in (PAIR, "passed", "100 %", "its own"):
        await expect(row).to_contain_text(text)
    await signed_in.goto(f"{console.url}/baskets")
    last = signed_in.get_by_role("region", name=f"Drills of {PAIR}")
    await expect(last).to_contain_text("100 % answered, switched within")


async def test_the_picture_says_what_its_table_says(signed_in: Page, console: Console) -> None:
    drill = await drilled(console)
    report = await console.drills.show(drill)
    await signed_in.goto(f"{console.url}/plug/{drill}")
    await signed_in.get_by_text("The same as a table").click()
    table = signed_in.locator("#seconds")
    told = [
        [int(cell) for cell in await row.locator("td").all_inner_texts()]
        for row in await table.locator("tbody tr").all()
    ]
    assert told == [
        [second["answered_by"].get("scripted", 0), second["answered_by"].get("spare", 0), 0, 0]
        for second in report["timeline"]
    ]
    most = max(4, *(sum(row) for row in told))
    plot_height = 240 - 28 - 26
    for series in (0, 1):
        drawn = signed_in.locator(f"rect.series-{series}")
        heights = await drawn.evaluate_all(
            "bars => bars.map(bar => Number(bar.getAttribute('height')))"
        )
        counts = [row[series] for row in told if row[series]]
        assert heights == pytest.approx([count * plot_height / most for count in counts])


async def test_the_papers_are_signed_and_the_page_can_do_nothing(
    signed_in: Page, console: Console
) -> None:
    drill = await drilled(console)
    await signed_in.goto(f"{console.url}/plug/{drill}")
    async with signed_in.expect_download() as waiting:
        await signed_in.get_by_role("link", name="Signed JSON").click()
    path = await (await waiting.value).path()
    document = json.loads(path.read_bytes())
    assert document == await console.drills.show(drill)
    check_document(REPORT, document, [console.signer.public_key])
    reply = await signed_in.goto(f"{console.url}/plug/{drill}/page")
    assert reply is not None
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    await expect(signed_in.get_by_text("Passed: 100 %")).to_be_visible()


async def test_everybodys_requests_need_a_yes(signed_in: Page, console: Console) -> None:
    await fill_in(signed_in, console)
    await signed_in.get_by_role("checkbox", name="FR").check()
    sure = signed_in.get_by_role("checkbox", name="I want this for everybody's requests")
    await expect(sure).to_be_hidden()
    await signed_in.get_by_role("radio", name="Everybody's").check()
    await expect(sure).to_be_visible()
    await signed_in.get_by_role("button", name="Pull the plug").click()
    await expect(sure).to_be_focused()  # the browser asks for it
    await sure.evaluate("box => { box.required = false; }")
    await signed_in.get_by_role("button", name="Pull the plug").click()
    await expect(signed_in.get_by_role("alert")).to_contain_text("takes it away from everybody")
    await expect(signed_in.get_by_role("radio", name="Everybody's")).to_be_checked()
    assert console.drills.running is None
    await signed_in.get_by_role("checkbox", name="I want this").check()
    await signed_in.get_by_role("button", name="Pull the plug").click()
    await expect(signed_in.get_by_text("everybody's requests.")).to_be_visible()
    assert running_plan(console).live


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("Seconds", "soon", "Seconds: 'soon' is not a number."),
        ("Seconds", "0", "A drill takes 1 to 3600 seconds."),
        ("Requests a second", "1000", "at most 200 requests a second"),
        ("Target, % answered", "101", "The target is a percentage."),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused_and_kept(
    signed_in: Page, console: Console, field: str, value: str, told: str
) -> None:
    await fill_in(signed_in, console)
    await signed_in.get_by_role("checkbox", name="DE").check()
    await signed_in.get_by_label(field).fill(value)
    await signed_in.get_by_role("button", name="Pull the plug").click()
    await expect(signed_in.get_by_role("alert")).to_contain_text(told)
    await expect(signed_in.get_by_label(field)).to_have_value(value)
    await expect(signed_in.get_by_role("checkbox", name="DE")).to_be_checked()
    await expect(signed_in.get_by_label("Basket")).to_have_value(PAIR)


async def test_nothing_chosen_takes_nothing_away(signed_in: Page, console: Console) -> None:
    await fill_in(signed_in, console)
    await signed_in.get_by_role("button", name="Pull the plug").click()
    await expect(signed_in.get_by_role("alert")).to_contain_text("Choose what to take away.")


async def test_one_that_runs_is_found_again_and_can_be_stopped(
    signed_in: Page, console: Console
) -> None:
    running = console.drills.start(LONG)
    await signed_in.goto(f"{console.url}/plug")
    await expect(signed_in.get_by_role("button", name="Pull the plug")).to_be_disabled()
    await signed_in.get_by_role("link", name="See it live").click()
    await expect(signed_in.locator("#phase")).to_contain_text("Nothing has been taken away yet.")
    await signed_in.get_by_role("button", name="Stop the drill").click()
    await signed_in.wait_for_url(f"{console.url}/plug")
    await expect(signed_in.get_by_role("row", name="law:local")).to_contain_text("broken off")
    await signed_in.goto(f"{console.url}/plug/{running.id}")
    await expect(signed_in.get_by_role("heading")).to_have_text("This drill was broken off")


async def test_who_watches_one_that_is_stopped_is_told(signed_in: Page, console: Console) -> None:
    running = console.drills.start(LONG)
    await signed_in.goto(f"{console.url}/plug/{running.id}")
    await expect(signed_in.locator("#phase")).to_contain_text("Nothing has been taken away yet.")
    running.stop()
    await expect(signed_in.locator("#phase")).to_contain_text("The drill was broken off.")
    await expect(signed_in.locator(".problem")).to_contain_text("what was cut is back")


async def test_only_administrators_pull_and_see(page: Page, console: Console) -> None:
    running = console.drills.start(LONG)
    done = running.id
    _, secret = await console.keys.create(by=None, name="user")
    await sign_in(page, console, secret)
    await expect(page.get_by_role("link", name="Pull the plug")).to_have_count(0)
    for path in ("", f"/{done}", f"/{done}/moments", f"/{done}/report.json", f"/{done}/page"):
        reply = await page.goto(f"{console.url}/plug{path}")
        assert reply is not None
        assert reply.status == 403, path
    await page.goto(f"{console.url}/baskets")
    await expect(page.get_by_role("region", name="Drills of")).to_have_count(0)
    for path in ("", f"/{done}/stop"):
        status = await page.evaluate(
            """async ([url, token]) => (await fetch(url, {method: "POST", headers:
            {"X-CSRF-Token": token}, body: new URLSearchParams({cut: "law:FR"})})).status""",
            [f"{console.url}/plug{path}", await token_of(page)],
        )
        assert status == 403, path
    assert console.drills.running is running


async def token_of(page: Page) -> str:
    headers = await page.locator("body").get_attribute("hx-headers")
    assert headers is not None
    token: str = json.loads(headers)["X-CSRF-Token"]
    return token


async def test_a_revoked_administrator_sees_nothing_further(page: Page, console: Console) -> None:
    key, secret = await console.keys.create(by=None, name="leaves", role="admin")
    await sign_in(page, console, secret)
    running = console.drills.start(LONG)
    await page.goto(f"{console.url}/plug/{running.id}")
    await expect(page.locator("[data-figure=answered]")).to_contain_text("of")
    await console.keys.revoke(key.id, by=None)
    await expect(page.locator(".problem")).to_contain_text("You are not signed in")
    seen = await page.locator("[data-figure=answered]").inner_text()
    await anyio.sleep(1.5)
    assert running.moments[-1].answered > int(seen.split()[0])
    assert await page.locator("[data-figure=answered]").inner_text() == seen


async def test_it_can_be_used_by_keys_alone(signed_in: Page, console: Console) -> None:
    await fill_in(signed_in, console)
    await signed_in.get_by_role("checkbox", name="FR").focus()
    await signed_in.keyboard.press("Space")
    await signed_in.get_by_label("Seconds").focus()
    await signed_in.keyboard.press("Enter")
    await expect(signed_in.locator("#phase")).to_be_visible()
    assert running_plan(console).cuts == ("law:FR",)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_before_while_and_after(
    browser: Browser, console: Console, scheme: Literal["light", "dark"]
) -> None:
    done = await drilled(console)
    await drilled(console, DrillPlan(cuts=("law:local", "law:FR"), basket=PAIR, seconds=1, rate=5))
    async with await browser.new_context(color_scheme=scheme, reduced_motion="reduce") as context:
        page = await context.new_page()

        async def check() -> None:
            results = await Axe().run(page)
            assert results.violations_count == 0, f"{page.url}\n{results.generate_report()}"
            await page.set_viewport_size({"width": 320, "height": 640})
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320, page.url
            await page.set_viewport_size({"width": 1280, "height": 800})

        await sign_in(page, console, console.admin[1])
        await page.goto(f"{console.url}/plug")
        await page.get_by_role("radio", name="Everybody's").check()
        await page.get_by_role("checkbox", name="FR").check()
        await check()
        await page.goto(f"{console.url}/plug/{done}")
        await page.get_by_text("The same as a table").click()
        await check()
        await page.goto(f"{console.url}/plug/{console.drills.start(LONG).id}")
        await expect(page.locator("[data-figure=answered]")).to_contain_text("of")
        await check()
        console.drills.stop()
        await anyio.sleep(0.1)
        await page.goto(f"{console.url}/plug")
        await check()
        failed = (await console.drills.rows())[1]
        assert failed.outcome == "failed"
        await page.goto(f"{console.url}/plug/{failed.drill}")
        await expect(page.locator(".verdict .badge")).to_have_text("not passed")
        await check()
