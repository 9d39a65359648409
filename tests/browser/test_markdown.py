"""The answer's Markdown, as the browser ends up with it."""

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.anyio

CASES = {
    "plain *em* and **strong** and ***both***": (
        "<p>plain <em>em</em> and <strong>strong</strong> and <strong><em>both</em></strong></p>"
    ),
    "**a *b***": "<p><strong>a <em>b</em></strong></p>",
    "snake_case_name and 2 * 3 * 4": "<p>snake_case_name and 2 * 3 * 4</p>",
    "**open": "<p>**open</p>",
    "~~gone~~ `a*b*` ``x ` y``": "<p><s>gone</s> <code>a*b*</code> <code>x ` y</code></p>",
    "a\\*b\\*": "<p>a*b*</p>",
    "one  \ntwo\nthree": "<p>one  <br>two\nthree</p>",
    "# One\n### Three #\n###### Six": "<h3>One</h3><h5>Three</h5><h6>Six</h6>",
    "- a\n- b\n  - c\n\n  more\n- d": (
        "<ul><li>a</li><li>b<ul><li>c</li></ul><p>more</p></li><li>d</li></ul>"
    ),
    "3. three\n4. four": '<ol start="3"><li>three</li><li>four</li></ol>',
    "1. one\n\n2. two": "<ol><li>one</li><li>two</li></ol>",
    "text\n- item": "<p>text</p><ul><li>item</li></ul>",
    "> quoted\n> **well**\n\nafter": (
        "<blockquote><p>quoted\n<strong>well</strong></p></blockquote><p>after</p>"
    ),
    "a\n\n---\n\nb": "<p>a</p><hr><p>b</p>",
    "see https://ok.example/a.": (
        '<p>see <span class="link"><a href="https://ok.example/a" '
        'rel="noopener noreferrer nofollow" target="_blank">https://ok.example/a</a>'
        '<span class="host"> (ok.example)</span></span>.</p>'
    ),
    "[no](ftp://x.example)": "<p><span>no</span></p>",
    "![alt](https://x.example/i.png)": (
        '<p><span class="not-shown">[image not shown: alt]</span></p>'
    ),
    "3 < 4 && x > 2": "<p>3 &lt; 4 &amp;&amp; x &gt; 2</p>",
}

_RENDER = """async ([module, text]) => {
  const { blocks } = await import(module);
  const holder = document.createElement('div');
  holder.append(...blocks(text).map(([, build]) => build()));
  return holder.innerHTML;
}"""


async def test_renders(signed_in: Page) -> None:
    module = "/console/static/markdown.js"
    rendered = {text: await signed_in.evaluate(_RENDER, [module, text]) for text in CASES}
    assert rendered == CASES


async def test_code_and_tables(signed_in: Page) -> None:
    text = "```py\nif a < b:\n    pass\n```\n\n| a | b |\n|:--|--:|\n| 1 \\| 2 | **x** |\n| 3 |"
    html = await signed_in.evaluate(_RENDER, ["/console/static/markdown.js", text])
    assert "<code>if a &lt; b:\n    pass</code>" in html
    assert '<tr><th scope="col">a</th><th scope="col">b</th></tr>' in html
    assert "<tr><td>1 | 2</td><td><strong>x</strong></td></tr>" in html
    assert "<tr><td>3</td><td></td></tr>" in html


async def test_an_unfinished_fence_is_code_already(signed_in: Page) -> None:
    html = await signed_in.evaluate(_RENDER, ["/console/static/markdown.js", "```\n**not bold**"])
    assert "<code>**not bold**</code>" in html
