"""The composition root: builds the stack from the settings. Only here is every class known."""

from secondbasket.app.composition import open_stack
from secondbasket.app.stack import Stack

__all__ = ["Stack", "open_stack"]
