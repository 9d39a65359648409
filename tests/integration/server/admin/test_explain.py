"""What is explained is what would happen, and nothing is sent or written for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from secondbasket.app import Stack
from secondbasket.cli.connection import Connection, Refused
from secondbasket.cli.stack import run_stack
from secondbasket.core.explanation import Explanation
from secondbasket.egress.home_socket import home_session
from secondbasket.errors import SettingsError
from secondbasket.server.admin.words import ExplainOrder, KeyCreated, NewKey
from secondbasket.settings import read_settings
from secondbasket.stores.home import Home
from tests.sensitive import EXAMPLES

pytestmark = pytest.mark.anyio

IBAN = EXAMPLES["iban"][0]
SETTINGS = """
[providers.acme]
base_url = "https://api.acme.example/v1"
law = "US"
[providers.eu]
base_url = "https://api.eu.example/v1"
law = "DE"
location = "DE"
[upstreams.acme-big]
provider = "acme"
model = "big"
context_tokens = 8000
price_input_per_million = 1
price_output_per_million = 2
[upstreams.eu-big]
provider = "eu"
model = "big"
context_tokens = 4000
price_input_per_million = 3
price_output_per_million = 4
[baskets.both]
upstreams = ["acme-big", "eu-big"]
[policy.rules.eu-only]
classes = ["confidential"]
laws = ["DE", "FR"]
[policy.detectors]
phone_number = "off"
[projects.payroll]
data_class = "secret"
"""


class Door:
    def __init__(self, server: Connection, stack: Stack, file: Path) -> None:
        self.server = server
        self.stack = stack
        self.file = file

    async def explain(self, words: str, **order: Any) -> Explanation:
        request = {"model": "both", "messages": [{"role": "user", "content": words}]}
        return await self.server.post(
            "explain", Explanation, ExplainOrder(request=request, **order)
        )


@asynccontextmanager
async def running(home: Path) -> AsyncIterator[Door]:
    file = home / "basket.toml"
    file.write_text(SETTINGS)
    place = Home(home)
    place.create()
    settings = read_settings(home, {}).settings
    async with (
        home_session(place.admin_socket) as session,
        run_stack(
            settings,
            engines=False,
            public=False,
            reread=lambda: read_settings(home, {}).settings,
        ) as (stack, _),
    ):
        yield Door(Connection(session), stack, file)


async def test_a_harmless_request_may_go_anywhere_in_the_order_of_routing(home: Path) -> None:
    async with running(home) as door:
        told = await door.explain("hello")
        assert (told.data_class, told.raised_by, told.findings) == ("internal", ("default",), ())
        assert [(each.upstream, each.place, each.reason) for each in told.allowed] == [
            ("acme-big", 1, ""),
            ("eu-big", 2, ""),
        ]
        assert told.denied == ()
        assert [each.law for each in told.allowed] == ["US", "DE"]
        first, second = (each.most_cost for each in told.allowed)
        assert 0 < (first or 0) < (second or 0)
        assert await door.stack.ledger.decisions() == []
        assert await door.stack.ledger.rows(limit=10) == []


async def test_what_is_found_is_told_by_kind_and_number_only(home: Path) -> None:
    async with running(home) as door:
        told = await door.explain(f"to {IBAN}, call +49 30 901820")
        assert told.data_class == "confidential"
        assert told.raised_by == ("detectors",)
        assert [(each.kind, each.count, each.data_class) for each in told.findings] == [
            ("iban", 1, "confidential")
        ]
        assert [each.upstream for each in told.allowed] == ["eu-big"]
        denied = told.denied[0]
        assert denied.upstream == "acme-big"
        assert denied.rule == "rule 'eu-only': law US is not among DE, FR"
        assert IBAN not in repr(told)


async def test_key_project_and_class_are_taken_as_if_they_asked(home: Path) -> None:
    async with running(home) as door:
        order = NewKey(name="k", project="payroll")
        made = await door.server.post("keys", KeyCreated, order)
        by_key = await door.explain("hello", key=made.id)
        assert (by_key.data_class, by_key.raised_by) == ("secret", ("project",))
        assert by_key.allowed == ()
        assert all("built-in rule" in each.rule for each in by_key.denied)
        assert (await door.explain("hello", project="payroll")).data_class == "secret"
        raised = await door.explain("hello", data_class="confidential")
        assert (raised.data_class, raised.raised_by) == ("confidential", ("header",))


async def test_an_upstream_that_would_be_passed_over_has_its_reason(home: Path) -> None:
    async with running(home) as door:
        long = {"model": "both", "max_tokens": 6000, "messages": [{"role": "user", "content": "x"}]}
        told = await door.server.post("explain", Explanation, ExplainOrder(request=long))
        assert [each.place for each in told.allowed] == [1, 0]
        assert "4000" in told.allowed[1].reason


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({"key": "key_none"}, 404),
        ({"project": "none"}, 404),
        ({"data_class": "top"}, 400),
    ],
)
async def test_what_is_unknown_is_said(home: Path, order: dict[str, str], status: int) -> None:
    async with running(home) as door:
        with pytest.raises(Refused) as caught:
            await door.explain("hello", **order)
        assert caught.value.failure.status == status


async def test_a_reloaded_policy_is_in_force_at_once_and_a_bad_one_is_not(home: Path) -> None:
    async with running(home) as door:
        door.file.write_text(SETTINGS.replace('laws = ["DE", "FR"]', "laws = []"))
        door.stack.reload()
        assert (await door.explain(IBAN)).allowed == ()
        decisions = await door.stack.ledger.decisions()
        assert "policy.rules.eu-only.laws" in decisions[0].detail["changed"]
        for wrong in (
            SETTINGS.replace("phone_number", "fone_number"),
            SETTINGS.replace('laws = ["DE", "FR"]', ""),
            SETTINGS.replace('classes = ["confidential"]', 'classes = ["konfidential"]'),
            SETTINGS.replace('laws = ["DE", "FR"]', 'providers = ["nobody"]'),
            SETTINGS.replace("providers.eu]", "providers.local]").replace('"eu"', '"local"'),
        ):
            door.file.write_text(wrong)
            with pytest.raises(SettingsError, match=r"policy|local"):
                door.stack.reload()
            assert (await door.explain(IBAN)).allowed == ()
