"""Checks answers against the Messages wire's schemas, written down from its published types."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from secondbasket.wires.sse import EventDecoder

_FOLDER = Path(__file__).parent / "schemas"


@cache
def _validator(name: str) -> Draft202012Validator:
    schema = json.loads((_FOLDER / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def check(name: str, answer: Any) -> None:
    """Fails with every place where `answer` leaves the schema `name`."""
    faults = [
        f"{fault.json_path}: {fault.message}" for fault in _validator(name).iter_errors(answer)
    ]
    assert not faults, f"{name}: " + "; ".join(faults)


def events(body: bytes) -> list[Any]:
    """The events of a whole stream, each checked, and named as it must be."""
    decoder = EventDecoder()
    found = [json.loads(data) for data in decoder.feed(body)]
    assert not decoder.pending
    names = [line[7:].decode() for line in body.split(b"\n") if line.startswith(b"event: ")]
    assert names == [event["type"] for event in found]
    for event in found:
        check("event", event)
    return found
