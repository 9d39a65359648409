"""Tables that name each other: what leads nowhere is refused with its key and line."""

from pathlib import Path

import pytest

from secondbasket.errors import SettingsError
from secondbasket.settings import read_settings, unused_upstreams
from secondbasket.settings.listing import fields_of_tables
from tools.documents import blocks
from tools.locks import ROOT

PROVIDERS = """\
[providers.eu]
base_url = "https://eu.example/v1"
law = "FR"

[providers.us]
kind = "anthropic"
base_url = "https://us.example/v1"
law = "US"
"""

UPSTREAMS = """
[upstreams.far]
provider = "eu"
model = "m"
context_tokens = 1000
price_input_per_million = 1
price_output_per_million = 2

[upstreams.vectors]
provider = "us"
model = "e"
task = "embedding"
context_tokens = 1000
price_input_per_million = 1
price_output_per_million = 0
"""


def written(home: Path, text: str) -> Path:
    file = home / "basket.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("tables", "key", "marked", "reason"),
    [
        (
            UPSTREAMS.replace('"eu"', '"ue"  # here'),
            "upstreams.far.provider",
            "# here",
            "providers are: eu, us",
        ),
        (
            UPSTREAMS.replace("[upstreams.far]", '[upstreams."local/far"]  # here'),
            "upstreams.local/far",
            "# here",
            "names in 'local/' are this machine's",
        ),
        (
            UPSTREAMS + "[baskets.chat]\nupstreams = ['far', 'near']  # here",
            "baskets.chat.upstreams",
            "# here",
            "'near' is refused",
        ),
        (
            UPSTREAMS + "[baskets.chat]\nupstreams = ['far', 'near']  # here",
            "baskets.chat.upstreams",
            "# here",
            "upstreams are: far, vectors, and local/MODEL",
        ),
        (
            UPSTREAMS + "[baskets.'gpt-4.1']\nupstreams = ['far', 'far']  # here",
            "baskets.gpt-4.1.upstreams",
            "# here",
            "'far' is named 2 times",
        ),
        (
            UPSTREAMS + "[baskets.chat]\nupstreams = ['far', 'vectors']  # here",
            "baskets.chat.upstreams",
            "# here",
            "it is for embedding, and this basket is for chat",
        ),
        (
            UPSTREAMS + "[baskets.chat]\ntask = 'embedding'\nupstreams = ['far']  # here",
            "baskets.chat.upstreams",
            "# here",
            "it is for chat, and this basket is for embedding",
        ),
        (
            UPSTREAMS
            + "[baskets.chat]\nupstreams = ['far']\nrouting='weighted'\n"
            + "weights = {near = 1}  # here",
            "baskets.chat.weights",
            "# here",
            "'near' is not among this basket's upstreams",
        ),
        (
            UPSTREAMS + "[baskets.v]\nupstreams = ['vectors']\nparity_floor = 0.8  # here",
            "baskets.v.parity_floor",
            "# here",
            "parity is measured of chat baskets only",
        ),
        (
            UPSTREAMS + "[baskets.none]\nupstreams = []  # here",
            "baskets.none.upstreams",
            "# here",
            "",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_told_with_its_line(
    tmp_path: Path, tables: str, key: str, marked: str, reason: str
) -> None:
    text = PROVIDERS + tables
    file = written(tmp_path, text)
    line = next(n for n, each in enumerate(text.splitlines(), start=1) if marked in each)
    with pytest.raises(SettingsError) as caught:
        read_settings(tmp_path, {})
    assert f"'{key}'" in caught.value.message
    assert f"({file}:{line})" in caught.value.message
    assert reason in caught.value.message
    assert caught.value.param == key


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ('law = "FR"', 'law = ""', "providers.eu.law"),
        ('law = "FR"', 'law = "  "', "providers.eu.law"),
        ('law = "FR"', 'law = "FR"\nlocation = " "', "providers.eu.location"),
        ('kind = "anthropic"', 'kind = "gemini"', "providers.us.kind"),
    ],
)
def test_a_provider_says_under_which_law_it_is_and_what_it_speaks(
    tmp_path: Path, before: str, after: str, key: str
) -> None:
    file = written(tmp_path, PROVIDERS.replace(before, after))
    line = next(
        n
        for n, each in enumerate(file.read_text().splitlines(), start=1)
        if each in after.splitlines()[-1:]
    )
    with pytest.raises(SettingsError) as caught:
        read_settings(tmp_path, {})
    assert f"'{key}'" in caught.value.message
    assert f"({file}:{line})" in caught.value.message


def test_blanks_around_a_law_are_no_part_of_it(tmp_path: Path) -> None:
    written(tmp_path, PROVIDERS.replace('"FR"', '" FR "'))
    assert read_settings(tmp_path, {}).settings.providers["eu"].law == "FR"


def test_upstreams_that_no_basket_names_are_found(tmp_path: Path) -> None:
    written(
        tmp_path,
        PROVIDERS + UPSTREAMS + "[baskets.chat]\nupstreams = ['far', 'local/any@openvino']\n",
    )
    assert unused_upstreams(read_settings(tmp_path, {}).settings) == ["vectors"]


@pytest.fixture
def worked_example() -> str:
    [block] = [block for block in blocks(ROOT / "docs" / "baskets.md") if "example" in block.marks]
    return block.text


def test_the_worked_example_is_understood_as_it_is_explained(
    tmp_path: Path, worked_example: str
) -> None:
    written(tmp_path, worked_example)
    settings = read_settings(tmp_path, {}).settings
    laws = {name: provider.law for name, provider in settings.providers.items()}
    assert laws == {"mistral": "FR", "anthropic": "US"}
    basket = settings.baskets["assistant"]
    assert basket.upstreams == ("mistral-small", "claude", "local/qwen3-4b")
    assert basket.parity_floor == 0.8
    assert settings.baskets["drafts"].weights == {"claude": 1, "mistral-small": 3}
    assert not unused_upstreams(settings)


@pytest.mark.parametrize("table", ["providers", "upstreams", "baskets"])
def test_the_worked_example_and_its_page_name_every_setting(
    table: str, worked_example: str
) -> None:
    page = (ROOT / "docs" / "baskets.md").read_text()
    for field in fields_of_tables()[table]:
        name = field.key.rpartition(".")[2]
        assert f"{name} = " in worked_example or f"`{name}`" in page, field.key
