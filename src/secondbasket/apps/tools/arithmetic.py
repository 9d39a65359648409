"""Arithmetic as people write it, worked out exactly.

The grammar, from what binds least to what binds most::

    sum      = product {("+" | "-") product}
    product  = sign {("*" | "/" | "//" | "of") sign | "%" sign}
    sign     = ("+" | "-") sign | power
    power    = percent [("^" | "**") sign]
    percent  = atom ["%"]
    atom     = NUMBER | "(" sum ")" | FUNCTION "(" [sum {"," sum}] ")"

A ``%`` that stands right behind a number or a bracket, and before nothing that
could be a number, is a percentage; any other is what is left of a division.
``350 + 19%`` means one thing to a shop and another to a school: it is refused.
Every value is a fraction of whole numbers, whose digits are counted as it
grows. Nothing here calls anything by a name that was handed in.
"""

import math
import re
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from statistics import median
from typing import NoReturn

import msgspec

from secondbasket.errors import BasketError

LONGEST = 2000
"""Most characters of an expression."""
MOST_DIGITS = 1000
"""Most digits that a number may have, above or below the line of its fraction."""

_DEEPEST = 40
_LARGEST_EXPONENT = 1000
_MOST_BITS = int(MOST_DIGITS * math.log2(10))
_SHOWN = 30
_MOST_PLACES = 60
_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-"})
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])"
    r"|(?P<name>[A-Za-z_]+)|(?P<mark>\*\*|//|[-+*/%^(),]))",
    re.ASCII,
)


class BadExpression(BasketError):
    """What cannot be worked out; the hint says how to write it."""

    code = "bad_expression"
    status = 400


class Value(msgspec.Struct, frozen=True):
    """A number. `exact` unless a root had to be rounded on the way."""

    number: Fraction
    exact: bool = True
    percent: bool = False


def work_out(expression: str) -> Value:
    """The value of `expression`. Raises BadExpression."""
    if len(expression) > LONGEST:
        _refuse(f"the expression is longer than {LONGEST} characters", "Work it out in parts.")
    return _Reader(_tokens(expression)).all()


def written(value: Value) -> str:
    """The number as a decimal where it has one, else as a fraction and about how much it is."""
    number = value.number
    twos, fives = (_power_of(number.denominator, factor) for factor in (2, 5))
    places = max(twos, fives)
    if number.denominator == 2**twos * 5**fives and places <= _MOST_PLACES and value.exact:
        return _decimal(number, places)
    about = _rounded(number)
    return f"{number} (about {about})" if value.exact else f"about {about}"


