"""Signing in and out, and everything that must not let anyone in."""

import aiohttp
import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.conftest import sign_in
from tests.browser.scripted_console import Console

pytestmark = pytest.mark.anyio


async def test_a_key_opens_the_console_and_signing_out_closes_it(
    page: Page, console: Console, context: BrowserContext
) -> None:
    await sign_in(page, console, console.admin[1])
    cookie = next(c for c in await context.cookies() if c["name"] == "basket_session")
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert cookie["path"] == "/console"
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url(f"{console.url}/login")
    await page.goto(f"{console.url}/usage")
    await expect(page).to_have_url(f"{console.url}/login")


async def test_a_wrong_key_is_told_so_in_words(page: Page, console: Console) -> None:
    await page.goto(f"{console.url}/login")
    await page.get_by_role("textbox", name="Key").fill("' OR 1=1 --")
    await page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("not known here")
    await expect(alert).to_contain_text("basket key create")
    await expect(page.get_by_role("textbox", name="Key")).to_be_focused()


async def test_a_revoked_key_is_told_so(page: Page, console: Console) -> None:
    key, secret = await console.keys.create(by=None, name="gone")
    await console.keys.revoke(key.id, by=None)
    await page.goto(f"{console.url}/login")
    await page.get_by_role("textbox", name="Key").fill(secret)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("has been revoked")


@pytest.mark.parametrize("path", ["/chat", "/models", "/chips", "/usage", "/keys", "/receipts/x"])
async def test_no_page_without_a_session(page: Page, console: Console, path: str) -> None:
    await page.goto(f"{console.url}{path}")
    await expect(page).to_have_url(f"{console.url}/login")


async def test_revoking_the_key_ends_its_sessions(page: Page, console: Console) -> None:
    key, secret = await console.keys.create(by=None, name="short-lived")
    await sign_in(page, console, secret)
    await page.clock.install()
    await page.goto(f"{console.url}/models")
    await console.keys.revoke(key.id, by=None)
    # The page keeps asking by itself, and is shown out.
    await page.clock.run_for(5000)
    await page.wait_for_url(f"{console.url}/login")


async def test_another_session_of_the_tab_does_not_see_the_last_conversation(
    page: Page, console: Console
) -> None:
    await sign_in(page, console, console.admin[1])
    await page.get_by_label("Message").fill("a secret of mine")
    await page.keyboard.press("Enter")
    await expect(page.locator("details.receipt")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    _, other = await console.keys.create(by=None, name="someone else")
    await sign_in(page, console, other)
    await expect(page.get_by_text("Ask your own AI")).to_be_visible()
    assert "a secret of mine" not in await page.evaluate("JSON.stringify({...sessionStorage})")


async def test_posts_need_our_origin_and_the_sessions_token(
    signed_in: Page, console: Console, context: BrowserContext
) -> None:
    """Cookies alone are not enough: what another site can make a browser send is refused."""
    token = await signed_in.locator("#composer").get_attribute("data-token")
    cookies = {str(c["name"]): str(c["value"]) for c in await context.cookies()}
    origin = console.url.removesuffix("/console")
    ours = {"Origin": origin, "X-CSRF-Token": str(token)}
    name = {"name": "planted", "role": "admin", "budget": "", "lifetime": ""}
    attacks = [
        {},
        {"Origin": origin},
        {"X-CSRF-Token": str(token)},
        ours | {"Origin": "https://evil.example"},
        ours | {"Origin": "null"},
        ours | {"Origin": f"{origin}.evil.example"},
        ours | {"X-CSRF-Token": "0" * 64},
        ours | {"X-CSRF-Token": ""},
    ]
    async with aiohttp.ClientSession(cookies=cookies) as client:
        for headers in attacks:
            for path in ("/keys", "/chat", "/logout"):
                async with client.post(f"{console.url}{path}", data=name, headers=headers) as reply:
                    assert reply.status == 403, (path, headers)
        assert [key.name for key in await console.keys.list()] == ["Ada at the office"]
        async with client.post(f"{console.url}/keys", data=name, headers=ours) as reply:
            assert reply.status == 200
    assert len(await console.keys.list()) == 2


async def test_signing_in_is_protected_before_there_is_a_session(console: Console) -> None:
    origin = console.url.removesuffix("/console")
    form = {"key": console.admin[1], "csrf_token": "planted"}
    async with aiohttp.ClientSession() as client:
        async with client.post(f"{console.url}/login", data=form) as reply:
            assert reply.status == 403
        headers = {"Origin": origin}
        async with client.post(f"{console.url}/login", data=form, headers=headers) as reply:
            assert reply.status == 403
        assert "basket_session" not in [cookie.key for cookie in client.cookie_jar]
