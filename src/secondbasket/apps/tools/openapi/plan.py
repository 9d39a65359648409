"""``[tools.openapi.NAME]``: which APIs there are, and which of their operations are tools."""

import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

import msgspec

from secondbasket.apps.tools.credential import Credential, CredentialTable, read_credential
from secondbasket.core.data_class import DataClass
from secondbasket.core.tool import ToolEffect
from secondbasket.errors import EgressRefused, SettingsError
from secondbasket.policy.destinations import checked_url

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class ApiTable(CredentialTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[tools.openapi.NAME]``.

    `spec` is a file, JSON or YAML, `base_url` what stands before its paths:
    where the file says that the API is does not count. `operations` are those
    that become tools, by operationId or as 'GET /path'; `effects` says by the
    same names what they do where it is not what their method says. `key_header`
    is the header by which the API does the same call once. `inside` says that
    what it is told stays in the house.
    """

    spec: str
    base_url: str
    operations: tuple[str, ...]
    effects: dict[str, ToolEffect] = msgspec.field(default_factory=dict)
    key_header: str | None = None
    inside: bool = False
    data_class: str = "internal"
    up_to: str = "internal"
    limit_seconds: float = 30.0


class ApiPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One API, its settings read. `base` has no slash at its end."""

    name: str
    table: ApiTable
    base: str
    data_class: DataClass
    up_to: DataClass
    credential: Credential | None

    @property
    def place(self) -> str:
        return f"tools.openapi.{self.name}"


def read_plans(settings: Mapping[str, Any], environment: Mapping[str, str]) -> list[ApiPlan]:
    """The APIs of ``[tools.openapi]``. Raises SettingsError that names the place."""
    try:
        tables = msgspec.convert(settings, type=dict[str, ApiTable])
    except msgspec.ValidationError as exc:
        raise SettingsError(
            f"tools.openapi cannot be read: {exc}.", hint="docs/tools-mcp.md lists its settings."
        ) from exc
    ours = {entry.name for entry in entry_points(group="secondbasket.tools")}
    return [_plan(name, table, ours, environment) for name, table in sorted(tables.items())]


def _plan(name: str, table: ApiTable, ours: set[str], environment: Mapping[str, str]) -> ApiPlan:
    place = f"tools.openapi.{name}"
    if not _NAME.fullmatch(name) or name in ours:
        raise SettingsError(
            f"{place} cannot have that name.",
            hint="Use small letters, digits, '-' and '_', and not the name of a family of tools.",
        )
    unknown = sorted(set(table.effects) - set(table.operations))
    if unknown:
        raise SettingsError(
            f"{place}.effects names '{unknown[0]}', which is none of its operations.",
            hint=f"They are: {', '.join(table.operations) or 'none'}.",
        )
    try:
        base = checked_url(table.base_url)
    except EgressRefused as exc:
        raise SettingsError(f"{place}.base_url: {exc.message}", hint=exc.hint) from exc
    if base.raw_query_string or base.raw_fragment:
        raise SettingsError(f"{place}.base_url has more than a path at its end.")
    try:
        data_class, up_to = DataClass.parse(table.data_class), DataClass.parse(table.up_to)
    except ValueError as exc:
        raise SettingsError(f"{place}: {exc}.") from exc
    return ApiPlan(
        name=name,
        table=table,
        base=str(base).rstrip("/"),
        data_class=data_class,
        up_to=up_to,
        credential=read_credential(place, table, environment),
    )
