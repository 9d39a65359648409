"""Checks answers against the wire's published schemas, required-but-nullable fields included."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

_FOLDER = Path(__file__).parent / "schemas"


@cache
def _validator(name: str) -> Draft202012Validator:
    schemas = [json.loads(path.read_text()) for path in _FOLDER.glob("*.json")]
    for schema in schemas:
        Draft202012Validator.check_schema(schema)
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas
    )
    return Draft202012Validator(
        registry.contents(f"{name}.json"),
        registry=registry,
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def check(name: str, answer: Any) -> None:
    """Fails with every place where `answer` leaves the schema `name`."""
    faults = [
        f"{fault.json_path}: {fault.message}" for fault in _validator(name).iter_errors(answer)
    ]
    assert not faults, f"{name}: " + "; ".join(faults)


def events(body: str) -> list[Any]:
    """The JSON documents of a whole SSE body that ended with [DONE]."""
    blocks = [block for block in body.split("\n\n") if block and not block.startswith(":")]
    assert all(block.startswith("data: ") for block in blocks), body
    assert blocks[-1] == "data: [DONE]", body[-500:]
    return [json.loads(block.removeprefix("data: ")) for block in blocks[:-1]]
