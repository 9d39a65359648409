"""All tools there are, by name, and whether what a model wants of one fits it."""

import difflib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import anyio
import msgspec

from secondbasket.apps.tools.arguments import signature, violations
from secondbasket.apps.tools.ground import Discovers, ToolGround
from secondbasket.core.plugins import load
from secondbasket.core.ports import Tool
from secondbasket.errors import InvalidRequest, NotFound, PluginError, SettingsError

_log = logging.getLogger(__name__)

GROUP = "secondbasket.tools"
_LARGEST_SCHEMA = 64 * 1024
_SHOWN = 80


def load_belt(ground: Callable[[str], ToolGround], configured: Iterable[str]) -> "Belt":
    """The tools of every installed family. `configured` are the families that settings name.

    Raises SettingsError for settings of no family and for wrong ones, and
    PluginError where two offer one name.
    """
    factories = load(GROUP)
    for family in configured:
        if family not in factories:
            near = difflib.get_close_matches(family, factories, n=1, cutoff=0.5)
            raise SettingsError(
                f"No installed package offers the tools of [tools.{family}].",
                hint=f"Did you mean [tools.{near[0]}]?"
                if near
                else f"There are: {', '.join(sorted(factories))}.",
                param=f"tools.{family}",
            )
    return Belt({name: create(ground(name)) for name, create in factories.items()})


class Belt:
    """The tools of `families`. Those that are asked for are there after `discover`."""

    def __init__(self, families: Mapping[str, Sequence[Tool]]) -> None:
        self._families = dict(families)
        self._tools, _ = _by_name(self._families)

    async def discover(self) -> None:
        """Ask those families that have to ask for their tools, all at once.

        What others offer and nobody can take is left out with a warning: it may
        not keep us from starting.
        """
        found: dict[str, Sequence[Tool]] = {}

        async def ask(family: str, tools: Discovers) -> None:
            found[family] = await tools.discover()

        async with anyio.create_task_group() as asking:
            for family, tools in self._families.items():
                if isinstance(tools, Discovers):
                    asking.start_soon(ask, family, tools)
        ours = {name: each for name, each in self._families.items() if name not in found}
        taken, homes = _by_name(ours)
        for family in sorted(found):
            for tool in found[family]:
                try:
                    _take(tool, family, taken, homes)
                except PluginError as exc:
                    _log.warning("%s", exc)
        self._tools = taken

    async def aclose(self) -> None:
        """Have every family let go of what it opened."""
        for tools in self._families.values():
            if isinstance(tools, Discovers):
                await tools.aclose()

    def all(self) -> Sequence[Tool]:
        """Every tool, in the order of their names."""
        return [self._tools[name] for name in sorted(self._tools)]

    def find(self, name: str) -> Tool:
        """The tool of that name. Raises NotFound that tells the nearest."""
        tool = self._tools.get(name)
        if tool is not None:
            return tool
        near = difflib.get_close_matches(name, self._tools, n=3, cutoff=0.4)
        raise NotFound(
            f"There is no tool '{name[:_SHOWN]}'.",
            hint=f"The nearest are: {', '.join(near)}."
            if near
            else "`basket tool list` shows all that there are.",
        )

    def check(self, tool: Tool, arguments: Mapping[str, Any]) -> None:
        """Raises InvalidRequest in words that a model can mend its call by."""
        facts = tool.facts
        told = violations(facts.parameters, arguments)
        if told:
            raise InvalidRequest(
                f"The arguments of {facts.name} do not fit: {'; '.join(told)}.",
                hint=f"It takes {signature(facts.parameters)}.",
                param="arguments",
            )


def _by_name(families: Mapping[str, Sequence[Tool]]) -> tuple[dict[str, Tool], dict[str, str]]:
    """The tools by name, and the family of each."""
    taken: dict[str, Tool] = {}
    homes: dict[str, str] = {}
    for family, tools in families.items():
        for tool in tools:
            _take(tool, family, taken, homes)
    return taken, homes


def _take(tool: Tool, family: str, taken: dict[str, Tool], homes: dict[str, str]) -> None:
    """Raises PluginError where its name is taken, or its schema none that a model can be given."""
    name = tool.facts.name
    if name in taken:
        raise PluginError(
            f"Both {homes[name]!r} and {family!r} have a tool '{name}'.",
            hint="Give one of them another name, or uninstall it.",
        )
    if tool.facts.parameters.get("type") != "object":
        raise PluginError(
            f"The schema of the tool '{name}' describes no object.",
            hint="Whoever wrote it has to mend it: arguments have names.",
        )
    if len(msgspec.json.encode(tool.facts.parameters)) > _LARGEST_SCHEMA:
        raise PluginError(
            f"The schema of the tool '{name}' is larger than {_LARGEST_SCHEMA} bytes.",
            hint="Whoever wrote it has to make it smaller.",
        )
    taken[name], homes[name] = tool, family
