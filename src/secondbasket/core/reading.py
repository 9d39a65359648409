"""A text as detectors read it: plainly spelled, and by its shape.

Spelling that hides nothing from a person hides nothing here. Mended is what
costs little to mend: the escapes of JSON inside JSON, full width and
mathematical letters and digits, the digits of other scripts, blanks and dashes
of every kind, characters that nobody sees. Not mended, and so not found
behind, are encodings (Base64, URL, HTML), letters of another alphabet that
look alike, numbers written as words, and pictures of text.

The shape has a 9 for every digit and an A for every letter. Identifiers are
looked for by it ('999-99-9999'): a few bytes among many are found thirty times
as fast as by a pass of a regular expression, and no input makes it slow.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, cached_property

_SIMPLE_ESCAPES = {"\\n": " ", "\\r": " ", "\\t": " ", '\\"': '"', "\\/": "/"}
_CODE_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})")
_ASCII = bytes(range(128))
_MENDED = {
    # Soft hyphens, joiners, marks of direction, byte order marks.
    **dict.fromkeys("\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\ufeff", ""),
    **dict.fromkeys(map(chr, (*range(0x202A, 0x202F), *range(0x2060, 0x206A))), ""),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212", "-"),
    **dict.fromkeys("\u0085\u2028\u2029", "\n"),
}
# Two ligatures that the normal form would make eighteen letters of.
_LONG_LIGATURES = ("\ufdfa", "\ufdfb")

_BLANKS = bytes(0x20 if chr(code).isspace() else code for code in range(256))
_SHAPES = bytes(
    0x39 if code in b"0123456789" else 0x41 if code < 128 and chr(code).isalpha() else code
    for code in range(256)
)
_SEPARATORS = b" -./"
_NOT_OF_NUMBERS = bytes(code for code in range(256) if code not in b"9.-/ ")
_LONG = 20
_NUMBER = re.compile(rb"99999999*+")


class Reading:
    """One text: `text` plainly spelled (positions are not those of what was given).

    `ascii`, `lower` and `shape` are bytes of one length, one for each
    character: as it is, in lower case, and its shape. Characters outside ASCII
    are a question mark there and white space is a blank, so that a number
    broken over two lines has the shape it had on one.
    """

    def __init__(self, text: str) -> None:
        self.text = _plain(text)

    @cached_property
    def ascii(self) -> bytes:
        return self.text.encode("ascii", "replace").translate(_BLANKS)

    @cached_property
    def lower(self) -> bytes:
        return self.ascii.lower()

    @cached_property
    def shape(self) -> bytes:
        return self.ascii.translate(_SHAPES)

    def find(self, form: bytes) -> Iterator[int]:
        """Where in the shape `form` stands alone, as a word of its own."""
        if not self.may_have(form):
            return
        shape, length = self.shape, len(form)
        start = shape.find(form)
        while start >= 0:
            end = start + 1
            if self.begins(start) and self.ends(start + length):
                yield start
                end = start + length
            start = shape.find(form, end)

    def may_have(self, form: bytes) -> bool:
        """False where the shape has no such `form`, told in less time than looking for it takes."""
        if b" " in form:
            groups = self._has_groups or b"9 9" not in form
            return groups and self._words.issuperset(_middle(form))
        core = form.translate(None, _NOT_OF_NUMBERS)
        return len(core) >= _LONG or core in self._outline

    @cached_property
    def _has_groups(self) -> bool:
        """Do digits stand apart by a blank anywhere?"""
        return b"9 9" in self.shape

    @cached_property
    def _words(self) -> frozenset[bytes]:
        """The words of the shape without their letters, each once: a hundredth of a text.

        A word of letters alone is an empty one. A long row of digits is cut: it holds no form, but
        may be what is left of several words.
        """
        words = set(self.shape.translate(None, _NOT_OF_NUMBERS).split())
        cut = {word[: _LONG - 1] for word in words if len(word) >= _LONG and not word.strip(b"9")}
        return frozenset(words | cut | {b""})

    @cached_property
    def _outline(self) -> bytes:
        return b" ".join(word for word in self._words if len(word) < _LONG or word.strip(b"9"))

    @cached_property
    def numbers(self) -> tuple[tuple[int, int], ...]:
        """(start, end) of each unbroken row of seven digits or more, letters beside it or not."""
        return tuple(found.span() for found in _NUMBER.finditer(self.shape))

    def begins(self, start: int) -> bool:
        """Does a word begin at `start`, and not in the middle of a dotted or dashed number?"""
        before = self.shape[max(0, start - 2) : start]
        return before[-1:] not in (b"9", b"A") and before not in (b"9.", b"9/", b"9-")

    def ends(self, end: int) -> bool:
        """As `begins`, for the end of a word; what goes on with a dash and a letter goes on."""
        after = self.shape[end : end + 2]
        return after[:1] not in (b"9", b"A") and after not in (b".9", b"/9", b"-9", b"-A")

    def compact(self, start: int, length: int) -> str:
        """The next `length` letters and digits from `start`, separators left out.

        Empty where something else comes between, or the last of them ends no word.
        """
        window = self.ascii[start : start + length + length // 3 + 2]
        together = window.translate(None, _SEPARATORS)[:length]
        if len(together) < length or not together.isalnum():
            return ""
        end = length
        while missing := length - len(window[:end].translate(None, _SEPARATORS)):
            end += missing
        return together.decode() if self.ends(start + end) else ""


@cache
def _middle(form: bytes) -> frozenset[bytes]:
    """The words that stand between two blanks of a form, without their letters."""
    return frozenset(form.translate(None, _NOT_OF_NUMBERS).split(b" ")[1:-1])


def _plain(text: str) -> str:
    if "\\" in text:
        for escape, meant in _SIMPLE_ESCAPES.items():
            text = text.replace(escape, meant)
        if "\\u" in text:
            text = _CODE_ESCAPE.sub(_unescape, text)
    if text.isascii():
        return text
    for ligature in _LONG_LIGATURES:
        text = text.replace(ligature, " ")
    text = unicodedata.normalize("NFKC", text)
    strange = set(
        text.encode(errors="surrogatepass").translate(None, _ASCII).decode(errors="replace")
    )
    for character in strange & _MENDED.keys():
        text = text.replace(character, _MENDED[character])
    for digit in filter(str.isdecimal, strange):
        text = text.replace(digit, str(unicodedata.decimal(digit)))
    return text


def _unescape(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16))
