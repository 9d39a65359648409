"""In which language is a text? Told by its script, else by its commonest words and letters.

Good for an answer of a sentence or more in one of LANGUAGES; a name, a number
or a single word has no language here. It knows no language beyond these, so a
text in another Latin-script language is told as none, or as its nearest kin.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

# The commonest words of each. One that several of them have says so much less of any.
_WORDS: Mapping[str, frozenset[str]] = {
    code: frozenset(words.split())
    for code, words in {
        "de": "der die das und ist nicht ein eine einen einem dem den des mit für auf auch sich"
        " von zu zum zur wird sind ich sie wir ihr im vom bei nach oder aber wie wenn kann haben"
        " hat war als noch nur über einer eines durch aus werden dass in es bitte uns",
        "en": "the and is of to that it you with are this for was have be not they which from or"
        " by an at as can will has were their would there what we he she his her its been if"
        " into more about in a i on do no me us please",
        "es": "el los las una y que es por para con no se del al lo como más pero sus su está"
        " son ha muy también fue ser hay este esta entre cuando todo nos puede desde la de en a un",
        "fr": "le les et est une des du dans que qui pour pas vous avec sur au ce il elle nous"
        " plus par ne sont aux cette mais ou où été être je c'est d'un d'une leur ces ont fait"
        " la de en à un se son j'ai",
        "it": "il gli della dei che è di per non un una sono del con nel alla dal più anche come"
        " ma si lo questo questa delle degli al nella loro ha essere sua suo può hanno perché"
        " la le i e in a ci",
        "nl": "het een van is dat op te zijn met voor niet aan er om ook als bij maar dan door"
        " naar heeft deze wordt worden je uit kan nog hij ze geen meer over wij zij hun de en in"
        " ik ons we die was",
        "pl": "się nie na jest to że do jak z i w od dla przez po ale są był była tego oraz może"
        " co czy które który która jego jej tym być tak już przy bardzo o za a prosimy proszę",
        "pt": "o os um uma e que não é em para com se por do da dos das mais como mas foi ao ele"
        " ela seu sua são está você também pelo pela ser tem isso na no nos às a as de",
        "sv": "och att det som en är på av för med den till inte har ett om var jag de så kan men"
        " eller från vi ska blir när där efter också hade mycket sin detta i oss du min före han",
    }.items()
}
_OWNERS = Counter(word for words in _WORDS.values() for word in words)
# Letters that only some of these languages write.
_LETTERS: Mapping[str, frozenset[str]] = {
    "de": frozenset("ßäöü"),
    "es": frozenset("ñ¿¡"),
    "fr": frozenset("çœêîûèàâ"),
    "it": frozenset("òìù"),
    "pl": frozenset("łąęśżźćń"),
    "pt": frozenset("ãõç"),
    "sv": frozenset("åäö"),
}
# A script that one of the languages alone is written in.
_SCRIPTS: Mapping[str, str] = {
    "GREEK": "el",
    "ARABIC": "ar",
    "HEBREW": "he",
    "DEVANAGARI": "hi",
    "THAI": "th",
    "HANGUL": "ko",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "CJK": "zh",
    "CYRILLIC": "ru",
}
_UKRAINIAN = frozenset("іїєґІЇЄҐ")
_KANA_SHARE = 0.1

LANGUAGES = tuple(sorted({*_WORDS, *_SCRIPTS.values(), "uk"}))

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_READ_AT_MOST = 20_000
_LEAST = 1.0
_LETTER_HIT = 0.5


def language_of(text: str) -> str | None:
    """The code of the language that `text` is written in; None where that cannot be told."""
    text = text[:_READ_AT_MOST]
    scripts = Counter(map(_script, filter(str.isalpha, text)))
    if not scripts:
        return None
    if scripts["HIRAGANA"] + scripts["KATAKANA"] > _KANA_SHARE * scripts.total():
        return "ja"
    [(script, _)] = scripts.most_common(1)
    if script == "LATIN":
        return _by_words(text)
    if script == "CYRILLIC":
        return "uk" if _UKRAINIAN & set(text) else "ru"
    return _SCRIPTS.get(script)


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]


def _by_words(text: str) -> str | None:
    """Who has the most of its common words and letters here."""
    words = Counter(_WORD.findall(text.lower().replace("’", "'")))
    letters = Counter(text.lower())
    hits = {
        code: sum(words[word] / _OWNERS[word] for word in common)
        + _LETTER_HIT * sum(letters[letter] for letter in _LETTERS.get(code, ()))
        for code, common in _WORDS.items()
    }
    first, second = sorted(hits.values(), reverse=True)[:2]
    if first < _LEAST or first == second:
        return None
    return max(hits, key=lambda code: hits[code])
