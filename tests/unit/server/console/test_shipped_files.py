"""What ships to the browser: the vendored file as named, no markup from strings, nothing inline."""

import hashlib
import re
from pathlib import Path

import pytest

from secondbasket.server import console

FOLDER = Path(console.__file__).parent
MODULES = sorted((FOLDER / "static").glob("*.js"))
TEMPLATES = sorted((FOLDER / "templates").glob("*.html"))

SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
    r"|setHTML|srcdoc|\beval\b|new Function|\.cssText"
)
INLINE = re.compile(r"""<style|<script>|\sstyle=|\son[a-z]+=|href="javascript|\|\s*safe|hx-on""")


def test_the_vendored_file_is_the_one_named() -> None:
    vendor = FOLDER / "static" / "vendor"
    digest = hashlib.sha256((vendor / "htmx.min.js").read_bytes()).hexdigest()
    assert f"| `{digest}` |" in (vendor / "README.md").read_text()


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_modules_make_no_markup_from_strings(module: Path) -> None:
    assert SINKS.search(module.read_text()) is None


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_nothing_inline_and_nothing_unescaped(template: Path) -> None:
    assert INLINE.search(template.read_text()) is None


@pytest.mark.parametrize("path", [*MODULES, *TEMPLATES, FOLDER / "static" / "console.css"])
def test_nothing_names_another_host(path: Path) -> None:
    assert re.search(r"https?://[a-z0-9]", path.read_text()) is None
