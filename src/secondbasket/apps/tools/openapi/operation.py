"""One operation of an API: what a model fills in, and where each of it goes in the request."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import unquote

import msgspec

from secondbasket.apps.tools.foreign_schema import flat
from secondbasket.apps.tools.foreign_text import one_line
from secondbasket.apps.tools.openapi.document import resolved
from secondbasket.core.tool import ToolEffect
from secondbasket.errors import InvalidRequest

_METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
_READING = ("get", "head", "options")
_PLACES = ("path", "query", "header")
_MOST_SCHEMA_BYTES = 64 * 1024
_WORDS = 1000
_TEMPLATE = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/{}]*")
_HOLE = re.compile(r"\{([^{}]+)\}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_ODD = re.compile(r"[^A-Za-z0-9_-]+")

# Headers that say whose a request is, where it goes, or where it ends.
_OURS = frozenset(
    """
    accept accept-encoding authorization connection content-encoding content-length content-type
    cookie expect forwarded host keep-alive origin proxy-authorization referer te trailer
    transfer-encoding upgrade via x-forwarded-for x-forwarded-host x-forwarded-proto
    """.split()
)


class Parameter(msgspec.Struct, frozen=True):
    """One parameter: the `argument` it is filled from, and its `name` in the request."""

    argument: str
    name: str
    place: Literal["path", "query", "header"]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """`path` is the template, `body` the argument that is sent as JSON, if any."""

    wanted: str
    name: str
    method: str
    path: str
    description: str
    parameters: tuple[Parameter, ...]
    body: str | None
    schema: Mapping[str, Any]

    @property
    def usual_effect(self) -> ToolEffect:
        """What its method says that it does, by RFC 9110."""
        return "read" if self.method.lower() in _READING else "external"


def find_operation(document: Mapping[str, Any], wanted: str, barred: frozenset[str]) -> Operation:
    """The operation with that operationId, or written 'GET /path'. Raises InvalidRequest.

    Parameters that would be sent as one of the headers in `barred` are left out.
    """
    names: list[str] = []
    for path, method, item, operation in _operations(document):
        spelled = f"{method.upper()} {path}"
        identity = operation.get("operationId")
        method_of_wanted, _, path_of_wanted = wanted.partition(" ")
        if wanted == identity or (method_of_wanted.lower(), path_of_wanted) == (method, path):
            return _read(document, wanted, path, method, item, operation, barred)
        names.append(identity if isinstance(identity, str) else spelled)
    raise InvalidRequest(f"It has no such operation. It has: {', '.join(names[:40]) or 'none'}.")


def _operations(
    document: Mapping[str, Any],
) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    paths = document.get("paths")
    if not isinstance(paths, Mapping):
        return
    for path, given in paths.items():
        if not isinstance(path, str) or not isinstance(given, Mapping):
            continue
        item = resolved(given, document)
        for method in _METHODS:
            operation = item.get(method)
            if isinstance(operation, Mapping):
                yield path, method, item, operation


def _read(
    document: Mapping[str, Any],
    wanted: str,
    path: str,
    method: str,
    item: Mapping[str, Any],
    operation: Mapping[str, Any],
    barred: frozenset[str],
) -> Operation:
    properties: dict[str, Any] = {}
    required: list[str] = []
    parameters: list[Parameter] = []
    for given in _parameters(document, item, operation):
        schema, needed = _schema(document, given)
        name, place = str(given["name"]), given["in"]
        if place == "header" and (name.lower() in _OURS | barred or not _TOKEN.fullmatch(name)):
            continue
        argument = _free(name, place, properties)
        properties[argument] = schema
        parameters.append(Parameter(argument, name, place))
        if needed or place == "path":
            required.append(argument)
    _check_template(path, parameters)
    body = None
    content = _json_body(document, operation)
    if content is not None:
        schema, needed = content
        body = _free("body", "request", properties)
        properties[body] = schema
        if needed:
            required.append(body)
    told = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        told["required"] = required
    if len(msgspec.json.encode(told)) > _MOST_SCHEMA_BYTES:
        raise InvalidRequest("Its arguments take too much to describe.")
    identity = operation.get("operationId")
    name = identity if isinstance(identity, str) else f"{method}{path}"
    words = (operation.get("summary"), operation.get("description"))
    return Operation(
        wanted=wanted,
        name=_ODD.sub("_", name).strip("_-")[:64],
        method=method.upper(),
        path=path,
        description=one_line(". ".join(each for each in words if isinstance(each, str)), _WORDS),
        parameters=tuple(parameters),
        body=body,
        schema=told,
    )


def _parameters(
    document: Mapping[str, Any], item: Mapping[str, Any], operation: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """Those of the path and of the operation, whose own count where both have one."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for source in (item.get("parameters"), operation.get("parameters")):
        if source is None:
            continue
        if not isinstance(source, list):
            raise InvalidRequest("Its parameters are no list.")
        for each in source:
            parameter = resolved(each, document)
            name, place = parameter.get("name"), parameter.get("in")
            if not isinstance(name, str) or not 0 < len(name) <= 128 or not name.isprintable():
                raise InvalidRequest("A parameter has no usable name.")
            if place in _PLACES:
                found[name, str(place)] = parameter
            elif parameter.get("required"):
                raise InvalidRequest(f"It needs the parameter '{name}' in a {str(place)[:20]}.")
    return list(found.values())


def _schema(
    document: Mapping[str, Any], parameter: Mapping[str, Any]
) -> tuple[dict[str, Any], bool]:
    if "schema" not in parameter:
        raise InvalidRequest(f"The parameter '{parameter['name']}' has no schema.")
    schema = flat(parameter["schema"], document)
    if isinstance(parameter.get("description"), str) and "description" not in schema:
        schema["description"] = one_line(parameter["description"], _WORDS)
    return schema, parameter.get("required") is True


def _json_body(
    document: Mapping[str, Any], operation: Mapping[str, Any]
) -> tuple[dict[str, Any], bool] | None:
    if "requestBody" not in operation:
        return None
    body = resolved(operation["requestBody"], document)
    needed = body.get("required") is True
    content = body.get("content")
    for kind, media in content.items() if isinstance(content, Mapping) else ():
        plain = str(kind).partition(";")[0].strip().lower()
        if plain == "application/json" or plain.endswith("+json"):
            return flat(resolved(media, document).get("schema", {}), document), needed
    if needed:
        raise InvalidRequest("It needs a body that is not JSON.")
    return None


def _free(name: str, place: str, taken: Mapping[str, Any]) -> str:
    argument = _ODD.sub("_", name).strip("_")[:64] or "value"
    while argument in taken:
        argument = f"{place}_{argument}"[:64]
        if argument in taken:
            raise InvalidRequest(f"It has several parameters that are called '{name}'.")
    return argument


def _check_template(path: str, parameters: list[Parameter]) -> None:
    if not _TEMPLATE.fullmatch(path) or any(
        unquote(segment) in (".", "..") for segment in path.split("/")
    ):
        raise InvalidRequest(f"Its path {path[:80]!r} cannot be used.")
    holes = _HOLE.findall(path)
    known = [each.name for each in parameters if each.place == "path"]
    if sorted(holes) != sorted(known) or set("{}") & set(_HOLE.sub("", path)):
        raise InvalidRequest(f"Its path {path[:80]!r} and its parameters do not fit.")
