"""How large and how deep a JSON Schema may be before an engine turns it into a grammar.

Engines compile a schema into rules that run for every token. A few bytes of
schema can ask for millions of rules, and the engine then writes for nobody
else: llama.cpp's loop stood still for minutes over nested `anyOf`s, and died
of others (the kind of fault in vLLM's CVE-2025-48944). So the shape is bounded
here, where a refusal costs nothing.
"""

import re
from collections.abc import Mapping
from math import prod
from typing import Any

import msgspec

from secondbasket.core.chat import ChatRequest
from secondbasket.errors import InvalidRequest

_MOST_BYTES = 64 * 1024
_MOST_NODES = 1000
_MOST_DEPTH = 24
_MOST_VALUES = 500
_LARGEST_COUNT = 1000
_MOST_REPEATS = 5000
_LONGEST_PATTERN = 256

_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_SCHEMA = ("items", "additionalProperties", "not", "contains", "propertyNames")
_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "definitions")
_REPEATED = re.compile(r"\{(\d*)(?:,(\d*))?\}")


def require_bounded(request: ChatRequest) -> None:
    """Raises InvalidRequest unless every schema in `request` is of a kind engines bear."""
    walk = _Walk()
    for tool in request.tools:
        walk.start(tool.parameters, f"The parameters of tool '{tool.name}'", "tools")
    wanted = request.response_format
    if wanted is not None and wanted.schema is not None:
        schema = wanted.schema.get("schema") or {}
        walk.start(schema, "The schema of 'response_format'", "response_format")


class _Walk:
    """The schemas of one call, walked once, with one budget for all of them."""

    def __init__(self) -> None:
        self._where = ""
        self._param = ""
        self._nodes = 0
        self._values = 0
        self._repeats = 0
        self._root: Mapping[str, Any] = {}

    def start(self, schema: Mapping[str, Any], where: str, param: str) -> None:
        """`where` and `param` name the schema to the caller."""
        self._where, self._param = where, param
        if len(msgspec.json.encode(schema)) > _MOST_BYTES:
            raise self._refusal(f"is larger than {_MOST_BYTES} bytes")
        self._root = schema
        self._node(schema, 0, ())

    def _refusal(self, why: str) -> InvalidRequest:
        return InvalidRequest(
            f"{self._where} {why}.", hint="Send a simpler JSON Schema.", param=self._param
        )

    def _node(self, node: Any, depth: int, following: tuple[str, ...]) -> None:
        """`following` are the references that led here: a cycle of them defines nothing."""
        if isinstance(node, bool):
            return
        if not isinstance(node, Mapping):
            raise self._refusal("has something that is no schema where one belongs")
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise self._refusal(f"has more than {_MOST_NODES} parts, references followed")
        if depth > _MOST_DEPTH:
            raise self._refusal(f"is nested more than {_MOST_DEPTH} deep")
        self._leaf(node)
        if "$ref" in node:
            self._reference(node["$ref"], depth, following)
        for name in _SCHEMA:
            if name in node:
                self._node(node[name], depth + 1, following)
        for name in _SCHEMAS:
            for each in self._of(node, name, list):
                self._node(each, depth + 1, following)
        for name in _NAMED:
            for each in self._of(node, name, dict).values():
                self._node(each, depth + 1, following)

    def _of(self, node: Mapping[str, Any], name: str, kind: type) -> Any:
        value = node.get(name, kind())
        if not isinstance(value, kind):
            raise self._refusal(
                f"has a '{name}' that is not {'a list' if kind is list else 'an object'}"
            )
        return value

    def _leaf(self, node: Mapping[str, Any]) -> None:
        kinds = node.get("type", [])
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            if kind not in _TYPES:
                raise self._refusal("has a 'type' that JSON Schema does not know")
        self._values += len(self._of(node, "enum", list))
        if self._values > _MOST_VALUES:
            raise self._refusal(f"lists more than {_MOST_VALUES} values")
        for name in _COUNTS:
            count = node.get(name, 0)
            if not isinstance(count, int) or not 0 <= count <= _LARGEST_COUNT:
                raise self._refusal(f"has a '{name}' that is no count up to {_LARGEST_COUNT}")
            self._repeat(count)
        self._pattern(node.get("pattern", ""))

    def _pattern(self, pattern: Any) -> None:
        if not isinstance(pattern, str) or len(pattern) > _LONGEST_PATTERN:
            raise self._refusal(f"has a 'pattern' of more than {_LONGEST_PATTERN} characters")
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as exc:
            raise self._refusal("has a 'pattern' that is no regular expression") from exc
        repeated = [
            max(int(low or 0), int(high or 0), 1) for low, high in _REPEATED.findall(pattern)
        ]
        if prod(repeated) > _LARGEST_COUNT:
            raise self._refusal(f"has a 'pattern' that repeats more than {_LARGEST_COUNT} times")
        self._repeat(prod(repeated) if repeated else 0)

    def _repeat(self, count: int) -> None:
        """Every counted repetition becomes so many rules: their sum is what an engine feels."""
        self._repeats += count
        if self._repeats > _MOST_REPEATS:
            raise self._refusal(f"counts to more than {_MOST_REPEATS}, all limits added up")

    def _reference(self, reference: Any, depth: int, following: tuple[str, ...]) -> None:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise self._refusal("refers to something outside itself")
        if reference in following:
            raise self._refusal("refers to itself")
        target: Any = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            if step:
                target = target.get(step) if isinstance(target, Mapping) else None
        if target is None:
            raise self._refusal(f"refers to {reference[:80]}, which it does not hold")
        self._node(target, depth + 1, (*following, reference))
