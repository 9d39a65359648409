"""When a drill is due: on days and at a time of some zone, or every so many hours."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_AT = re.compile(r"(?:(?P<days>[A-Z][a-z]{2}(?:,[A-Z][a-z]{2})*) )?(?P<hour>\d\d):(?P<minute>\d\d)")


class Clockwork(msgspec.Struct, frozen=True, kw_only=True):
    """At `hour`:`minute` in `zone`, on `days` (0 is Monday).

    What was missed is missed. Where clocks go forward over that time, it comes
    as much later; where they go back, the first of the two counts.
    """

    days: frozenset[int]
    hour: int
    minute: int
    zone: str

    @classmethod
    def parse(cls, text: str, zone: str) -> "Clockwork":
        """'03:00', 'Mon 03:00', 'Mon,Thu 03:00'. Raises ValueError."""
        found = _AT.fullmatch(text)
        days = found["days"].split(",") if found and found["days"] else DAYS
        if found is None or int(found["hour"]) > 23 or int(found["minute"]) > 59:
            raise ValueError(f"{text!r} is no time such as '03:00', 'Mon 03:00', 'Mon,Thu 03:00'")
        for day in days:
            if day not in DAYS:
                raise ValueError(f"{day!r} is no day; they are {', '.join(DAYS)}")
        return cls(
            days=frozenset(map(DAYS.index, days)),
            hour=int(found["hour"]),
            minute=int(found["minute"]),
            zone=zone,
        )

    def next(self, after: datetime, _last: datetime | None) -> datetime:
        """The first time later than `after`."""
        zone = ZoneInfo(self.zone)
        day = after.astimezone(zone).date() - timedelta(days=1)
        while True:
            day += timedelta(days=1)
            if day.weekday() in self.days:
                local = datetime(day.year, day.month, day.day, self.hour, self.minute, tzinfo=zone)
                moment = local.astimezone(UTC)
                if moment > after:
                    return moment


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """Every `hours`, counted from the last one; what was missed is made up for, once."""

    hours: float

    def next(self, after: datetime, last: datetime | None) -> datetime:
        """`hours` after `last`, or now where that is past; after `after` where there was none."""
        due = (after if last is None else last) + timedelta(hours=self.hours)
        return max(due, after)


Timetable = Clockwork | Interval
