"""What `basket doctor` finds of the sandbox, by running something in it."""

import tempfile
from pathlib import Path

import anyio

from secondbasket.apps.tools.bubblewrap import Bubblewrap, Limits
from secondbasket.cli.finding import Finding, ok, warning
from secondbasket.errors import ToolFailed


def sandbox() -> Finding:
    """Can workers run programs here? Everything else works without."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            anyio.run(Bubblewrap(Limits()).prove, Path(folder))
        except ToolFailed as error:
            return warning("Sandbox", f"workers cannot run programs: {error.message}", error.hint)
    return ok("Sandbox", "a program ran in it")
