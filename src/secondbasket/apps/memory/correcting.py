"""What a memory says once it is corrected."""

from sqlalchemy import RowMapping

from secondbasket.apps.memory.statement import Correction, Statement

_CORRECTION_CONFIDENCE = 0.95


def corrected(row: RowMapping, correction: Correction) -> Statement:
    """The statement in place of `row`. A sentence that was made of the terms is made anew."""
    given = {
        name: value
        for name in ("subject", "predicate", "object")
        if (value := getattr(correction, name)) is not None
    }
    words = correction.text
    if words is None:
        words = row["text"]
        for name, value in given.items():
            if row[name] and row[name] in words:
                words = words.replace(row[name], value)
            elif value != row[name]:
                words = ""
    return Statement(
        kind=row["kind"],
        sources=(correction.by,),
        text=words,
        **{name: row[name] for name in ("subject", "predicate", "object")} | given,
        worker=row["worker"],
        data_class=row["data_class"],
        valid_from=row["valid_from"],
        valid_until=row["told_until"],
        confidence=_CORRECTION_CONFIDENCE,
        several=row["several"],
    )
