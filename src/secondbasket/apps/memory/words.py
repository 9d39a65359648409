"""Texts as memory compares them: the same words, however they are spelled, cased or inflected."""

import re
import unicodedata

_WORD = re.compile(r"\d+(?:[.,:/-]\d+)*%?|[^\W\d_]+(?:['’][^\W\d_]+)?", re.UNICODE)
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_FRACTION = re.compile(r"(\d+)\.(\d*?)0+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")

ARTICLES = frozenset("a an the der die das den dem ein eine einen einem le la les un une".split())
# Words that carry no subject matter, and the forms of to be, to have and to do.
EMPTY = ARTICLES | frozenset(
    """
    about after all also am and any are as at be because been before being both but by can could
    did do does doing each else for from get gets got had has have having he her here hers him his
    how i if in into is it its itself just me more most much my of off on or our ours out over own
    she should so some such than that their theirs them then there these they this those through
    to too under up us very was we were what when where which while who whom why will with would
    you your yours
    aber als am an auch auf aus bei bin bis bist da dann dass doch du er es für hat habe haben ich
    ihr im in ist ja man mein mit nach noch nun nur oder sich sie sind so um und uns von vor war
    was wenn wer wie wir wird wo zu zum zur
    au aux avec ce ces dans de des du elle en est et il ils je leur lui mais ne nous on ou par pas
    pour que qui sa se ses son sur te tu vous y
    """.split()
)
_LINKS = frozenset("is are was were be has have had of s ist hat est a".split())
_NEGATIONS = frozenset(
    """
    not no never none nobody nothing neither nor without cannot except unless stop stops stopped
    nicht kein keine keinen keiner nie niemals ohne pas jamais sans
    """.split()
)


def plain(text: str) -> str:
    """`text` in lower case without accents: 'Größe' → 'grosse'."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(each for each in folded if not unicodedata.combining(each))


def words(text: str) -> list[str]:
    """Its words and numbers in order, plain; '1,200.00' is '1200'."""
    return [_number(each) if each[0].isdigit() else each for each in _WORD.findall(plain(text))]


def normal(text: str) -> str:
    """The same for texts that differ in case, accents, punctuation, articles or blanks only."""
    return " ".join(each for each in words(text) if each not in ARTICLES)


def predicate_key(text: str) -> str:
    """`normal`, and 'has the phone_number' is 'phone number'. What has no other word keeps them."""
    found = words(text.replace("_", " "))
    return " ".join(each for each in found if each not in _LINKS | ARTICLES) or " ".join(found)


def content(text: str) -> list[str]:
    """The words that carry its matter, without their endings; what an index holds of it."""
    return [_stem(each) for each in words(text) if each not in EMPTY]


def sentences(text: str) -> list[str]:
    return [each.strip() for each in _SENTENCE.split(text) if each.strip()]


def figures(text: str) -> frozenset[str]:
    """Its numbers."""
    return frozenset(each for each in words(text) if each[0].isdigit())


def denials(text: str) -> int:
    """How often it says no."""
    return sum(each in _NEGATIONS or each.endswith(("n't", "n’t")) for each in words(text))


def names(text: str) -> frozenset[str]:
    """Words with a capital letter that stand where none is due, as `content` spells them."""
    found: set[str] = set()
    for sentence in sentences(text):
        for each in _WORD.findall(sentence)[1:]:
            if each[0].isupper():
                found.update(content(each))
    return frozenset(found)


def _number(text: str) -> str:
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    fraction = _FRACTION.fullmatch(text)
    return text if fraction is None else ".".join(filter(None, fraction.groups()))


def _stem(word: str) -> str:
    """Without the endings of English plurals and possessives, and of most verbs."""
    word = re.sub(r"['’]s?$", "", word)
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 5 and word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if len(word) > 5 and word.endswith("ing"):
        return _undoubled(word[:-3])
    if len(word) > 4 and word.endswith("ed"):
        return _undoubled(word[:-2])
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def _undoubled(stem: str) -> str:
    """'plann' → 'plan', but 'bill' and 'pass' stay."""
    double = len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "lsz"
    return stem[:-1] if double else stem
