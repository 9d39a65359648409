"""Where weights come from, and who made them."""

from collections.abc import Callable, Mapping

from secondbasket.core.model import ModelRecord
from secondbasket.core.plugins import load
from secondbasket.core.ports import ModelSource
from secondbasket.egress.door import Door
from secondbasket.models.catalogue import CatalogueEntry
from secondbasket.models.sources.options import PUBLIC_HUB, SourceOptions
from secondbasket.settings import (
    Settings,
)


def model_sources(
    settings: Settings, door: Door, environment: Mapping[str, str]
) -> dict[str, ModelSource]:
    options = SourceOptions(
        door=door,
        proxy=settings.egress.proxy or "",
        ca_file=settings.egress.ca_bundle,
        environment=environment,
        hub_endpoint=environment.get("HF_ENDPOINT", PUBLIC_HUB),
        hub_token=environment.get("HF_TOKEN"),
    )
    return {name: create(options) for name, create in load("secondbasket.model_sources").items()}


def makers(
    settings: Settings, catalogue: Mapping[str, CatalogueEntry]
) -> Callable[[ModelRecord], str]:
    """Who made a model's weights: as the settings say, else as the catalogue does."""
    by_source = {entry.source: entry.maker for entry in catalogue.values()}

    def maker_of(model: ModelRecord) -> str:
        return settings.models.makers.get(model.name) or by_source.get(model.source, "")

    return maker_of
