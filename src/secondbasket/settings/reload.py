"""Taking a changed basket.toml into force while the stack runs: all of it, or nothing."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from secondbasket.core.decision import Decision
from secondbasket.core.reloaded import Reloaded
from secondbasket.settings.tree import Settings

# What changes under running calls without harm. Everything else is taken at the next start.
_LIVE = frozenset(("policy", "providers", "upstreams", "baskets", "projects", "drills"))

Commit = Callable[[], None]
Prepare = Callable[[Settings], Commit]
"""Checks its part of new settings, raising SettingsError, and returns what puts it in force."""


class Reload:
    """`reread` gives the settings as they are written now; `record` hears what came of it.

    Each part of the stack that follows the settings adds its `prepare`. None is
    committed unless all could prepare, so a bad file leaves the running one.
    """

    def __init__(
        self,
        settings: Settings,
        reread: Callable[[], Settings],
        *,
        record: Callable[[Decision], None],
    ) -> None:
        self._in_force = settings
        self._reread = reread
        self._record = record
        self._parts: list[Prepare] = []

    def add(self, prepare: Prepare) -> None:
        self._parts.append(prepare)

    def __call__(self) -> Reloaded:
        """What changed, by key. Raises SettingsError, having changed nothing."""
        settings = self._reread()
        commits = [prepare(settings) for prepare in self._parts]
        for commit in commits:
            commit()
        changed = _difference(self._in_force, settings)
        live = tuple(key for key in changed if key.partition(".")[0] in _LIVE)
        reloaded = Reloaded(live, tuple(key for key in changed if key not in live))
        if live:
            self._record(
                Decision(
                    kind="settings_reloaded",
                    subject="basket.toml",
                    outcome="done",
                    detail={"changed": ", ".join(live)},
                )
            )
        self._in_force = settings.model_copy(
            update={
                name: getattr(self._in_force, name)
                for name in type(settings).model_fields
                if name not in _LIVE
            }
        )
        return reloaded


def _difference(before: Settings, after: Settings) -> list[str]:
    """The dotted keys whose values differ. A table that is new or gone is one key, not each
    of its fields."""
    return sorted(_differing(before.model_dump(mode="json"), after.model_dump(mode="json"), ""))


def _differing(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[str]:
    for name in old.keys() | new.keys():
        key = f"{path}.{name}" if path else name
        one, other = old.get(name), new.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _differing(one, other, key)
        elif one != other:
            yield key
