"""A real browser and a running console for each test."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.browser.scripted_console import Console, scripted_console


@pytest.fixture(scope="module")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    """Not for the whole session: while it lives, no other test can run a loop of its own."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("Chromium is missing. Type: sudo apt-get install -y chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        await browser.close()


@pytest.fixture
async def console(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Console]:
    async with scripted_console(tmp_path) as console:
        yield console


@pytest.fixture
async def context(browser: Browser, console: Console) -> AsyncIterator[BrowserContext]:
    """A fresh profile. Whatever a page asks of another host fails the test that asked."""
    context = await browser.new_context(locale="en-GB", base_url=console.url)
    context.set_default_timeout(10_000)
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    complaints: list[str] = []
    context.on(
        "console",
        lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None,
    )
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    yield context
    await context.close()
    origin = console.url.removesuffix("/console")
    assert [url for url in asked if not url.startswith(f"{origin}/")] == []
    # That a page was refused is a line in the browser's log, too; all others are faults of ours.
    refused = "the server responded with a status of 4"
    assert [line for line in complaints if refused not in line] == []


@pytest.fixture
async def page(context: BrowserContext) -> Page:
    return await context.new_page()


@pytest.fixture
async def signed_in(page: Page, console: Console) -> Page:
    """A page of the administrator's session, on the chat."""
    await sign_in(page, console, console.admin[1])
    return page


async def sign_in(page: Page, console: Console, key: str) -> None:
    await page.goto(f"{console.url}/login")
    await page.get_by_role("textbox", name="Key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{console.url}/chat")
