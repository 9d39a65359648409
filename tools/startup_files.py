"""Files that Python runs at start-up without being asked: the way a poisoned package gets in.

A ``.pth`` line that begins with ``import`` is executed by every interpreter of the environment,
and so are ``sitecustomize`` and ``usercustomize``. None of our dependencies needs one.
"""

import re
from pathlib import Path

# hatchling's editable install: one line, the path of our own sources.
_OURS = "_editable_impl_secondbasket.pth"
_EXECUTED = re.compile(r"^import[ \t]", re.MULTILINE)


def unexpected(site_packages: Path, sources: Path) -> list[str]:
    """What runs or redirects imports at start-up and is not ours, in words; [] when clean."""
    problems = []
    for path in sorted(site_packages.glob("*.pth")):
        text = path.read_text(errors="replace")
        if _EXECUTED.search(text):
            problems.append(f"{path.name} executes code at start-up")
        elif path.name != _OURS:
            problems.append(f"{path.name} adds to the import path")
        elif text.strip() != str(sources):
            problems.append(f"{path.name} points to {text.strip()}, not to {sources}")
    for name in ("sitecustomize", "usercustomize"):
        problems.extend(
            f"{path.name} is run at start-up" for path in sorted(site_packages.glob(f"{name}*"))
        )
    return problems
