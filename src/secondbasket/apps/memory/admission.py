"""What is worth keeping: rules in code, each with the reason it gives. Pure.

They refuse what carries nothing beyond the moment: courtesies, what the worker
was just asked, its talk about its own work, questions, and scraps. They look at
words only, so that a person can tell beforehand what they will do.
"""

import re

from secondbasket.apps.memory.statement import Statement
from secondbasket.apps.memory.words import content, normal, sentences, words

_LEAST_CONTENT = 2
_RESTATED = 0.8

# A text of nothing but these and empty words is a courtesy.
_COURTESIES = frozenset(
    """
    absolutely afternoon again all alright amazing appreciate appreciated awesome best bye cheer
    cheers congrat congratulation cool day dear done everybody everyone evening excellent fine folk
    good goodbye great greeting ha haha hello help helpful hey hi hope kind kindly later lol lot
    lovely luck many morn morning much need next nice night nope now ok okay perfect please pleasur
    pleasure problem question quick regard right see sincerely sir sorry soon super sure take team
    thank thanx thx tomorrow tonight understood wait weekend welcom welcome well wish wonderful wow
    yeah yep yes yo no worry worrie worries bless awesom
    auf bitte danke dank freundlich freundliche freundlichen gruss grusse gruße gut guten hallo
    herzlich herzliche klar morgen mfg moin prima schon schone schonen servus super tag tschuss
    vielen viele wiedersehen wochenende
    bonjour bonsoir cordialement merci salut
    """.split()
)
_OWN_WORK = re.compile(
    r"""
      (?:okay|ok|sure|certainly|of\ course|great|alright|now|first|next|then|so)?[,.!\s]*
      (?: as\ an?\ (?:ai|assistant|language\ model)
        | (?:i|we)(?:\ (?:will|am|was|have|had|can|could|cannot|need|should|would|must|do|did|also)
                     |['’](?:ll|m|ve|d))\ (?:\w+\ ){0,2}
          (?:now|going|try|trying|start|starting|begin|look|looking|check|checking|read|reading
            |open|opening|search|searching|call|calling|use|using|proceed|continue|help|assist
            |answer|respond|think|thinking|write|summari[sz]e|unable|able|find|complete|completed
            |finished|done|not|sorry|happy)
        | let\ me | let['’]?s | here\ (?:is|are) | the\ user\ (?:asked|wants|said|is\ asking)
        | (?:the\ )?(?:tool|function|api|step|task|plan|command|request|query)
          (?:\ \S+){0,3}\ (?:call|succeeded|failed|returned|completed|complete|finished|is\ done
            |was\ (?:successful|completed)|executed|ran)
        | step\ \d+ | working\ on | processing | loading | no\ (?:results|errors|output)
        | done\b | success | still\ (?:working|thinking|waiting) | todo\b | note\ to\ self
      )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_ORDER = re.compile(
    r"""
      (?:please|kindly|can\ you|could\ you|would\ you|bitte)\b
    | (?:add|analy[sz]e|answer|calculate|check|compare|compute|create|describe|draft|explain|extract
        |find|fix|generate|give|go|help|list|look|make|open|prepare|proofread|provide|read|review
        |rewrite|run|search|send|show|sort|summari[sz]e|tell|translate|try|update|use|write)\s
    """,
    re.IGNORECASE | re.VERBOSE,
)
# What an order is for good, not for the moment.
_STANDING = frozenset(
    """
    always never every whenever prefer prefers from immer nie niemals stets jede jeden jedes
    toujours jamais
    """.split()
)
_TO_KEEP = re.compile(
    r"(?:please\s+)?(?:remember|note|keep in mind|don['’]?t forget|merke?|fyi)\b", re.IGNORECASE
)


def objection(told: Statement, prompt: str = "") -> str | None:
    """Why `told` is not kept, in words; None where it is.

    `prompt` is what the worker was asked for when it told this; its sentences
    that ask or order are no knowledge, those that tell something are.
    """
    text = told.sentence
    matter = content(text)
    if not words(text):
        return "it has no words"
    if all(each in _COURTESIES or len(each) == 1 for each in matter):
        return "it is a courtesy"
    if not told.structured:
        said = sentences(text)
        if len(matter) < _LEAST_CONTENT:
            return "it says too little to be of use later"
        if all(each.endswith("?") for each in said):
            return "it is a question"
        if all(_OWN_WORK.match(each) for each in said):
            return "it tells of the worker's own doings"
        if told.kind != "procedure" and all(map(_is_order, said)):
            return "it is an order for the moment"
        if prompt and _restates(text, prompt):
            return "it restates what the worker was asked"
    return None


def _is_order(sentence: str) -> bool:
    if _TO_KEEP.match(sentence) or _STANDING & set(words(sentence)):
        return False
    return _ORDER.match(sentence) is not None


def _restates(text: str, prompt: str) -> bool:
    """Are its words those of what was asked? What the prompt itself tells is another thing."""
    asked: set[str] = set()
    for sentence in sentences(prompt):
        if sentence.endswith("?") or _is_order(sentence):
            asked.update(content(sentence))
        elif normal(text) in normal(sentence):
            return False
    matter = set(content(text))
    return bool(asked) and len(matter & asked) >= _RESTATED * len(matter)
