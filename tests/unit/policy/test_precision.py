"""How often the detectors see what is not there, and miss what is: on texts of a company's days.

The figures in design/policy.md are what this prints with ``-s``.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import phonenumbers
import pytest

from secondbasket.core.reading import Reading
from secondbasket.policy.policy import load_detectors
from tests.sensitive import CORPORA, EXAMPLES, HARMLESS

DETECTORS = load_detectors()
ROOT = Path(__file__).parents[3]
_LINES = 4000


def found(text: str) -> Counter[str]:
    reading = Reading(text)
    counts = {name: detector.count(reading) for name, detector in DETECTORS.items()}
    return Counter({name: count for name, count in counts.items() if count})


@pytest.mark.parametrize("corpus", sorted(path.name for path in CORPORA.iterdir()))
def test_nothing_is_found_in_ordinary_text(corpus: str) -> None:
    lines = (CORPORA / corpus).read_text().splitlines()
    wrong = {line: dict(what) for line in lines if (what := found(line))}
    print(f"\n{corpus}: {len(lines)} lines, {len(wrong)} wrong")
    assert wrong == {}
    assert found("\n".join(lines)) == Counter()


def test_our_own_source_has_little_in_it() -> None:
    """Programs talk of keys and tokens all day; this one does more than most."""
    files = sorted((ROOT / "src").rglob("*.py"))
    wrong = {path.name: dict(what) for path in files if (what := found(path.read_text()))}
    print(f"\nsource: {len(files)} files, in {len(wrong)}: {wrong}")
    assert len(files) > 150
    assert len(wrong) <= len(files) // 50


def _digits(chance: random.Random, count: int) -> str:
    return "".join(chance.choices("0123456789", k=count))


def _part(chance: random.Random) -> str:
    return "-".join(_digits(chance, chance.randint(2, 5)) for _ in range(chance.randint(2, 4)))


MADE_UP: dict[str, Callable[[random.Random], str]] = {
    "order numbers of 10 digits": lambda c: f"order {_digits(c, 10)}",
    "numbers of 8 to 12 digits": lambda c: f"no. {_digits(c, c.randint(8, 12))}",
    "numbers of 13 to 19 digits": lambda c: f"no. {_digits(c, c.randint(13, 19))}",
    "part numbers": lambda c: f"part {_part(c)}",
    "letters and digits": lambda c: "".join(
        c.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=12)
    ),
    "two letters, digits": lambda c: (
        "".join(c.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=2)) + _digits(c, 9)
    ),
    "amounts": lambda c: f"EUR {c.randint(0, 10**9) / 100:,.2f}",
    "dates and times": lambda c: (
        f"{c.randint(1970, 2040)}-{c.randint(1, 12):02}-{c.randint(1, 28):02}"
        f" {c.randint(0, 23):02}:{c.randint(0, 59):02}:{c.randint(0, 59):02}"
    ),
    "rows of four digits": lambda c: " ".join(_digits(c, 4) for _ in range(6)),
    "digests": lambda c: f"sha256:{c.randbytes(32).hex()}",
    "decimals": lambda c: repr(c.gauss(0, 1000)),
}
# The most wrong findings in a thousand lines. Long numbers by themselves are the hard case: of
# those with a card's length, one in three has an issuer's beginning, and one in ten of these
# its check digit.
MOST = {
    "numbers of 8 to 12 digits": 6,
    "numbers of 13 to 19 digits": 20,
    "letters and digits": 2,
    "two letters, digits": 8,
    "part numbers": 8,  # a US social security number has no check digit, only its groups
    "rows of four digits": 6,
}


def made_up(kind: str) -> Iterator[str]:
    chance = random.Random(kind)
    return (MADE_UP[kind](chance) for _ in range(_LINES))


@pytest.mark.parametrize("kind", MADE_UP)
def test_made_up_numbers_are_rarely_taken_for_others(kind: str) -> None:
    wrong: Counter[str] = Counter()
    for line in made_up(kind):
        wrong.update(found(line).keys())
    per_mille = wrong.total() * 1000 / _LINES
    print(f"\n{kind}: {per_mille:.1f} in a thousand, {dict(wrong)}")
    assert per_mille <= MOST.get(kind, 1)


def test_what_is_there_is_found() -> None:
    """Recall: every example, in a sentence, by the detector that is for it."""
    missed = {
        (name, text)
        for name, texts in EXAMPLES.items()
        for text in texts
        if not DETECTORS[name].count(Reading(f"Please note {text} for our files."))
    }
    print(f"\nrecall: {sum(map(len, EXAMPLES.values()))} examples, {len(missed)} missed")
    assert missed == set()


def test_what_only_looks_like_it_is_not_found() -> None:
    wrong = {
        (name, text)
        for name, texts in HARMLESS.items()
        for text in texts
        if DETECTORS[name].count(Reading(f"Please note {text} for our files."))
    }
    assert wrong == set()


def _ibans(chance: random.Random) -> Iterator[str]:
    """Random account numbers of every country, in the registry's own form."""
    characters = {"n": "0123456789", "a": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    characters["c"] = characters["n"] + characters["a"]
    for prefix, parts in (
        *(("DE", "18n"), ("AT", "16n"), ("CH", "5n12c"), ("FR", "10n11c2n"), ("NL", "4a10n")),
        *(("GB", "4a14n"), ("PL", "24n"), ("SE", "20n"), ("LU", "3n13c"), ("MT", "4a5n18c")),
    ):
        for _ in range(50):
            body = "".join(
                chance.choice(characters[kind])
                for count, kind in re.findall(r"(\d+)([nac])", parts)
                for _ in range(int(count))
            )
            digits = "".join(str(int(each, 36)) for each in f"{body}{prefix}00")
            number = f"{prefix}{98 - int(digits) % 97:02}{body}"
            yield number
            yield " ".join(number[at : at + 4] for at in range(0, len(number), 4))


def _cards(chance: random.Random) -> Iterator[str]:
    for start, length in (
        ("4", 16),
        ("51", 16),
        ("2720", 16),
        ("34", 15),
        ("6011", 16),
        ("36", 14),
    ):
        for _ in range(50):
            body = start + _digits(chance, length - len(start) - 1)
            doubled = (int(each) * 2 for each in reversed(body[-1::-2]))
            total = sum(each // 10 + each % 10 for each in doubled)
            total += sum(map(int, body[-2::-2]))
            number = f"{body}{-total % 10}"
            yield number
            if length == 16:
                for mark in (" ", "-", "."):
                    yield mark.join(number[at : at + 4] for at in range(0, 16, 4))


def _phones(_: random.Random) -> Iterator[str]:
    """libphonenumber's own example of each country, as people there write it to others."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        example = phonenumbers.example_number(region)
        if example is not None:
            for form in ("INTERNATIONAL", "E164"):
                kind = getattr(phonenumbers.PhoneNumberFormat, form)
                yield phonenumbers.format_number(example, kind)


def _addresses(chance: random.Random) -> Iterator[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    for _ in range(300):
        local = "".join(chance.choices(f"{letters}0123456789._+-", k=chance.randint(1, 20)))
        domain = "".join(chance.choices(letters, k=chance.randint(2, 12)))
        end = chance.choice("de com org co.uk fr io museum".split())
        yield f"{local.strip('._+-') or 'a'}@{domain}.{end}"


TRUE: dict[str, Callable[[random.Random], Iterator[str]]] = {
    "iban": _ibans,
    "payment_card": _cards,
    "phone_number": _phones,
    "email_address": _addresses,
}
# The least that is found of those that nobody looked at when the detector was written.
LEAST = {"iban": 0.999, "payment_card": 0.999, "phone_number": 0.97, "email_address": 0.99}


@pytest.mark.parametrize("name", TRUE)
def test_of_made_up_ones_nearly_all_are_found(name: str) -> None:
    texts = list(TRUE[name](random.Random(name)))
    missed = [
        text for text in texts if not DETECTORS[name].count(Reading(f"Please note {text} for us."))
    ]
    print(f"\n{name}: {len(missed)} of {len(texts)} missed: {missed[:10]}")
    assert 1 - len(missed) / len(texts) >= LEAST[name]
