"""What is known of the secrets that keys' HMACs are made under, without the secrets."""

import msgspec


class PepperFact(msgspec.Struct, frozen=True, kw_only=True):
    """`current`: new keys get it. `present`: its secret is in the home. `keys` are the ids of the
    live ones that were made under it: they cannot be checked while it is not present."""

    id: str
    current: bool
    present: bool
    keys: tuple[str, ...]
