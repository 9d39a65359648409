"""The header that a foreign service knows us by, its value from where the settings say."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from secondbasket.errors import SettingsError

_SHORTEST_SECRET = 8


class Credential(msgspec.Struct, frozen=True):
    """One header. Its value is in no `repr`, error or answer."""

    header: str
    value: str

    def __repr__(self) -> str:
        return f"Credential({self.header!r})"

    @property
    def headers(self) -> dict[str, str]:
        return {self.header: self.value}

    def without(self, told: bytes) -> bytes:
        """What the service says without the secret; some repeat it in their errors."""
        secret = self.value.rpartition(" ")[2]
        return told.replace(secret.encode(), b"[key]") if len(secret) >= _SHORTEST_SECRET else told


class CredentialTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`api_key_env` or `api_key_file` says where the key is, `api_key_header` how it is sent."""

    api_key_env: str | None = None
    api_key_file: str | None = None
    api_key_header: str = "Authorization"


def read_credential(
    place: str, table: CredentialTable, environment: Mapping[str, str]
) -> Credential | None:
    """The credential of ``[place]``, None where its table names none. Raises SettingsError."""
    if table.api_key_env is not None:
        key = environment.get(table.api_key_env, "")
        if not key:
            raise SettingsError(
                f"{place}.api_key_env names the variable {table.api_key_env}, which is not set.",
                hint="Set it where the server starts, or use api_key_file.",
            )
    elif table.api_key_file is not None:
        try:
            key = Path(table.api_key_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise SettingsError(
                f"{place}.api_key_file cannot be read: {exc}.",
                hint="Point it at a readable file that holds the key and nothing else.",
            ) from exc
    else:
        return None
    if not key.isascii() or not key.isprintable() or not table.api_key_header.isascii():
        raise SettingsError(
            f"The key that {place} names cannot be sent in a header.",
            hint="It may hold printable ASCII characters only.",
        )
    bearer = table.api_key_header.lower() == "authorization" and " " not in key
    return Credential(table.api_key_header, f"Bearer {key}" if bearer else key)
