"""The settings: one frozen tree, read once. Only the composition root and the CLI import it."""

from secondbasket.settings.drills import DrillTable
from secondbasket.settings.layers import HOME_VARIABLE, Loaded, default_home, read_settings
from secondbasket.settings.policy import ClassLabel, PolicySettings, RuleTable
from secondbasket.settings.references import task_of, unused_upstreams
from secondbasket.settings.reload import Commit, Prepare, Reload
from secondbasket.settings.tree import (
    LOCAL_PREFIX,
    BasketTable,
    DatabaseSettings,
    EgressSettings,
    EngineSettings,
    HealthSettings,
    LedgerSettings,
    LogSettings,
    ModelSettings,
    OperatorSettings,
    PriceSettings,
    ProjectTable,
    ProviderTable,
    ServerSettings,
    Settings,
    UpstreamTable,
)

__all__ = [
    "HOME_VARIABLE",
    "LOCAL_PREFIX",
    "BasketTable",
    "ClassLabel",
    "Commit",
    "DatabaseSettings",
    "DrillTable",
    "EgressSettings",
    "EngineSettings",
    "HealthSettings",
    "LedgerSettings",
    "Loaded",
    "LogSettings",
    "ModelSettings",
    "OperatorSettings",
    "PolicySettings",
    "Prepare",
    "PriceSettings",
    "ProjectTable",
    "ProviderTable",
    "Reload",
    "RuleTable",
    "ServerSettings",
    "Settings",
    "UpstreamTable",
    "default_home",
    "read_settings",
    "task_of",
    "unused_upstreams",
]
