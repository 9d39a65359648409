"""The baskets page: who may answer behind a name, how they do, and what would stop them."""

import time

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from secondbasket.core.rules import BasketRules
from secondbasket.errors import UpstreamLimited, UpstreamTimeout
from secondbasket.maas.baskets import BasketPlan
from secondbasket.maas.parity.standing import Measurement
from tests.browser.conftest import sign_in
from tests.browser.scripted_console import FACTS, MODEL, PAIR, Console

pytestmark = pytest.mark.anyio


async def test_a_card_shows_the_upstreams_in_their_order_with_their_facts(
    signed_in: Page, console: Console
) -> None:
    await signed_in.get_by_role("link", name="Baskets").click()
    card = signed_in.get_by_role("article", name=PAIR)
    first, second = await card.locator(".upstreams > li").all()
    for text in ("scripted", "ready", "local", "xllamacpp 2026.10.11549", MODEL):
        await expect(first).to_contain_text(text)
    for text in ("spare", "FR", "Example SA", "Example Hosting", "DE", "api.example.com"):
        await expect(second).to_contain_text(text)
    await expect(card).to_contain_text("2 behind it, 2 can answer now · asked in this order")
    await expect(card).to_contain_text("not compared: weights origin of scripted")
    alone = signed_in.get_by_role("article", name=MODEL)
    await expect(alone).to_contain_text("There is no second basket: scripted is all that counts.")


async def test_states_are_followed_while_the_page_is_open(
    signed_in: Page, console: Console
) -> None:
    await signed_in.clock.install()
    await signed_in.goto(f"{console.url}/baskets")
    card = signed_in.get_by_role("article", name=PAIR)
    first, second = card.locator(".upstreams > li").nth(0), card.locator(".upstreams > li").nth(1)
    await expect(first.locator(".badge")).to_have_text("ready")
    ill, spare = console.health.of("scripted"), console.health.of("spare")
    for _ in range(5):
        ill.begin()
        ill.failed(UpstreamTimeout("It took too long."))
    spare.begin()
    spare.failed(UpstreamLimited("Slow down.", retry_after=60))
    await signed_in.clock.run_for(2000)
    await expect(first.locator(".badge")).to_have_text("breaker open")
    await expect(first).to_contain_text("upstream timeout")
    await expect(second.locator(".badge")).to_have_text("limited")
    await expect(second).to_contain_text("Asked us to wait")
    await expect(card).to_contain_text("0 can answer now")
    results = await Axe().run(signed_in)
    assert results.violations_count == 0, results.generate_report()
    ill.begin()
    ill.answered(42.0)
    await signed_in.clock.run_for(2000)
    await expect(first.locator(".badge")).to_have_text("ready")
    await expect(first).to_contain_text("42 ms")


async def test_a_member_that_is_not_up_and_what_is_shared_are_told(
    signed_in: Page, console: Console
) -> None:
    upstreams = console.baskets.upstreams()
    console.baskets.configure(
        [BasketPlan("planned", "chat", ("spare", "local/none"))], [upstreams["spare"]]
    )
    await signed_in.goto(f"{console.url}/baskets")
    card = signed_in.get_by_role("article", name="planned")
    missing = card.locator(".upstreams > li").nth(1)
    await expect(missing).to_contain_text("local/none")
    await expect(missing.locator(".badge")).to_have_text("missing")
    findings = card.get_by_role("region", name="What would stop planned")
    await expect(findings).to_contain_text("spare is all that counts")
    await expect(findings).to_contain_text("local/none does not count")


async def test_parity_is_shown_and_what_has_not_proven_it_says_so(
    signed_in: Page, console: Console
) -> None:
    rules = BasketRules(parity_floor=0.8)
    console.baskets.configure([BasketPlan("graded", "chat", ("scripted", "spare"), rules)], [])
    console.parity.take(
        [
            Measurement(
                basket="graded",
                upstream="scripted",
                model=FACTS.model,
                digest=FACTS.digest,
                evals_digest=console.parity.evals_of("graded"),
                at=time.time(),
                score=0.925,
            )
        ]
    )
    await signed_in.goto(f"{console.url}/baskets")
    card = signed_in.get_by_role("article", name="graded")
    proven, unproven = await card.locator(".upstreams > li").all()
    await expect(proven).to_contain_text("92 % on 20")
    await expect(proven).not_to_contain_text("Asked last")
    await expect(unproven).to_contain_text("not measured")
    await expect(unproven).to_contain_text("does not count as equal: parity not measured.")


async def test_everybody_who_may_ask_may_see_who_answers(page: Page, console: Console) -> None:
    _, secret = await console.keys.create(by=None, name="user")
    await sign_in(page, console, secret)
    await page.get_by_role("link", name="Baskets").click()
    await expect(page.get_by_role("article", name=PAIR)).to_be_visible()
