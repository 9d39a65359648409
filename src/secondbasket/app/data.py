"""Data sets as the settings have them."""

from collections.abc import Callable, Mapping

from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.core.ports import Detector
from secondbasket.models.data.desk import DataDesk
from secondbasket.models.data.findings import Findings
from secondbasket.models.data.records import DataRecords
from secondbasket.settings import Settings
from secondbasket.stores.database import Database
from secondbasket.stores.home import Home

_MARKS = "data-marks"


def open_data(
    settings: Settings,
    database: Database,
    home: Home,
    detectors: Mapping[str, Detector],
    *,
    record: Callable[[Decision], None],
) -> DataDesk:
    """The detectors raise a row as they raise a request, and leave the same marks in this home."""
    table = settings.policy
    classes = {
        name: DataClass.parse(label) for name, label in table.detectors.items() if label != "off"
    }
    looking = [
        (each, classes.get(name, each.data_class))
        for name, each in detectors.items()
        if table.detect and table.detectors.get(name) != "off"
    ]
    return DataDesk(DataRecords(database), Findings(looking, home.secret(_MARKS)), record=record)
