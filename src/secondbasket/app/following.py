"""The parts of the stack that follow the settings when they are read again."""

from collections.abc import Mapping

from secondbasket.core.data_class import DataClass
from secondbasket.core.drill import DrillPlan
from secondbasket.core.ports import Detector
from secondbasket.errors import SettingsError
from secondbasket.maas.drills.schedule import Schedule, Scheduled
from secondbasket.maas.drills.timetable import Clockwork, Interval, Timetable
from secondbasket.maas.guard import Guard
from secondbasket.maas.local_models import LocalModels
from secondbasket.maas.parity.desk import ParityDesk
from secondbasket.maas.parity.orders import ParityPlan
from secondbasket.policy.policy import Policy
from secondbasket.policy.rules import Rule
from secondbasket.settings import (
    LOCAL_PREFIX,
    Commit,
    DrillTable,
    Prepare,
    Settings,
)


def policy_of(settings: Settings, detectors: Mapping[str, Detector]) -> Policy:
    """What the settings say of data. Raises SettingsError."""
    table = settings.policy
    for name in table.detectors:
        if name not in detectors:
            raise SettingsError(
                f"policy.detectors names '{name}', which is not installed.",
                hint=f"Detectors here: {', '.join(sorted(detectors))}.",
            )
    return Policy(
        rules=[
            Rule(
                name=name,
                classes=frozenset(map(DataClass.parse, rule.classes)),
                law=rule.laws,
                vendor=rule.vendors,
                operator=rule.operators,
                location=rule.locations,
                provider=rule.providers,
            )
            for name, rule in table.rules.items()
        ],
        detectors=detectors.values() if table.detect else (),
        classes=detector_classes(settings),
        default_class=DataClass.parse(table.default_class),
        unread_class=DataClass.parse(table.unread_class),
    )


def detector_classes(settings: Settings) -> dict[str, DataClass | None]:
    """What the settings say that a detector raises a text to; None where they turn it off."""
    return {
        name: None if label == "off" else DataClass.parse(label)
        for name, label in settings.policy.detectors.items()
    }


def projects_of(settings: Settings) -> dict[str, DataClass]:
    return {name: DataClass.parse(table.data_class) for name, table in settings.projects.items()}


def guarded_by(guard: Guard, detectors: Mapping[str, Detector]) -> Prepare:
    """Puts the policy of the settings in force."""

    def prepare(settings: Settings) -> Commit:
        policy, projects = policy_of(settings, detectors), projects_of(settings)
        return lambda: guard.follow(policy, projects)

    return prepare


def scheduled_by(schedule: Schedule) -> Prepare:
    """Has the drills of the settings run when they are due."""

    def prepare(settings: Settings) -> Commit:
        scheduled = {
            name: Scheduled(
                DrillPlan(
                    cuts=table.cut,
                    basket=table.basket,
                    seconds=table.seconds,
                    rate=table.rate,
                    target=table.target,
                    data_class=table.data_class,
                    schedule=name,
                ),
                _timetable(table),
            )
            for name, table in settings.drills.items()
        }
        return lambda: schedule.follow(scheduled)

    return prepare


def _timetable(table: DrillTable) -> Timetable:
    if table.every_hours is not None:
        return Interval(hours=table.every_hours)
    assert table.at is not None, "one of them is set"
    return Clockwork.parse(table.at, table.time_zone)


def further_engines(local_models: LocalModels) -> Prepare:
    """Follows the settings: which models run in which engines besides their usual one."""

    def prepare(settings: Settings) -> Commit:
        wanted: dict[str, list[str]] = {}
        if settings.engine.second:
            wanted[settings.models.default_chat] = [settings.engine.second]
        for table in settings.baskets.values():
            for member in table.upstreams:
                model, _, engine = member.removeprefix(LOCAL_PREFIX).partition("@")
                if member.startswith(LOCAL_PREFIX) and engine:
                    wanted.setdefault(model, []).append(engine)
        return lambda: local_models.want(wanted)

    return prepare


def measured_by(desk: ParityDesk) -> Prepare:
    """Tells how the baskets of the settings are measured."""

    def prepare(settings: Settings) -> Commit:
        return desk.prepare(
            {
                name: ParityPlan(table.parity_evals, table.parity_judge)
                for name, table in settings.baskets.items()
            }
        )

    return prepare
