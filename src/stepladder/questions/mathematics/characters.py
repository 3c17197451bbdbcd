"""Any Unicode text as the ASCII and LaTeX that means the same: digits, signs, fractions, superscripts, blanks."""

import re
import unicodedata

_SAME = {
    "×": r"\times ", "⋅": r"\cdot ", "·": r"\cdot ", "∙": r"\cdot ", "∗": "*", "÷": "/", "⁄": "/", "∕": "/",
    "π": r"\pi ", "∞": r"\infty ", "°": r"^\circ ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "∪": r"\cup ",
    "∩": r"\cap ", "±": r"\pm ", "∈": r"\in ", "√": r"\sqrt ", "θ": r"\theta ", "−": "-", "﹣": "-",
    "“": '"', "”": '"', "‘": "'", "’": "'",
}  # fmt: skip
_ROOT = re.compile(r"√\s*([0-9]+)")


def ascii_mathematics(text: str) -> str:
    """The text with LaTeX in place of mathematical characters, ASCII digits of every script, and plain blanks.

    Control characters and lone surrogates become blanks, so that nothing they separate grows together; characters
    without width vanish. Letters of other scripts stay as they are.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_character, _ROOT.sub(r"\\sqrt{\1}", text)))


def _character(character: str) -> str:
    if " " <= character <= "~":
        return character
    if character in _SAME:
        return _SAME[character]
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("Cc", "Cs", "Zs", "Zl", "Zp"):
        return " "
    if category == "Cf":
        return ""
    if category == "Pd":
        return "-"
    decomposition = unicodedata.decomposition(character)
    kind, _, codes = decomposition.partition("> ")
    plain = "".join(chr(int(code, 16)) for code in codes.split())
    match kind:
        case "<super":
            return f"^{{{plain}}}" if plain.isascii() else character
        case "<sub":
            return f"_{{{plain}}}" if plain.isascii() else character
        case "<fraction":
            return f" {plain.replace('⁄', '/')}"
        case "<wide":
            return plain
        case _:
            return character
