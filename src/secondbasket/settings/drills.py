"""Drills that run by themselves: ``[drills.NAME]``."""

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationInfo, field_validator, model_validator

from secondbasket.maas.drills.timetable import Clockwork
from secondbasket.settings.policy import ClassLabel
from secondbasket.settings.section import Section


class DrillTable(Section):
    """What is taken away, for how long, and when. Only the drill's own requests are cut."""

    cut: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="What to take away: 'law:US', 'vendor:NAME', 'engine:NAME' and so on, as for"
        " `basket drill --cut`."
    )
    basket: str = Field(default="", description="The basket to drill; the chat model's else.")
    seconds: Annotated[float, Field(ge=1, le=3600)] = Field(
        default=20.0, description="How long it takes, in seconds; the cut is half of that."
    )
    rate: Annotated[float, Field(gt=0, le=200)] = Field(
        default=1.0, description="Requests a second that it sends."
    )
    target: Annotated[float, Field(ge=0, le=100)] = Field(
        default=100.0, description="Least percentage of answered requests to pass."
    )
    data_class: ClassLabel = Field(
        default="public", description="The least class that its requests have."
    )
    time_zone: str = Field(
        default="UTC", description="The zone that 'at' is in, such as 'Europe/Berlin'."
    )
    at: str | None = Field(
        default=None, description="When: '03:00', 'Mon 03:00' or 'Mon,Thu 03:00'."
    )
    every_hours: Annotated[float, Field(ge=0.1, le=8784)] | None = Field(
        default=None, description="How often, where 'at' is not set: hours after the last time."
    )

    @field_validator("cut")
    @classmethod
    def _names_something(cls, cuts: tuple[str, ...]) -> tuple[str, ...]:
        for cut in cuts:
            kind, _, name = cut.partition(":")
            if not kind.strip() or not name.strip():
                raise ValueError(f"{cut!r} is not KIND:NAME, such as 'law:US'")
        return cuts

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
            raise ValueError(f"{name!r} is no time zone that this system knows") from exc
        return name

    @field_validator("at")
    @classmethod
    def _is_a_time(cls, at: str | None, info: ValidationInfo) -> str | None:
        if at is not None:
            Clockwork.parse(at, info.data.get("time_zone", "UTC"))
        return at

    @model_validator(mode="after")
    def _is_due_some_time(self) -> "DrillTable":
        if (self.at is None) == (self.every_hours is None):
            raise ValueError("give one of 'at' and 'every_hours'")
        return self
