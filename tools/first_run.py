"""``make run``: fetch the default models that are missing, then become ``basket up``."""

import os
import subprocess
import sys
from pathlib import Path

from secondbasket.errors import BasketError
from secondbasket.models.registry import Registry
from secondbasket.settings import default_home, read_settings
from secondbasket.stores.home import Home

_BASKET = str(Path(sys.executable).with_name("basket"))


def main() -> None:
    home = Home(default_home(os.environ))
    home.create()
    settings = read_settings(home.root, os.environ).settings
    installed = Registry(home.models / "manifests")
    for name in (settings.models.default_chat, settings.models.default_embedding):
        # A name that is one of the operator's baskets is served by somebody else.
        if name and name not in settings.baskets and installed.find(name) is None:
            subprocess.run([_BASKET, "model", "pull", name], check=True)
    os.execv(_BASKET, [_BASKET, "up"])


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)  # the command has said why
    except BasketError as error:
        sys.exit(f"Error: {error}")
