"""What is worth keeping: rules in code, each with the reason it gives. Pure.

They refuse what carries nothing beyond the moment: courtesies, what the worker
was just asked, its talk about its own work, questions, and scraps. They look at
words only, so that a person can tell beforehand what they will do.
"""

import re

from secondbasket.apps.memory.statement import Statement
from secondbasket.apps.memory.words import content, figures, names, normal, sentences, words

_LEAST_CONTENT, _LEAST_WITHOUT_PARTICULARS = 2, 5
_RESTATED = 0.8

# A text of nothing but these and empty words is a courtesy.
_COURTESIES = frozenset(
    content(
        """
        absolutely afternoon again all alright amazing appreciate appreciated awesome back best
        birthday bless bye cheers congrats congratulations cool day days dear done enjoy everybody
        everyone evening excellent fine folks good goodbye great greetings ha haha happy hello help
        helpful hey hi holiday holidays hope job kind kindly late later lol lot lots lovely luck
        lunch many merry morning much need new next nice night nope noted now ok okay patience
        perfect please pleasure problem question quick regards reply right safe see sincerely sir
        sleep soon sorry sounds speak stay super sure take talk team thank thanks thanx thing thx
        today tomorrow tonight travel trip understood vacation wait week weekend welcome well wish
        wishes wonderful work worries worry wow yeah year yep yes yo
        auf bis bitte danke dank erfolg euch feierabend freundlich freundliche freundlichen gruss
        grüße gut gute guten hallo herzlich herzliche klar liebe mahlzeit morgen mfg moin prima
        schön schöne schönen schönes servus super tag tschüss viel viele vielen wiedersehen
        wochenende zusammen
        beaucoup bon bonjour bonne bonsoir cordialement journée merci salut
        """
    )
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
    always never whenever prefer prefers immer nie niemals stets toujours jamais
    """.split()
)
_PASSWORD = re.compile(
    r"pass(?:word|phrase|code|wort)|kennwort|mot de passe|\b(?:pwd|pin|login)\b", re.IGNORECASE
)
# A value that no word is: letters with digits, or with marks in the middle.
_VALUE = re.compile(
    r"(?<!\S)(?=\S*[^\W\d_])(?=\S*(?:\d|\w[!#$%&*+=?@^~]\w))[^\s.,;:]{6,}", re.UNICODE
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
    if _is_courtesy(text, matter):
        return "it is a courtesy"
    if _tells_a_password(f"{text} {told.subject} {told.predicate} {told.object}"):
        return "it tells a password"
    if not told.structured:
        said = sentences(text)
        if len(set(matter) - names(text)) < _LEAST_CONTENT:
            return "it says too little to be of use later"
        if all(each.endswith("?") for each in said):
            return "it is a question"
        if all(_OWN_WORK.match(each) for each in said):
            return "it tells of the worker's own doings"
        if told.kind != "procedure" and all(map(_is_order, said)):
            return "it is an order for the moment"
        if prompt and _restates(text, prompt):
            return "it restates what the worker was asked"
        if told.kind == "episode" and _is_vague(text, matter):
            return "it is short and names nothing, so nobody could tell later what it is about"
    return None


def _is_courtesy(text: str, matter: list[str]) -> bool:
    """Nothing but courtesies, and the names of those whom they are for."""
    rest = [each for each in matter if each not in _COURTESIES and len(each) > 1]
    return not rest or (len(rest) < len(matter) and set(rest) <= names(text))


def _is_vague(text: str, matter: list[str]) -> bool:
    """An event without a number or a name, in a few words."""
    return len(matter) < _LEAST_WITHOUT_PARTICULARS and not (figures(text) or names(text))


def _tells_a_password(text: str) -> bool:
    """Beyond what detectors find in any text: what is kept for years is looked at harder."""
    return _PASSWORD.search(text) is not None and _VALUE.search(text) is not None


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
