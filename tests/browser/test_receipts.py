"""What a person sees of an answer that more than one upstream had a part in."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from secondbasket.errors import UpstreamUnavailable
from tests.browser.scripted_console import MODEL, PAIR, Console, ScriptedModel

pytestmark = pytest.mark.anyio


async def ask(page: Page, basket: str) -> None:
    await send(page, basket)
    await expect(page.locator("details.receipt")).to_be_visible()


async def send(page: Page, basket: str) -> None:
    await page.get_by_label("Model").select_option(basket)
    await page.get_by_role("textbox", name="Message").fill("Name the capital of France.")
    await page.keyboard.press("Enter")


async def test_a_continued_answer_says_so_and_shows_each_hop(
    signed_in: Page, console: Console
) -> None:
    console.model = ScriptedModel(pieces=("The capital of ", "France "), breaks=True)
    console.spare = ScriptedModel(pieces=("is **Paris**", "."))
    console.spare.released.clear()
    await send(signed_in, PAIR)
    answer = signed_in.locator("article.answered")
    await expect(answer.locator(".prose")).to_have_text("The capital of France is Paris.")
    await expect(answer.locator(".story")).to_have_text("Now spare answers.")
    await expect(signed_in.locator("#progress")).to_have_text("Now spare answers.")
    console.spare.released.set()
    await expect(answer.locator(".problem")).to_have_count(0)
    story = "continued on spare after scripted broke off"
    await expect(answer.locator(".story")).to_have_text(story)
    summary = answer.locator("details.receipt summary")
    await expect(summary).to_contain_text("spare · about 4 tokens")
    await signed_in.reload()
    await expect(signed_in.locator("article.answered .story")).to_have_text(story)
    await signed_in.locator("details.receipt summary").click()
    await signed_in.get_by_role("link", name="Open the receipt").click()
    hops = signed_in.get_by_role("region", name="Who was asked")
    _, broken, rest = await hops.get_by_role("row").all()
    receipt = (await console.ledger.rows(limit=1))[0]
    assert [hop.cost for hop in receipt.hops] == [400, 6400]
    for text in ("local", "first by priority", "Broke off", "upstream_broken", "about 0 + 2"):
        await expect(broken).to_contain_text(text)
    await expect(broken).to_contain_text("0.0000004 USD")
    for text in ("FR", "goes on after upstream_broken of scripted", "Completed", "26 + 2"):
        await expect(rest).to_contain_text(text)
    await expect(rest).to_contain_text("0.0000064 USD")
    await expect(hops.locator("rect.bar-upstream_failed")).to_have_count(1)
    await expect(hops.locator("rect.bar-completed")).to_have_count(1)
    results = await Axe().run(signed_in)
    assert results.violations_count == 0, results.generate_report()


async def test_one_that_was_passed_over_is_told_with_the_reason(
    signed_in: Page, console: Console
) -> None:
    ill = console.health.of("scripted")
    for _ in range(5):
        ill.begin()
        ill.failed(UpstreamUnavailable("It is gone."))
    await ask(signed_in, PAIR)
    await expect(signed_in.locator(".story")).to_have_text("spare answered; not asked: scripted")
    receipt = (await console.ledger.rows(limit=1))[0].request_id
    await signed_in.goto(f"{console.url}/receipts/{receipt}")
    reasons = signed_in.get_by_role("region", name="Who was not asked, and why")
    await expect(reasons).to_contain_text("scripted")
    await expect(reasons).to_contain_text("breaker open")


async def test_an_answer_of_one_upstream_has_no_more_than_its_receipt(
    signed_in: Page, console: Console
) -> None:
    await ask(signed_in, MODEL)
    summary = signed_in.locator("details.receipt summary")
    await expect(summary).to_contain_text("scripted · 1 tokens")
    await expect(signed_in.locator(".story")).to_have_count(0)
    receipt = (await console.ledger.rows(limit=1))[0].request_id
    await signed_in.goto(f"{console.url}/receipts/{receipt}")
    await expect(signed_in.get_by_role("heading", name="Receipt")).to_be_visible()
    await expect(signed_in.get_by_role("region", name="Who was asked")).to_have_count(0)
