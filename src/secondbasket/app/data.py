"""Data sets as the settings have them."""

from collections.abc import Callable, Mapping

from secondbasket.app.following import detector_classes
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
    raised: dict[str, DataClass | None] = {}
    if settings.policy.detect:
        raised |= {name: each.data_class for name, each in detectors.items()}
        raised |= detector_classes(settings)
    looking = [
        (detectors[name], data_class)
        for name, data_class in raised.items()
        if data_class is not None
    ]
    return DataDesk(DataRecords(database), Findings(looking, home.secret(_MARKS)), record=record)
