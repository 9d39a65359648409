"""The settings: one frozen tree, read once. Only the composition root and the CLI import it."""

from secondbasket.settings.layers import HOME_VARIABLE, Loaded, default_home, read_settings
from secondbasket.settings.tree import (
    BasketTable,
    DatabaseSettings,
    EgressSettings,
    EngineSettings,
    LedgerSettings,
    LogSettings,
    ModelSettings,
    OperatorSettings,
    PriceSettings,
    ServerSettings,
    Settings,
    UpstreamTable,
)

__all__ = [
    "HOME_VARIABLE",
    "BasketTable",
    "DatabaseSettings",
    "EgressSettings",
    "EngineSettings",
    "LedgerSettings",
    "Loaded",
    "LogSettings",
    "ModelSettings",
    "OperatorSettings",
    "PriceSettings",
    "ServerSettings",
    "Settings",
    "UpstreamTable",
    "default_home",
    "read_settings",
]
