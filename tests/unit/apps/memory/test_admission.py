"""What is worth keeping. These examples are not those of the scripted month."""

from typing import Any

import pytest

from secondbasket.apps.memory.admission import objection
from secondbasket.apps.memory.statement import Kind, Statement


def told(text: str, kind: Kind = "episode", **fields: Any) -> Statement:
    return Statement(kind=kind, sources=("task:t1",), text=text, **fields)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Hello!", "courtesy"),
        ("Hi team, good morning and welcome back", "courtesy"),
        ("Thank you very much for your help!", "courtesy"),
        ("Danke schön und bis morgen", "courtesy"),
        ("...", "no words"),
        ("🎉🎉", "no words"),
        ("Fine.", "courtesy"),
        ("The invoice", "too little"),
        ("What is the lead time of Alpen Stahl?", "question"),
        ("I'll check the price list now.", "own doings"),
        ("Sure, let me look up the supplier.", "own doings"),
        ("As an assistant I have no access to mail.", "own doings"),
        ("Step 4 done, moving on to the invoices", "own doings"),
        ("Please translate the attached contract into French.", "order"),
        ("Write a short note about the visit", "order"),
        ("The PIN of the safe is 77A-31", "password"),
        ("Das Kennwort lautet Mai2024!", "password"),
    ],
)
def test_what_is_of_the_moment_is_not_kept(text: str, why: str) -> None:
    objected = objection(told(text))
    assert objected is not None
    assert why in objected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Anna thanked Elbe Castings for the early delivery.", "episode"),
        ("The welcome desk moved to building C.", "episode"),
        ("Please always answer customers in French.", "preference"),
        ("Never send drafts to the board.", "preference"),
        ("Check the seal, then write the batch number on the lid.", "procedure"),
        ("Remember that the plant is closed on 3 May.", "episode"),
        ("The password policy changes on 3 May.", "episode"),
        ("Press 3 lost pressure twice this week.", "episode"),
        ("Good suppliers answer within a day, says Petra.", "preference"),
    ],
)
def test_what_serves_later_is(text: str, kind: Kind) -> None:
    assert objection(told(text, kind)) is None


def test_a_fact_may_be_short() -> None:
    fact = told("", "fact", subject="Oven 2", predicate="state", object="off")
    assert objection(fact) is None


PROMPT = "Summarise the complaints about Jura Optics. The contract ends on 1 March."


def test_what_was_asked_is_not_learned() -> None:
    restated = told("The complaints about Jura Optics have to be summarised")
    assert objection(restated) is None
    assert objection(restated, PROMPT) == "it restates what the worker was asked"


def test_what_the_prompt_tells_is_learned() -> None:
    assert objection(told("The contract ends on 1 March."), PROMPT) is None


def test_a_fact_that_answers_the_question_is_learned() -> None:
    fact = told("", "fact", subject="Anna", predicate="works in", object="Lyon")
    assert objection(fact, "Does Anna work in Lyon?") is None