def _decimal(number: Fraction, places: int) -> str:
    """One whose fraction ends after so many places, with all its digits."""
    digits = str(abs(number.numerator) * 10**places // number.denominator).rjust(places + 1, "0")
    whole, part = digits[: len(digits) - places], digits[len(digits) - places :]
    return ("-" if number < 0 else "") + whole + (f".{part}" if part else "")


def _power_of(number: int, factor: int) -> int:
    power = 0
    while number % factor == 0:
        number //= factor
        power += 1
    return power


def _rounded(number: Fraction) -> str:
    context = Context(prec=_SHOWN, rounding=ROUND_HALF_UP)
    return str(context.divide(Decimal(number.numerator), Decimal(number.denominator)))


def _tokens(expression: str) -> list[tuple[str, str]]:
    """(kind, text) of every token, and an end."""
    found, place = [], 0
    text = expression.rstrip().translate(_SIGNS)
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            _refuse(
                f"at character {place + 1} stands {text[place : place + 12].strip()!r}",
                "Write numbers as 1234.56, without separators or units, and + - * / ( ) between"
                " them.",
            )
        assert match.lastgroup is not None
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return [*found, ("end", "")]


class _Reader:
    """Reads tokens from left to right, working out as it reads."""

    def __init__(self, tokens: Sequence[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    def all(self) -> Value:
        value = self._sum()
        if self._kind != "end":
            self._unexpected()
        return value

    @property
    def _kind(self) -> str:
        return self._tokens[self._place][0]

    @property
    def _text(self) -> str:
        return self._tokens[self._place][1]

    def _take(self, *texts: str) -> str:
        """The token, where it is one of `texts`, else ''."""
        text = self._text
        if self._kind in ("mark", "name") and text in texts:
            self._place += 1
            return text
        return ""

    def _sum(self) -> Value:
        self._depth += 1
        if self._depth > _DEEPEST:
            _refuse(f"the brackets are more than {_DEEPEST} deep", "Work it out in parts.")
        value = self._product()
        while mark := self._take("+", "-"):
            other = self._product()
            if other.percent != value.percent:
                _refuse(
                    "a percentage is added to something that is none",
                    "Say of what: '350 + 19% of 350', or '350 * 1.19'.",
                )
            sum_ = value.number + other.number if mark == "+" else value.number - other.number
            value = _value(sum_, value, other, percent=value.percent)
        self._depth -= 1
        return value

    def _product(self) -> Value:
        value = self._sign()
        while mark := self._take("*", "/", "//", "%", "of"):
            value = _multiplied(mark, value, self._sign())
        return value

    def _sign(self) -> Value:
        negative = False
        while mark := self._take("+", "-"):
            negative ^= mark == "-"
        value = self._power()
        return _value(-value.number, value, percent=value.percent) if negative else value

    def _power(self) -> Value:
        base = self._percent()
        if not self._take("^", "**"):
            return base
        self._depth += 1
        if self._depth > _DEEPEST:
            _refuse(f"powers are more than {_DEEPEST} deep", "Work it out in parts.")
        exponent = self._sign()
        self._depth -= 1
        return _raised(base, exponent)

    def _percent(self) -> Value:
        value = self._atom()
        if self._text == "%" and not self._begins_number(self._place + 1):
            self._place += 1
            return _value(value.number / 100, value, percent=True)
        return value

    def _begins_number(self, place: int) -> bool:
        kind, text = self._tokens[place]
        return kind == "number" or text == "(" or (kind == "name" and text != "of")

    def _atom(self) -> Value:
        kind, text = self._tokens[self._place]
        if kind == "number":
            self._place += 1
            return Value(_number(text))
        if self._take("("):
            value = self._sum()
            self._require(")")
            return value
        if kind != "name" or text == "of":
            self._unexpected()
        self._place += 1
        return self._called(text)

    def _called(self, name: str) -> Value:
        function = _FUNCTIONS.get(name.lower())
        if function is None:
            _refuse(f"there is no function '{name[:40]}'", f"There are: {', '.join(_FUNCTIONS)}.")
        self._require("(")
        values: list[Value] = []
        while not self._take(")"):
            if values:
                self._require(",")
            values.append(self._sum())
        return function(values)

    def _require(self, mark: str) -> None:
        if not self._take(mark):
            self._unexpected(f"'{mark}' belongs")

    def _unexpected(self, wanted: str = "a number belongs") -> NoReturn:
        found = "the end" if self._kind == "end" else f"'{self._text}'"
        hint = "Write numbers without separators, as 1234.56." if self._text == "," else ""
        _refuse(f"{found} stands where {wanted}", hint)


def _number(text: str) -> Fraction:
    digits, _, exponent = text.lower().partition("e")
    if len(digits) > MOST_DIGITS or len(exponent) > 5 or abs(int(exponent or 0)) > MOST_DIGITS:
        _refuse(f"a number has more than {MOST_DIGITS} digits", "Use smaller numbers.")
    return Fraction(Decimal(text))


def _value(number: Fraction, *of: Value, percent: bool = False) -> Value:
    if max(number.numerator.bit_length(), number.denominator.bit_length()) > _MOST_BITS:
        _refuse(f"the result has more than {MOST_DIGITS} digits", "Use smaller numbers.")
    return Value(number, all(each.exact for each in of), percent)


def _multiplied(mark: str, value: Value, other: Value) -> Value:
    if mark in ("*", "of"):
        return _value(value.number * other.number, value, other)
    if other.number == 0:
        _refuse("it divides by zero", "")
    if mark == "/":
        return _value(value.number / other.number, value, other)
    whole = Fraction(value.number // other.number)
    left = whole if mark == "//" else value.number - whole * other.number
    return _value(left, value, other)


def _raised(base: Value, exponent: Value) -> Value:
    if exponent.number.denominator != 1:
        _refuse("the exponent is no whole number", "For a square root write sqrt(x).")
    power = exponent.number.numerator
    size = max(base.number.numerator.bit_length(), base.number.denominator.bit_length())
    if abs(power) > _LARGEST_EXPONENT or size * abs(power) > 2 * _MOST_BITS:
        _refuse(f"the result has more than {MOST_DIGITS} digits", "Use smaller numbers.")
    if base.number == 0 and power < 0:
        _refuse("it divides by zero", "")
    return _value(base.number**power, base, exponent)


def _one(name: str, values: Sequence[Value]) -> Value:
    if len(values) != 1:
        _refuse(f"{name} takes one number, not {len(values)}", "")
    return values[0]


def _some(name: str, values: Sequence[Value]) -> list[Fraction]:
    if not values:
        _refuse(f"{name} takes at least one number", "")
    return [each.number for each in values]


def _root(values: Sequence[Value]) -> Value:
    value = _one("sqrt", values)
    number = value.number
    if number < 0:
        _refuse("it takes the root of a negative number", "")
    above, below = math.isqrt(number.numerator), math.isqrt(number.denominator)
    if above * above == number.numerator and below * below == number.denominator:
        return _value(Fraction(above, below), value)
    context = Context(prec=_SHOWN)
    of = context.divide(Decimal(number.numerator), Decimal(number.denominator))
    return Value(Fraction(context.sqrt(of)), exact=False)


def _round(values: Sequence[Value]) -> Value:
    """Half goes away from zero, as in commerce."""
    if len(values) not in (1, 2):
        _refuse("round takes a number, and how many places it keeps", "As in round(2.345, 2).")
    places = values[1].number if len(values) == 2 else Fraction(0)
    if places.denominator != 1 or not -100 <= places <= 100:
        _refuse("round keeps a whole number of places, at most 100", "As in round(2.345, 2).")
    scale = Fraction(10) ** places.numerator
    scaled = values[0].number * scale
    whole = math.floor(abs(scaled) + Fraction(1, 2))
    return _value((whole if scaled >= 0 else -whole) / scale, *values)


_FUNCTIONS: dict[str, Callable[[Sequence[Value]], Value]] = {
    "sum": lambda values: _value(sum(_some("sum", values), Fraction(0)), *values),
    "mean": lambda values: _value(sum(_some("mean", values), Fraction(0)) / len(values), *values),
    "median": lambda values: _value(median(_some("median", values)), *values),
    "min": lambda values: _value(min(_some("min", values)), *values),
    "max": lambda values: _value(max(_some("max", values)), *values),
    "count": lambda values: Value(Fraction(len(values))),
    "abs": lambda values: _value(abs(_one("abs", values).number), *values),
    "floor": lambda values: _value(Fraction(math.floor(_one("floor", values).number)), *values),
    "ceil": lambda values: _value(Fraction(math.ceil(_one("ceil", values).number)), *values),
    "round": _round,
    "sqrt": _root,
}

FUNCTIONS = tuple(_FUNCTIONS)


def _refuse(why: str, hint: str) -> NoReturn:
    raise BadExpression(f"It cannot be worked out: {why}.", hint=hint)
