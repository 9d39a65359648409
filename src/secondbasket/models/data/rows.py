"""A row of a data set: its form, its digest, its texts."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from secondbasket.core.canonical import canonical
from secondbasket.core.data_set import DataRow
from secondbasket.errors import InvalidRequest

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_MOST_TOLD = 5


class _Message(msgspec.Struct):
    role: str
    content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


def row_of(content: Mapping[str, Any], source: str, place: str) -> DataRow:
    """Raises ValueError where `content` is no example."""
    try:
        messages = msgspec.convert(content.get("messages"), list[_Message])
        digest = digest_of(content)
    except msgspec.ValidationError as exc:
        raise ValueError(f"'messages' is no list of messages: {exc}") from exc
    if len(messages) < 2:
        raise ValueError("'messages' needs a question and, as its last, an answer")
    for each in messages:
        if each.role not in _ROLES:
            raise ValueError(f"{each.role[:40]!r} is no role; they are {', '.join(sorted(_ROLES))}")
    if messages[-1].role != "assistant":
        raise ValueError("the last message is the answer, so its role is 'assistant'")
    if not any(each.role == "user" for each in messages[:-1]):
        raise ValueError("no message of the role 'user' stands before the answer")
    return DataRow(content=content, digest=digest, source=source, place=place)


def digest_of(content: Mapping[str, Any]) -> str:
    return f"sha256:{sha256(canonical(content)).hexdigest()}"


def version_digest(rows: Iterable[DataRow]) -> str:
    """That of the rows' digests, in their order."""
    return f"sha256:{sha256(canonical([each.digest for each in rows])).hexdigest()}"


def answer_of(content: Mapping[str, Any]) -> str:
    """The answer as text; calls of tools as canonical JSON."""
    last = content["messages"][-1]
    if last.get("tool_calls"):
        return canonical(last["tool_calls"]).decode()
    return str(last.get("content") or "")


def question_of(content: Mapping[str, Any]) -> str:
    """What the last user said: an instruction that all rows share would make all alike."""
    asked = [each for each in content["messages"][:-1] if each["role"] == "user"]
    return str(asked[-1].get("content") or "")


def texts_of(value: Any) -> str:
    """Every string in a row, one a line."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(texts_of(each) for each in value.values())
    if isinstance(value, Sequence):
        return "\n".join(texts_of(each) for each in value)
    return "" if value is None or isinstance(value, bool) else str(value)


def refuse(name: str, wrong: Sequence[tuple[str, str]]) -> None:
    """Raises InvalidRequest where there is a (place, reason) of something wrong."""
    if not wrong:
        return
    told = "; ".join(f"{place}: {reason}" for place, reason in wrong[:_MOST_TOLD])
    more = len(wrong) - _MOST_TOLD
    raise InvalidRequest(
        f"{name} has {len(wrong)} wrong row{'s' * (len(wrong) > 1)}: {told}"
        f"{f'; and {more} more' if more > 0 else ''}.",
        hint="docs/data.md shows the form of a row.",
    )
