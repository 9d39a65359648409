"""Templates of a fixed plan: texts over the results of earlier steps.

Only a worker's file has them; what a model plans is taken as it stands. They
run in Jinja's immutable sandbox, where an unknown name is an error.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import StrictUndefined, TemplateError, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from secondbasket.errors import InvalidRequest

_LONGEST = 256 * 1024
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Templates:
    """A value that is one expression, ``{{ … }}`` alone, keeps its kind: a list stays a list."""

    def __init__(self) -> None:
        self._jinja = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        self._jinja.filters |= {"csv": _csv, "material": material}

    def filled(self, value: Any, names: Mapping[str, Any]) -> Any:
        """`value` with every text in it rendered. Raises InvalidRequest."""
        if isinstance(value, Mapping):
            return {key: self.filled(each, names) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.filled(each, names) for each in value]
        if not isinstance(value, str):
            return value
        expression = _alone(value)
        if expression is not None:
            return self.evaluated(expression, names)
        try:
            rendered = self._jinja.from_string(value).render(names)
        except (TemplateError, TypeError, ValueError, OverflowError) as exc:
            raise InvalidRequest(f"A template of the plan cannot be filled: {exc}.") from exc
        if len(rendered) > _LONGEST:
            raise InvalidRequest("A template of the plan makes more than 256 KiB.")
        return rendered

    def evaluated(self, expression: str, names: Mapping[str, Any]) -> Any:
        """What `expression` is. Raises InvalidRequest."""
        try:
            value = self._jinja.compile_expression(expression, undefined_to_none=False)(**names)
        except (TemplateError, TypeError, ValueError, OverflowError) as exc:
            raise InvalidRequest(f"'{expression}' of the plan cannot be told: {exc}.") from exc
        if isinstance(value, Undefined):
            raise InvalidRequest(f"'{expression}' of the plan is not known there.")
        return value

    def problems(self, value: Any) -> list[str]:
        """What of `value` is no template."""
        if isinstance(value, Mapping):
            return [problem for each in value.values() for problem in self.problems(each)]
        if isinstance(value, list | tuple):
            return [problem for each in value for problem in self.problems(each)]
        if not isinstance(value, str):
            return []
        try:
            self._jinja.parse(value)
        except TemplateError as exc:
            return [f"no template ({exc})"]
        return []

    def wrong_expression(self, text: str) -> str:
        """Why `text` is no expression; empty where it is one."""
        try:
            self._jinja.compile_expression(text)
        except TemplateError as exc:
            return f"no expression ({exc})"
        return ""


def material(text: str) -> str:
    """`text` between marks that tell a model what is not an instruction to it."""
    # Whoever wrote it may have written our mark, too.
    return f"<material>{text.replace('</material', '< /material')}</material>"


def _csv(cells: Sequence[object]) -> str:
    """One line of CSV. A cell that a spreadsheet would take for a formula gets a mark before it."""
    line = io.StringIO()
    told = ["" if each is None else str(each) for each in cells]
    csv.writer(line, lineterminator="").writerow(
        f"'{each}" if each.startswith(_FORMULA) else each for each in told
    )
    return line.getvalue()


def _alone(text: str) -> str | None:
    stripped = text.strip()
    if not (stripped.startswith("{{") and stripped.endswith("}}")):
        return None
    inner = stripped[2:-2]
    return None if "{{" in inner or "}}" in inner else inner.strip()
