"""The places that the settings of tools write out, for the outbound door's rules."""

from collections.abc import Iterator, Mapping
from typing import Any

_KEYS = ("url", "base_url")


def named_urls(settings: Mapping[str, Any]) -> Iterator[str]:
    """Every `url` and `base_url` in ``[tools]``, however deep, as its owner wrote it."""
    for key, value in settings.items():
        if key in _KEYS and isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from named_urls(value)
