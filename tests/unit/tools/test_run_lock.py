"""Whatever the product imports is in the lock that users install, not only in ours."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions

from tools.locks import ROOT

SOURCE = ROOT / "src" / "secondbasket"
# duckdb comes with its extra; the shipped contract suites run under a user's pytest.
NOT_IN_THE_RUN_LOCK = {"duckdb"}


def imported() -> Iterator[str]:
    for path in SOURCE.rglob("*.py"):
        if path.is_relative_to(SOURCE / "testing"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_import_of_the_product_is_locked_for_its_users() -> None:
    lock = (ROOT / "requirements" / "run.txt").read_text()
    locked = {
        normal(name)
        for name in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==", lock, re.MULTILINE)
    }
    found = packages_distributions()
    modules = set(imported()) - set(sys.stdlib_module_names) - {"secondbasket"}
    missing = {
        module
        for module in modules - NOT_IN_THE_RUN_LOCK
        if not {normal(name) for name in found.get(module, [module])} & locked
    }
    assert not missing
