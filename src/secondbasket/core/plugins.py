"""Finding plug-ins: installed Python distributions that name a factory in one of our groups."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from secondbasket.errors import PluginError

_log = logging.getLogger(__name__)

# What importing somebody else's module ends in when it is absent, of another version, or broken.
_BROKEN = (ImportError, AttributeError, SyntaxError, OSError)


@dataclass(frozen=True)
class Factory:
    """Makes a plug-in. Raises PluginError where a library it needs is not installed."""

    entry: EntryPoint
    create: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self.create(*args, **kwargs)
        except ImportError as exc:
            raise _cannot_load(self.entry, exc) from exc


def load(group: str, names: Sequence[str] | None = None) -> dict[str, Factory]:
    """The factories of the entry-point group `group`, by plug-in name.

    With `names`, exactly those, in that order: one that is missing or broken
    raises PluginError with the remedy. Without, all that are installed; a
    broken one is left out with a warning. Two distributions that offer one
    name raise PluginError either way: none may stand in for another unseen.
    """
    found = _by_name(group, entry_points(group=group))
    if names is None:
        factories = {}
        for name, entry in found.items():
            try:
                factories[name] = _load(entry)
            except PluginError as exc:
                _log.warning("%s", exc)
        return factories
    missing = [name for name in names if name not in found]
    if missing:
        raise PluginError(
            f"No installed package offers {missing[0]!r} for {group}.",
            hint=f"Install the package that does, or choose from: {', '.join(sorted(found))}.",
        )
    return {name: _load(found[name]) for name in names}


def _by_name(group: str, entries: Iterable[EntryPoint]) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entries:
        rival = found.setdefault(entry.name, entry)
        if rival is not entry:
            raise PluginError(
                f"Both {_package(rival)} and {_package(entry)} offer {entry.name!r} for {group}.",
                hint="Uninstall one of them.",
            )
    return found


def _load(entry: EntryPoint) -> Factory:
    try:
        return Factory(entry, entry.load())
    except _BROKEN as exc:
        raise _cannot_load(entry, exc) from exc


def _cannot_load(entry: EntryPoint, exc: Exception) -> PluginError:
    requirement = _package(entry)
    if entry.extras:
        requirement += f"[{','.join(entry.extras)}]"
    return PluginError(
        f"The plug-in {entry.name!r} of {_package(entry)} cannot be loaded: {exc}.",
        hint=f"Run: pip install --force-reinstall '{requirement}'",
    )


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.module
