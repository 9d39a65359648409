"""Runs regular expressions and JSON Schemas where they harm nobody: a child process of its own.

One question a line on standard input, one answer a line on standard output. A
question that takes two seconds of CPU, or too much memory, ends the process: the kernel's
timer does not wait for the interpreter, which would not look up from a match.
"""

import json
import os
import re
import resource
import signal
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

_MEMORY_BYTES = 1 << 30
_SECONDS = 2.0


def answer(question: Mapping[str, Any]) -> str:
    """Empty where what was asked holds, else why it does not, without a word of the answer."""
    match question["ask"]:
        case "match":
            flags = re.IGNORECASE if question["ignore_case"] else 0
            found = re.search(question["pattern"], question["text"], flags)
            return "" if found else "the pattern does not match"
        case "validate":
            return _schemas().violation(question["schema"], question["instance"])
        case _:
            return _schemas().fault(question["schema"])


class _Schemas:
    """jsonschema, loaded once a schema is asked about: patterns alone do not wait for it."""

    def __init__(self) -> None:
        from jsonschema import SchemaError  # noqa: PLC0415 - see above
        from jsonschema.validators import (  # noqa: PLC0415 - see above
            Draft202012Validator,
            validator_for,
        )
        from referencing import Registry  # noqa: PLC0415 - see above
        from referencing.exceptions import Unresolvable  # noqa: PLC0415 - see above

        self._wrong = SchemaError
        self._unresolvable = Unresolvable
        self._kind_of = validator_for
        self._default = Draft202012Validator
        # It retrieves nothing: a reference to elsewhere fails, and is never followed.
        self._registry: Any = Registry()

    def fault(self, schema: dict[str, Any]) -> str:
        try:
            self._kind_of(schema, default=self._default).check_schema(schema)
        except self._wrong as exc:
            return f"the schema is wrong at {exc.json_path}: {exc.message[:200]}"
        return ""

    def violation(self, schema: dict[str, Any], instance: Any) -> str:
        kind = self._kind_of(schema, default=self._default)
        try:
            errors = kind(schema, registry=self._registry).iter_errors(instance)
            error = next(errors, None)
        except self._unresolvable as exc:
            return f"the schema refers to {exc.ref}, which is not part of it"
        return "" if error is None else f"{error.json_path} breaks '{error.validator}'"


@cache
def _schemas() -> _Schemas:
    return _Schemas()


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin.buffer:
        question = json.loads(line)
        if question["ask"] != "match":
            _schemas()  # loading it is not what a question may take
        signal.setitimer(signal.ITIMER_PROF, _SECONDS)
        told = answer(question)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(json.dumps(told).encode() + b"\n")
        sys.stdout.buffer.flush()
    os._exit(0)  # there is nothing to tidy up


if __name__ == "__main__":
    main()
