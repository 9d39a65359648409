"""The console of the running product, with its real model."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.running import Running, basket, running

pytestmark = pytest.mark.anyio

CHAT = "smollm2-135m-instruct"


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    async with await browser.new_context() as context:
        yield await context.new_page()


async def sign_in(page: Page, server: Running) -> None:
    """By way of the bare address, as the server prints it."""
    made = basket(server.home, "key", "create", "--name", "browser", "--role", "admin", "--json")
    await page.goto(server.url)
    await page.get_by_role("textbox", name="Key").fill(made["key"])
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{server.url}/console/chat")


async def ask(page: Page, text: str) -> None:
    await page.get_by_role("textbox", name="Message").fill(text)
    await page.keyboard.press("Enter")


async def test_an_answer_and_its_receipt_are_the_ledgers(page: Page, server: Running) -> None:
    await sign_in(page, server)
    await expect(page.get_by_label("Model")).to_have_value(CHAT)
    await ask(page, "Hi")
    await page.locator("details.receipt summary").click(timeout=120_000)
    await expect(page.locator("article.answered .prose")).not_to_be_empty()
    facts = page.locator("details.receipt dl")
    request_id = await facts.locator("dd").first.inner_text()
    receipt = server.basket("receipt", request_id)
    assert receipt["outcome"] == "completed"
    assert receipt["output_tokens"] > 0
    for text in (
        receipt["digest"],
        receipt["engine"],
        receipt["chip"],
        receipt["law"],
        f"{receipt['input_tokens']} input, {receipt['output_tokens']} output",
    ):
        await expect(facts).to_contain_text(text)
    results = await Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


async def test_the_pages_tell_of_this_machine(page: Page, server: Running) -> None:
    await sign_in(page, server)
    await page.goto(f"{server.url}/console/models")
    model = page.get_by_role("article", name=CHAT)
    for text in ("ready", "Apache-2.0", "pypi:", "93.8 MiB", "Fits: needs", "Observed"):
        await expect(model).to_contain_text(text)
    await page.goto(f"{server.url}/console/chips")
    await expect(page.get_by_role("article").first).to_contain_text("GiB free of")
    await page.goto(f"{server.url}/console/keys")
    await expect(page.get_by_role("row", name="browser").first).to_contain_text("active")
    await page.goto(f"{server.url}/console/usage")
    await expect(page.get_by_role("heading", name="Usage")).to_be_visible()


async def test_an_engine_killed_in_mid_answer_is_told_and_comes_back(
    page: Page, stocked_home: Path
) -> None:
    with running(stocked_home) as server:
        await sign_in(page, server)
        await ask(page, "Write a very long story about a lighthouse keeper and the sea.")
        await expect(page.locator("article.answered .prose")).not_to_have_text("…", timeout=60_000)
        for child in psutil.Process(server.process.pid).children():
            if any("llamacpp" in word for word in child.cmdline()):
                os.kill(child.pid, signal.SIGKILL)
        await expect(page.locator(".problem")).to_be_visible(timeout=60_000)
        await expect(page.locator("article.answered .prose")).not_to_be_empty()
        await page.goto(f"{server.url}/console/models")
        card = page.get_by_role("article", name=CHAT)
        await expect(card.get_by_text("ready", exact=True)).to_be_visible(timeout=60_000)
        await page.goto(f"{server.url}/console/chat")
        await page.get_by_role("button", name="New chat").click()
        await ask(page, "Hi")
        await expect(page.locator("details.receipt")).to_be_visible(timeout=120_000)
        await expect(page.locator(".problem")).to_have_count(0)


async def test_a_law_is_taken_away_from_two_vendors_and_the_other_one_answers(
    page: Page, stocked_home: Path
) -> None:
    with running(stocked_home, options=["--stand-ins"]) as server:
        await sign_in(page, server)
        await page.goto(f"{server.url}/console/baskets")
        basket_card = page.get_by_role("article", name="stand-ins")
        for text in ("stand-in-us", "stand-in-eu", "US", "EU", "no real vendor"):
            await expect(basket_card).to_contain_text(text)
        await basket_card.get_by_role("link", name="Pull the plug").click()
        await expect(page.get_by_label("Basket")).to_have_value("stand-ins")
        await page.get_by_role("group", name="Laws").get_by_role("checkbox", name="US").check()
        await expect(page.locator(".effect:visible")).to_contain_text("2 of 3 would be left")
        await page.get_by_label("Seconds").fill("8")
        # Four requests: what a busy machine answers in time, too.
        await page.get_by_label("Requests a second").fill("0.5")
        await page.get_by_role("button", name="Pull the plug").click()
        await expect(page.locator("#phase")).to_contain_text("The plug is out.", timeout=60_000)
        await expect(page.locator("rect.series-1").first).to_be_visible(timeout=60_000)
        await expect(page.locator(".verdict")).to_contain_text("100 % of 4", timeout=240_000)
        [row] = server.basket("drill", "list")
        assert (row["outcome"], row["cuts"], row["basket"]) == ("passed", ["law:US"], "stand-ins")
        report = server.basket("drill", "show", row["drill"])
        parts = page.get_by_role("region", name="Who did what")
        for part in report["upstreams"]:
            told = parts.get_by_role("row", name=part["upstream"])
            await expect(told).to_contain_text("taken away" if part["cut"] else "left")
            await expect(told.locator("td").nth(4)).to_have_text(str(part["answered"]))
