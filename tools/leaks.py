"""Does a committed file name what only this machine or person has?

Run as ``python -m tools.leaks``: looks for the path of this checkout, the home folder of who
runs it, the host of a private package index, and keys of our own in a usable form.
"""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tools.locks import ROOT

# The secret half of a key has 43 characters; documents show fewer.
_KEY = re.compile(r"sk-basket-\w+\.[\w-]{43}")
_PUBLIC_INDEX = "pypi.org"


def private_words() -> list[str]:
    """What must not appear: found out from this machine, so that nothing is named here."""
    words = [f"{ROOT}/", f"{Path.home()}/"]
    for setting in ("index-url", "extra-index-url"):
        told = subprocess.run(
            [sys.executable, "-m", "pip", "config", "get", f"global.{setting}"],
            capture_output=True,
            text=True,
            check=False,  # not set is an answer
        )
        for address in told.stdout.split():
            parts = urlsplit(address)
            host = parts.hostname or parts.path
            if host and host != _PUBLIC_INDEX:
                words.append(host)
    return words


def check_all() -> list[str]:
    names = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True, text=True
    ).stdout.split("\0")
    words = private_words()
    problems: list[str] = []
    for name in filter(None, names):
        path = ROOT / name
        if not path.is_file():
            continue
        text = path.read_text(errors="ignore")
        problems.extend(f"{name}: names {word}" for word in words if word in text)
        if _KEY.search(text):
            problems.append(f"{name}: holds what looks like a usable key")
    return problems


if __name__ == "__main__":
    if found := check_all():
        sys.exit("\n".join(found))
