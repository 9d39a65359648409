"""What came of reading the settings again."""

import msgspec


class Reloaded(msgspec.Struct, frozen=True):
    """Dotted keys: those that changed and are in force now, those that wait for a restart."""

    changed: tuple[str, ...]
    waiting: tuple[str, ...]
