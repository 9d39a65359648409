"""Tools over the company's documents: find passages with their citations, and read on."""

from collections.abc import Sequence

from secondbasket.apps.tools.ground import DocumentSearch, ToolGround
from secondbasket.core.data_class import DataClass
from secondbasket.core.document import Extract, Found
from secondbasket.core.ports import Tool
from secondbasket.core.tool import Citation, NeverHappened, ToolCall, ToolFacts, ToolOutcome
from secondbasket.errors import BasketError, SettingsError, ToolFailed

_MOST_RESULTS = 10
_MOST_LETTERS = 24_000
_PASSAGES = 30


def create(ground: ToolGround) -> Sequence[Tool]:
    """``[tools.documents] collections`` names those that workers may see; all, where it is not
    there. Without a search there is no tool."""
    if ground.search is None:
        return ()
    collections = ground.settings.get("collections")
    if collections is not None and not (
        isinstance(collections, list | tuple) and all(isinstance(each, str) for each in collections)
    ):
        raise SettingsError("tools.documents.collections is a list of names.")
    return (_Search(ground.search, collections), _Read(ground.search, collections))


class _Search:
    facts = ToolFacts(
        name="documents.search",
        description="Search the company's documents. Gives passages, each with its source, its"
        " place there, and its number in the document.",
        parameters={
            "type": "object",
            "properties": {
                "question": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 2000,
                    "description": "What to find, as a question or as words.",
                },
                "collection": {"type": "string", "description": "Search this collection only."},
                "limit": {"type": "integer", "minimum": 1, "maximum": _MOST_RESULTS},
            },
            "required": ["question"],
            "additionalProperties": False,
        },
        effect="read",
        from_outside=True,
    )

    def __init__(self, search: DocumentSearch, collections: Sequence[str] | None) -> None:
        self._search = search
        self._collections = collections

    async def call(self, call: ToolCall) -> ToolOutcome:
        arguments = call.arguments
        try:
            answer = await self._search.search(
                arguments["question"],
                collections=_within(_seen(self._collections, call), arguments.get("collection")),
                limit=arguments.get("limit", 5),
                data_class=call.data_class,
            )
        except BasketError as error:
            raise ToolFailed(error.message, hint=error.hint) from error
        found = answer.found
        text = "\n\n".join(
            f"[{number}] {_cited(each)} (passage {each.position})\n{each.text}"
            for number, each in enumerate(found, 1)
        )
        return ToolOutcome(
            text=text or "Nothing was found.",
            data=found,
            data_class=max(
                (DataClass.parse(each.data_class) for each in found), default=DataClass.PUBLIC
            ),
            from_outside=bool(found),
            citations=_citations(found),
        )

    async def reconcile(self, call: ToolCall) -> NeverHappened:  # noqa: ARG002 - the port's
        return NeverHappened()


class _Read:
    facts = ToolFacts(
        name="documents.read",
        description="Read a document that a search has found, from a passage on.",
        parameters={
            "type": "object",
            "properties": {
                "document": {
                    "type": "string",
                    "minLength": 1,
                    "description": "Its source, as the search gave it.",
                },
                "passage": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "The passage to begin with, 0 for the first.",
                },
            },
            "required": ["document"],
            "additionalProperties": False,
        },
        effect="read",
        from_outside=True,
    )

    def __init__(self, search: DocumentSearch, collections: Sequence[str] | None) -> None:
        self._search = search
        self._collections = collections

    async def call(self, call: ToolCall) -> ToolOutcome:
        try:
            extract = await self._search.read(
                call.arguments["document"],
                collections=_seen(self._collections, call),
                start=call.arguments.get("passage", 0),
                count=_PASSAGES,
            )
        except BasketError as error:
            raise ToolFailed(error.message, hint=error.hint) from error
        passages, following = _fitting(extract)
        text = "\n\n".join(
            f"[{each.place or f'passage {each.position}'}]\n{each.text}" for each in passages
        )
        if following is not None:
            text += f"\n\n(It goes on at passage {following}.)"
        return ToolOutcome(
            text=text or "The document has no passage there.",
            data={"document": extract.document, "passages": passages, "next": following},
            data_class=DataClass.parse(extract.data_class),
            from_outside=True,
            citations=_citations(passages),
        )

    async def reconcile(self, call: ToolCall) -> NeverHappened:  # noqa: ARG002 - the port's
        return NeverHappened()


def _seen(allowed: Sequence[str] | None, call: ToolCall) -> Sequence[str] | None:
    """The collections that both this house and the worker's file let it see; None for all."""
    if not call.knowledge:
        return allowed
    return [each for each in call.knowledge if allowed is None or each in allowed]


def _within(allowed: Sequence[str] | None, wanted: str | None) -> Sequence[str] | None:
    """The collections to search. Raises ToolFailed for one that workers may not see."""
    if wanted is None:
        return allowed
    if allowed is not None and wanted not in allowed:
        raise ToolFailed(f"There is no collection '{wanted[:64]}'.")
    return [wanted]


def _fitting(extract: Extract) -> tuple[Sequence[Found], int | None]:
    """As many passages as an outcome has room for, and where it goes on."""
    letters = 0
    for number, each in enumerate(extract.passages):
        letters += len(each.text)
        if letters > _MOST_LETTERS:
            return extract.passages[:number], each.position
    return extract.passages, extract.next


def _citations(found: Sequence[Found]) -> Sequence[Citation]:
    return [Citation(source=each.source, place=each.place, text=each.text) for each in found]


def _cited(found: Found) -> str:
    return f"{found.source}, {found.place}" if found.place else found.source
