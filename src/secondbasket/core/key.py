"""Who asks: the key, without its secret."""

from typing import Literal

import msgspec

Role = Literal["user", "admin"]


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a key; its secret is not part of it.

    `budget` is in nano-units of `currency` over the key's whole life, None for
    no limit. Moments are RFC 3339 in UTC. `data_class` is the least its
    requests count as, by its label; `project` names one of the settings.
    """

    id: str
    name: str
    role: Role
    budget: int | None
    currency: str
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None
    data_class: str = "public"
    project: str | None = None
