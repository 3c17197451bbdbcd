"""Rational numbers as they are written: signs, thousands commas, decimals, fractions, mixed numbers, powers of ten."""

import re
from fractions import Fraction

SCALES = {
    "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
}  # fmt: skip
MAX_EXPONENT = 300

WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)"
DECIMAL = rf"(?:{WHOLE}(?:\.[0-9]*)?|\.[0-9]+)"
_SIGNED = rf"[+-]?\s?{DECIMAL}"
_FRACTION = re.compile(
    rf"(?P<sign>[+-]?)\s*(?:(?P<whole>{WHOLE})\s*)?"
    rf"\\frac\{{\s*(?P<over>{_SIGNED})\s*\}}\s*\{{\s*(?P<under>{_SIGNED})\s*\}}"
)
_QUOTIENT = re.compile(rf"(?P<sign>[+-]?)\s*(?:(?P<whole>{WHOLE})\s+)?(?P<over>{DECIMAL})\s*/\s*(?P<under>{_SIGNED})")
_POWER_OF_TEN = re.compile(
    rf"(?P<number>{_SIGNED})(?:\s*(?:\\times|\\cdot|\*|x)\s*10\s*\^\s*\{{?\s*|[eE])(?P<exponent>[+-]?[0-9]{{1,3}})\}}?"
)
_SCALED = re.compile(rf"(?P<number>{_SIGNED})\s*(?P<scale>{'|'.join(SCALES)})", re.IGNORECASE)


def rational(text: str) -> Fraction | None:
    """The number that the whole text writes, exactly; None when it is not written as a rational number.

    Read are "-5", "1,200", ".5", "3/4", "1 3/4", "\\frac{3}{4}", "1\\frac{3}{4}", "2.5 \\times 10^{3}", "2.5e3" and
    "3 million". Nothing is computed beyond one division; a power of ten beyond 10^300 is not read.

    Args:
        text: ASCII without units, delimiters and spacing commands (see ``cleaning.clean``).
    """
    if re.fullmatch(_SIGNED, text):
        return _number(text)
    if found := _FRACTION.fullmatch(text) or _QUOTIENT.fullmatch(text):
        over, under = _number(found["over"]), _number(found["under"])
        if under == 0 or (found["whole"] and (over < 0 or under < 0)):
            return None
        value = over / under + (_number(found["whole"]) if found["whole"] else 0)
        return -value if found["sign"] == "-" else value
    if found := _POWER_OF_TEN.fullmatch(text):
        exponent = int(found["exponent"])
        return _number(found["number"]) * Fraction(10) ** exponent if abs(exponent) <= MAX_EXPONENT else None
    if found := _SCALED.fullmatch(text):
        return _number(found["number"]) * SCALES[found["scale"].lower()]
    return None


def _number(text: str) -> Fraction:
    digits = re.sub(r"[+,\s]", "", text)
    whole, _, decimals = digits.partition(".")
    return Fraction(int(whole + decimals) if decimals else int(whole), 10 ** len(decimals))
