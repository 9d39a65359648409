"""``[tools.mcp.servers.NAME]``: which servers there are, and what their tools may do."""

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
_SUM = re.compile(r"[0-9a-f]{64}")


class StatusTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tool that tells what came of a call: `argument` carries the call's key.

    An answer with the words `absent` in it says that the call never happened.
    """

    tool: str
    argument: str
    absent: str


class ToolTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[tools.mcp.servers.NAME.tools.TOOL]``.

    `key_argument` is the argument by which the server does the same call once;
    `sha256` the definition that is accepted, whatever the server says at start.
    """

    effect: ToolEffect = "external"
    limit_seconds: float | None = None
    key_argument: str | None = None
    status: StatusTable | None = None
    sha256: str | None = None


class ServerTable(CredentialTable, frozen=True, forbid_unknown_fields=True):
    """``[tools.mcp.servers.NAME]``: `command` or `url`, and how far the server is trusted.

    `environment` names variables that the command is started with, `variables`
    gives more of them their values; `allow` names the tools that are wanted.
    `inside` says that what it is told stays in the house. `data_class` is what
    results count as at least, `up_to` the highest class a task may have read
    that still calls it.
    """

    command: tuple[str, ...] = ()
    url: str | None = None
    environment: tuple[str, ...] = ()
    variables: dict[str, str] = msgspec.field(default_factory=dict)
    allow: tuple[str, ...] | None = None
    most_tools: int = 32
    inside: bool = False
    data_class: str = "internal"
    up_to: str = "internal"
    limit_seconds: float = 60.0
    start_seconds: float = 20.0
    tools: dict[str, ToolTable] = msgspec.field(default_factory=dict)


class _FamilyTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    servers: dict[str, ServerTable] = {}


class ServerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One server, its settings read: exactly one of `command` and `url` is set."""

    name: str
    table: ServerTable
    data_class: DataClass
    up_to: DataClass
    environment: dict[str, str]
    credential: Credential | None

    def of_tool(self, tool: str) -> ToolTable:
        return self.table.tools.get(tool, _UNNAMED)


_UNNAMED = ToolTable()


def read_plans(settings: Mapping[str, Any], environment: Mapping[str, str]) -> list[ServerPlan]:
    """The servers of ``[tools.mcp]``. Raises SettingsError that names the place."""
    try:
        family = msgspec.convert(settings, type=_FamilyTable)
    except msgspec.ValidationError as exc:
        raise SettingsError(
            f"tools.mcp cannot be read: {exc}.", hint="docs/tools-mcp.md lists its settings."
        ) from exc
    # A server must not pass its tools off as those of a family of ours.
    ours = {entry.name for entry in entry_points(group="secondbasket.tools")}
    return [_plan(name, table, ours, environment) for name, table in sorted(family.servers.items())]


def _plan(
    name: str, table: ServerTable, ours: set[str], environment: Mapping[str, str]
) -> ServerPlan:
    place = f"tools.mcp.servers.{name}"
    if not _NAME.fullmatch(name) or name in ours:
        raise SettingsError(
            f"{place} cannot have that name.",
            hint="Use small letters, digits, '-' and '_', and not the name of a family of tools.",
        )
    if bool(table.command) == (table.url is not None):
        raise SettingsError(
            f"{place} needs either a command or a url.",
            hint='Write command = ["program", "argument"] or url = "https://host/mcp".',
        )
    if table.url is not None:
        try:
            checked_url(table.url)
        except EgressRefused as exc:
            raise SettingsError(f"{place}.url: {exc.message}", hint=exc.hint) from exc
    for tool, each in table.tools.items():
        if each.sha256 is not None and not _SUM.fullmatch(each.sha256):
            raise SettingsError(
                f"{place}.tools.{tool}.sha256 is no SHA-256 in small hexadecimal digits.",
                hint="The log tells the sum of each tool when its server is first asked.",
            )
        if table.allow is not None and each.status and each.status.tool not in table.allow:
            raise SettingsError(
                f"{place}.tools.{tool}.status names '{each.status.tool}', which is not allowed.",
                hint=f"Add it to {place}.allow.",
            )
    missing = [each for each in table.environment if each not in environment]
    if missing:
        raise SettingsError(
            f"{place}.environment names the variable {missing[0]}, which is not set.",
            hint="Set it where the server starts, or take it out of the settings.",
        )
    return ServerPlan(
        name=name,
        table=table,
        data_class=read_class(f"{place}.data_class", table.data_class),
        up_to=read_class(f"{place}.up_to", table.up_to),
        environment={each: environment[each] for each in table.environment} | table.variables,
        credential=read_credential(place, table, environment),
    )


def read_class(place: str, label: str) -> DataClass:
    """The data class with this label. Raises SettingsError that names `place`."""
    try:
        return DataClass.parse(label)
    except ValueError as exc:
        raise SettingsError(f"{place}: {exc}.") from exc
