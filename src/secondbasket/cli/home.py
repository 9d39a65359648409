"""Which home a command acts on, and the settings in force there."""

import os
from collections.abc import Mapping

from secondbasket.settings import Loaded, default_home, read_settings


def read_home(flags: Mapping[str, object] | None = None) -> Loaded:
    """The settings of this process's environment. Raises SettingsError."""
    return read_settings(default_home(os.environ), os.environ, flags)
