"""Which models have a short name: the shipped `catalogue.toml` and the operator's own file."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import msgspec

from secondbasket.core.model import ModelFormat, ModelTask
from secondbasket.errors import SettingsError
from secondbasket.models.registry import check_name


class CatalogueEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model and where it comes from.

    `sources` are coordinates ('hf:…', 'pypi:…'), each of which brings one file;
    `files` maps the name of each file to its sha256, or is empty where only the
    source vouches for them. `size` is in bytes, all files together. `licence`
    is SPDX where one exists, and the licence's own name otherwise. `maker` is
    who made the weights, empty where that is not said.

    The shape is what a fit is judged by before the file is here. `layers` are
    those that keep a key and a value for every token: in a hybrid model the
    others keep a state of fixed size. `active_parameters` is what one token
    makes the chip read, which in a mixture of experts is a part of all.
    """

    name: str
    task: ModelTask
    format: ModelFormat
    sources: tuple[str, ...]
    files: Mapping[str, str]
    size: int
    licence: str
    maker: str = ""
    parameters: int
    active_parameters: int
    layers: int
    kv_heads: int
    head_size: int
    context_tokens: int
    description: str

    @property
    def source(self) -> str:
        """All its coordinates, for people and for the registry."""
        return " ".join(self.sources)


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: tuple[CatalogueEntry, ...] = ()


def load_catalogue(extra: Path | None = None) -> dict[str, CatalogueEntry]:
    """All entries by name, in the order of the files.

    Entries of `extra` (a TOML file of the same form) come last and replace
    shipped ones of their name. Raises SettingsError naming the file.
    """
    shipped = files("secondbasket.models").joinpath("catalogue.toml").read_bytes()
    entries = _parse(shipped, "catalogue.toml")
    if extra is not None:
        try:
            text = extra.read_bytes()
        except OSError as exc:
            raise SettingsError(f"The catalogue {extra} cannot be read: {exc.strerror}.") from exc
        entries |= _parse(text, str(extra))
    return entries


def _parse(text: bytes, place: str) -> dict[str, CatalogueEntry]:
    try:
        document = msgspec.toml.decode(text, type=_Document)
    except (msgspec.MsgspecError, ValueError) as exc:
        raise SettingsError(
            f"The catalogue {place} is wrong: {exc}",
            hint="Compare it with the shipped catalogue.toml.",
        ) from exc
    return {check_name(entry.name): entry for entry in document.model}
