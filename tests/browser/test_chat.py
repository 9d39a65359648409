"""The chat page: streams, stops, remembers, fails in words, and can be used by keys alone."""

import anyio
import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import sign_in
from tests.browser.scripted_console import MODEL, PAIR, Console, ScriptedModel

pytestmark = pytest.mark.anyio


async def ask(page: Page, text: str) -> None:
    await page.get_by_role("textbox", name="Message").fill(text)
    await page.keyboard.press("Enter")


async def test_an_answer_streams_and_shows_its_receipt(signed_in: Page, console: Console) -> None:
    console.model = ScriptedModel(pieces=("The capital of France ", "is **Par", "is**."))
    console.model.released.clear()
    await ask(signed_in, "What is the capital of France?")
    answer = signed_in.locator("article.answered")
    await expect(answer.locator("strong")).to_have_text("Paris")
    await expect(answer).to_have_attribute("aria-busy", "true")
    await expect(answer.locator("details.receipt")).to_have_count(0)
    console.model.released.set()
    await expect(answer).to_have_attribute("aria-busy", "false")
    summary = answer.locator("details.receipt summary")
    # 26 tokens at 0.05 and 3 at 0.20 USD a million.
    await expect(summary).to_contain_text("scripted · 3 tokens")
    await expect(summary).to_contain_text("0.0000019 USD")
    await expect(signed_in.locator("#progress")).to_contain_text("The answer is complete.")
    await summary.click()
    receipt = (await console.ledger.rows(limit=1))[0]
    facts = answer.locator("details.receipt dl")
    for text in (receipt.request_id, receipt.digest, receipt.engine, "cpu0", "local"):
        await expect(facts).to_contain_text(text)
    await answer.get_by_role("link", name="Open the receipt").click()
    await expect(signed_in.get_by_role("heading", name="Receipt")).to_be_visible()
    await expect(signed_in.get_by_text(receipt.digest)).to_be_visible()
    await expect(signed_in.get_by_text(f"basket receipt {receipt.request_id}")).to_be_visible()


async def test_the_model_hears_the_whole_conversation(signed_in: Page, console: Console) -> None:
    for number, text in enumerate(("first", "second"), start=1):
        await ask(signed_in, text)
        await expect(signed_in.locator("details.receipt")).to_have_count(number)
    said = "The capital of France is **Paris**."
    assert [
        [(turn["role"], turn["content"]) for turn in exchange.json()["messages"]]
        for exchange in console.model.exchanges
    ] == [
        [("user", "first")],
        [("user", "first"), ("assistant", said), ("user", "second")],
    ]


async def test_a_class_that_is_chosen_is_what_the_chat_counts_as(
    signed_in: Page, console: Console
) -> None:
    for number, (label, expected) in enumerate(
        {"as found": "public", "confidential or higher": "confidential"}.items(), start=1
    ):
        await signed_in.get_by_label("Data").select_option(label)
        await ask(signed_in, "hello")
        await expect(signed_in.locator("details.receipt")).to_have_count(number)
        assert (await console.ledger.rows(limit=1))[0].data_class == expected


async def test_history_lasts_in_the_tab_only(signed_in: Page, console: Console) -> None:
    await ask(signed_in, "What is the capital of France?")
    await expect(signed_in.locator("details.receipt")).to_be_visible()
    await signed_in.reload()
    await expect(signed_in.locator("article.answered strong")).to_have_text("Paris")
    await expect(signed_in.locator("details.receipt summary")).to_contain_text("USD")
    other = await signed_in.context.new_page()
    await other.goto(f"{console.url}/chat")
    await expect(other.locator("article")).to_have_count(0)
    await signed_in.get_by_role("button", name="New chat").click()
    await expect(signed_in.locator("article")).to_have_count(0)
    await signed_in.reload()
    await expect(signed_in.get_by_role("heading", name="Ask your own AI")).to_be_visible()


@pytest.mark.parametrize("how", ["button", "escape"])
async def test_stopping_hangs_up_on_the_model_and_is_billed(
    signed_in: Page, console: Console, how: str
) -> None:
    console.model = ScriptedModel(pieces=("one ", "two ", "three "))
    console.model.released.clear()
    await ask(signed_in, "Count for ever")
    await expect(signed_in.locator("article.answered")).to_contain_text("three")
    if how == "button":
        await signed_in.get_by_role("button", name="Stop the answer").click()
    else:
        await signed_in.keyboard.press("Escape")
    await expect(signed_in.get_by_text("You stopped this answer.")).to_be_visible()
    with anyio.fail_after(5):
        await console.model.hung_up.wait()
    await expect(signed_in.get_by_role("textbox", name="Message")).to_be_focused()
    with anyio.fail_after(5):
        await console.recorded.wait()
    receipt = (await console.ledger.rows(limit=1))[0]
    assert receipt.outcome == "client_closed"
    assert receipt.output_tokens == 3
    await signed_in.get_by_role("link", name="Open the receipt").click()
    await expect(signed_in.get_by_text("Stopped", exact=True)).to_be_visible()


