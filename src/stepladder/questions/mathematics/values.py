"""The value of an expression at a fixed point, as a floating-point number: tells unequal answers apart at once."""

import math
import re

DEEPEST = 40
"""Levels of nesting that are evaluated."""
LARGEST_EXPONENT = 10_000
LARGEST_FACTORIAL = 1_000

_TOKEN = re.compile(r"\s*(?:((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))|(\\[A-Za-z]+)|([A-Za-z])|([-+*/^(){}\[\]!]))")
_DIGITS = set("0123456789.")
_TIMES = {"*", "\\times", "\\cdot"}
_DIVIDED = {"/", "\\div"}
_CONSTANTS = {"\\pi": math.pi, "e": math.e, "i": 1j}
_PRODUCT_ENDS = {"", "+", "-", ")", "}", "]"}
_OPENING = {"(": ")", "{": "}", "[": "]"}


class Unbounded(Exception):
    """A power, factorial or binomial so large, or nested so deep, that nobody should compute it."""


class _Unread(Exception):
    """The expression is not of the small language that is evaluated here."""


def value(text: str) -> complex | None:
    """The value of an expression with every variable at a fixed irregular point; None when it cannot be told.

    Read are numbers, letters, \\pi, e, i, + - * / ^ !, \\frac, \\sqrt, \\binom, brackets and products without a sign.
    Equal expressions have values that agree to rounding; so values that differ show that expressions differ.

    Raises:
        Unbounded: for an exponent beyond ``LARGEST_EXPONENT``, a factorial or binomial beyond ``LARGEST_FACTORIAL``,
            and brackets or signs deeper than ``DEEPEST``.
    """
    try:
        reader = _Reader(text)
        result = complex(reader.sum(0))
        if reader.next:
            return None
    except (_Unread, ArithmeticError, ValueError):
        return None
    return result if math.isfinite(result.real) and math.isfinite(result.imag) else None


def differ(first: complex, second: complex) -> bool:
    """Whether two values are too far apart to be the same number computed in two ways."""
    return abs(first - second) > 1e-8 * max(abs(first), abs(second)) + 1e-12


class _Reader:
    """Recursive descent; every method reads what it is named after and returns its value."""

    def __init__(self, text: str):
        self._tokens = _tokens(text)
        self._place = 0

    @property
    def next(self) -> str:
        """The token to come; empty at the end."""
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _advance(self) -> str:
        self._place += 1
        return self._tokens[self._place - 1] if self._place <= len(self._tokens) else ""

    def sum(self, depth: int) -> complex:
        total = self._product(depth)
        while self.next in ("+", "-"):
            sign = 1 if self._advance() == "+" else -1
            total += sign * self._product(depth)
        return total

    def _product(self, depth: int) -> complex:
        total, divided = self._signed(depth), False
        while self.next not in _PRODUCT_ENDS:
            if self.next in _TIMES:
                self._advance()
                total *= self._signed(depth)
            elif self.next in _DIVIDED:
                self._advance()
                total /= self._signed(depth)
                divided = True
            elif divided or self.next[0] in _DIGITS:
                # "1/2x" and "2 1/2" mean different things to different people.
                raise _Unread
            else:
                total *= self._power(depth)
        return total

    def _signed(self, depth: int) -> complex:
        if depth > DEEPEST:
            raise Unbounded
        if self.next in ("+", "-"):
            return (1 if self._advance() == "+" else -1) * self._signed(depth + 1)
        return self._power(depth)

    def _power(self, depth: int) -> complex:
        base = self._atom(depth)
        while self.next == "!":
            self._advance()
            base = float(math.factorial(_small(base)))
        return self._raised(base, depth)

    def _raised(self, base: complex, depth: int) -> complex:
        if self.next != "^":
            return base
        if depth > DEEPEST:
            raise Unbounded
        self._advance()
        try:
            exponent = self._raised(self._atom(depth + 1), depth + 1)
        except OverflowError:
            raise Unbounded from None
        if abs(exponent) > LARGEST_EXPONENT:
            raise Unbounded
        return _power(base, exponent)

    def _atom(self, depth: int) -> complex:
        if self.next in _OPENING:
            return self._group(depth)
        token = self._advance()
        if token in _CONSTANTS:
            return _CONSTANTS[token]
        if token == "\\frac":
            return self._group(depth) / self._group(depth)
        if token == "\\binom":
            return float(math.comb(_small(self._group(depth)), _small(self._group(depth))))
        if token == "\\sqrt":
            if self.next != "[":
                return complex(self._group(depth)) ** 0.5
            degree = self._group(depth)
            return _power(self._group(depth), 1 / degree)
        if token[:1] in _DIGITS:
            return float(token)
        if token[:1].isalpha():
            # Variables are positive, and no two have values in a simple ratio.
            return 0.5 + math.modf(ord(token) * math.sqrt(2))[0] + ord(token) / 97
        raise _Unread

    def _group(self, depth: int) -> complex:
        closing = _OPENING.get(self.next)
        if closing is None:
            raise _Unread
        self._advance()
        result = self.sum(depth + 1)
        if self._advance() != closing:
            raise _Unread
        return result


def _tokens(text: str) -> list[str]:
    tokens, place = [], 0
    while found := _TOKEN.match(text, place):
        tokens.append(found[found.lastindex])
        place = found.end()
    if text[place:].strip():
        raise _Unread
    return tokens


def _power(base: complex, exponent: complex) -> complex:
    base, exponent = complex(base), complex(exponent)
    if base.real < 0 and not (exponent.imag == 0 and exponent.real.is_integer()):
        # The root of a negative number is one thing among the reals and another among the complex numbers.
        raise _Unread
    return base**exponent


def _small(number: complex) -> int:
    number = complex(number)
    if number.imag or number.real < 0 or not number.real.is_integer():
        raise _Unread
    if number.real > LARGEST_FACTORIAL:
        raise Unbounded
    return int(number.real)
