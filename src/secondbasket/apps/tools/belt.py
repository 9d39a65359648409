"""All tools there are, by name, and whether what a model wants of one fits it."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import anyio
import msgspec

from secondbasket.apps.tools.ground import Discovers, ToolGround
from secondbasket.core.plugins import load
from secondbasket.core.ports import Tool
from secondbasket.errors import InvalidRequest, NotFound, PluginError, SettingsError

GROUP = "secondbasket.tools"
_LARGEST_SCHEMA = 64 * 1024
_MOST_TOLD = 3
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
        self._tools = _by_name(self._families)
        self._checks: dict[str, Any] = {}

    async def discover(self) -> None:
        """Ask those families that have to ask for their tools, all at once.

        Raises PluginError where two tools have one name.
        """
        found = dict(self._families)

        async def ask(family: str, tools: Discovers) -> None:
            found[family] = await tools.discover()

        async with anyio.create_task_group() as asking:
            for family, tools in self._families.items():
                if isinstance(tools, Discovers):
                    asking.start_soon(ask, family, tools)
        self._tools = _by_name(found)
        self._checks.clear()

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
        told = _violations(self._check_of(tool), arguments)
        if told:
            raise InvalidRequest(
                f"The arguments of {facts.name} do not fit: {'; '.join(told)}.",
                hint=f"It takes {_signature(facts.parameters)}.",
                param="arguments",
            )

    def _check_of(self, tool: Tool) -> Any:
        """A validator, made once; its library is loaded with the first call, not at start."""
        name = tool.facts.name
        if name not in self._checks:
            from jsonschema.exceptions import SchemaError  # noqa: PLC0415 - see above
            from jsonschema.validators import Draft202012Validator, extend  # noqa: PLC0415
            from referencing import Registry  # noqa: PLC0415

            try:
                Draft202012Validator.check_schema(tool.facts.parameters)
            except SchemaError as exc:
                raise PluginError(
                    f"The tool '{name}' has a schema that is none: {exc.message[:200]}.",
                    hint="Whoever wrote it has to mend it.",
                ) from exc
            # A pattern can make a look last for ever, and whoever wrote it checks it himself. The
            # registry retrieves nothing: a reference to elsewhere fails, and is never followed.
            kind = extend(  # type: ignore[no-untyped-call]
                Draft202012Validator, {"pattern": _passed, "patternProperties": _passed}
            )
            registry: Any = Registry()
            self._checks[name] = kind(tool.facts.parameters, registry=registry)
        return self._checks[name]


def _by_name(families: Mapping[str, Sequence[Tool]]) -> dict[str, Tool]:
    found: dict[str, Tool] = {}
    homes: dict[str, str] = {}
    for family, tools in families.items():
        for tool in tools:
            name = tool.facts.name
            if name in found:
                raise PluginError(
                    f"Both {homes[name]!r} and {family!r} have a tool '{name}'.",
                    hint="Give one of them another name, or uninstall it.",
                )
            if len(msgspec.json.encode(tool.facts.parameters)) > _LARGEST_SCHEMA:
                raise PluginError(
                    f"The schema of the tool '{name}' is larger than {_LARGEST_SCHEMA} bytes.",
                    hint="Whoever wrote it has to make it smaller.",
                )
            found[name], homes[name] = tool, family
    return found


def _passed(_validator: Any, _value: Any, _instance: Any, _schema: Any) -> Iterable[Any]:
    return ()


def _violations(check: Any, arguments: Mapping[str, Any]) -> list[str]:
    """What is wrong, at most a few of it."""
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - loaded with the first check

    told: list[str] = []
    try:
        for error in check.iter_errors(dict(arguments)):
            words = _in_words(error)
            if words not in told:  # of what is missing, each name is an error of its own
                told.append(words)
            if len(told) == _MOST_TOLD:
                break
    except RecursionError:
        told.append("they are nested too deeply")
    except Unresolvable as exc:
        told.append(f"the tool's schema refers to {exc.ref}, which is not part of it")
    return told


def _in_words(error: Any) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    at = f"'{where}'" if where else "the whole"
    match error.validator:
        case "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            return f"{', '.join(f'{name!r}' for name in missing)} is missing" + (
                f" in {at}" if where else ""
            )
        case "additionalProperties" if error.validator_value is False:
            known = list(error.schema.get("properties", {}))
            extra = [name for name in error.instance if name not in known]
            near = difflib.get_close_matches(extra[0], known, n=1, cutoff=0.5)
            return f"there is no {extra[0][:_SHOWN]!r}" + (
                f" (did you mean {near[0]!r}?)" if near else ""
            )
        case "type":
            kinds = error.validator_value
            wanted = kinds if isinstance(kinds, str) else " or ".join(kinds)
            return f"{at} must be of type {wanted}, not {_shown(error.instance)}"
        case "enum":
            choices = ", ".join(_shown(each) for each in error.validator_value[:20])
            return f"{at} must be one of {choices}, not {_shown(error.instance)}"
        case _:
            return f"{at}: {error.message[:200]}"


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _signature(parameters: Mapping[str, Any]) -> str:
    """'path (string), offset (integer, may be left out)'."""
    required = parameters.get("required", ())
    told = []
    for name, schema in parameters.get("properties", {}).items():
        kind = schema.get("type", "any JSON") if isinstance(schema, Mapping) else "any JSON"
        kinds = kind if isinstance(kind, str) else " or ".join(kind)
        told.append(f"{name} ({kinds}{'' if name in required else ', may be left out'})")
    return ", ".join(told) or "no arguments"