async def test_revoking_the_key_ends_the_live_stream_and_the_session(
    page: Page, console: Console
) -> None:
    key, secret = await console.keys.create(by=None, name="soon gone")
    await page.clock.install()
    await sign_in(page, console, secret)
    console.model.released.clear()
    await ask(page, "What is the capital of France?")
    await expect(page.locator("article.answered strong")).to_have_text("Paris")
    await console.keys.revoke(key.id, by=None)
    await expect(page.locator(".problem")).to_contain_text("revoked")
    with anyio.fail_after(5):
        await console.model.hung_up.wait()
        await console.recorded.wait()
    assert (await console.ledger.rows(limit=1))[0].outcome == "revoked"
    await page.clock.run_for(4000)
    await page.wait_for_url(f"{console.url}/login")


async def test_a_broken_answer_is_never_a_clean_end(signed_in: Page, console: Console) -> None:
    console.model = ScriptedModel(pieces=("half an ans",), breaks=True)
    await ask(signed_in, "Tell me")
    answer = signed_in.locator("article.answered")
    await expect(answer.locator(".problem")).to_be_visible()
    await expect(answer).to_contain_text("half an ans")
    await expect(answer.locator("details.receipt summary")).to_be_visible()
    assert (await console.ledger.rows(limit=1))[0].outcome == "upstream_failed"
    console.model = ScriptedModel()
    await ask(signed_in, "Again")
    await expect(signed_in.locator("article.answered .prose strong")).to_have_text("Paris")


async def test_a_refusal_says_what_to_do(page: Page, console: Console) -> None:
    _, secret = await console.keys.create(by=None, name="poor", budget=0)
    await sign_in(page, console, secret)
    await ask(page, "Hello")
    await expect(page.locator(".problem")).to_contain_text("0.00 USD")
    await expect(page.locator(".problem p")).to_have_count(2)


async def test_a_key_revoked_between_questions_leads_to_the_sign_in(
    page: Page, console: Console
) -> None:
    key, secret = await console.keys.create(by=None, name="gone")
    await page.clock.install()
    await sign_in(page, console, secret)
    await console.keys.revoke(key.id, by=None)
    await ask(page, "Hello")
    await expect(page.locator(".problem")).to_contain_text("session has ended")
    await page.clock.run_for(4000)
    await page.wait_for_url(f"{console.url}/login")


async def test_a_chat_by_keyboard_alone(page: Page, console: Console) -> None:
    await page.goto(f"{console.url}/login")
    await page.keyboard.type(console.admin[1])
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{console.url}/chat")
    await page.keyboard.type("What is the capital")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("of France?")
    await page.keyboard.press("Enter")
    await expect(page.locator("article.asked p")).to_have_text("What is the capital\nof France?")
    await expect(page.locator("article.answered strong")).to_have_text("Paris")
    await expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    for _ in range(2):
        await page.keyboard.press("Shift+Tab")
    summary = page.locator("details.receipt summary")
    while not await summary.evaluate("node => node === document.activeElement"):
        await page.keyboard.press("Tab")
        assert not await page.get_by_role("textbox", name="Message").evaluate(
            "node => node === document.activeElement"
        )
    await page.keyboard.press("Enter")
    await expect(page.locator("details.receipt dl")).to_be_visible()
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert await page.evaluate(outline) == "solid"


async def test_the_skip_link_comes_first_and_leads_to_the_page(
    signed_in: Page, console: Console
) -> None:
    await signed_in.goto(f"{console.url}/models")
    await signed_in.keyboard.press("Tab")
    await expect(signed_in.get_by_role("link", name="Skip to content")).to_be_focused()
    await signed_in.keyboard.press("Enter")
    await expect(signed_in.locator("#main")).to_be_focused()


async def test_thinking_is_kept_apart_from_the_answer(signed_in: Page, console: Console) -> None:
    console.model = ScriptedModel(reasoning="<b>France</b>, so Paris", pieces=("Paris.",))
    await ask(signed_in, "Capital?")
    await expect(signed_in.locator("article.answered .prose")).to_have_text("Paris.")
    await signed_in.get_by_text("Thinking").click()
    await expect(signed_in.locator(".thinking p")).to_have_text("<b>France</b>, so Paris")


async def test_without_a_model_the_page_teaches_how_to_get_one(
    page: Page, console: Console
) -> None:
    for basket in (MODEL, PAIR):
        console.baskets.remove(basket)
    await sign_in(page, console, console.admin[1])
    await expect(page.get_by_text("No chat model yet")).to_be_visible()
    await page.get_by_role("button", name="Copy the command: basket model recommend").click()
    assert await page.evaluate("navigator.clipboard.readText()") == "basket model recommend"
