"""The scripted upstream that `secondbasket.testing` ships, under the name our tests know it by."""

from secondbasket.testing.scripted_upstream import (
    Exchange,
    Script,
    ScriptedUpstream,
    delta,
    finish,
    scripted_upstream,
    usage,
)

__all__ = [
    "Exchange",
    "Script",
    "ScriptedUpstream",
    "delta",
    "finish",
    "scripted_upstream",
    "usage",
]
