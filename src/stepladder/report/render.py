"""One table in four formats: tidy CSV with every number, and Markdown, LaTeX and HTML for readers.

The same table gives the same bytes: no dates, no versions, no order that depends on the run.
"""

import csv
import html
import io
import re
from collections.abc import Sequence
from dataclasses import asdict

from stepladder.report.cells import Cell, Line
from stepladder.report.layout import Layout

_NUMBERS = tuple(Cell.__dataclass_fields__)

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem; color: #1a1a1a; background: #fff; }
table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid; }
caption { text-align: left; font-weight: 600; font-size: 1.1rem; padding-bottom: .6rem; }
th, td { padding: .3rem .75rem; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 1px solid; }
tbody tr:nth-child(even) { background: #f4f6f8; }
tr.reported { font-style: italic; color: #5a5a5a; }
p { max-width: 62rem; color: #444; font-size: .9rem; margin: .5rem 0; }
"""

_TEX = str.maketrans(
    {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
     "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "–": "--"}
)  # fmt: skip


_MARKDOWN = str.maketrans({character: f"\\{character}" for character in r"\`*<[|"})

_MINUS = re.compile(r"(?<!\w)-(?=\d)")


def texts_of(lines: Sequence[Line], seeds: int | None, layout: Layout) -> dict[str, str]:
    """A table in every format, by the name of its file; without seeds where what it tells has none."""
    return {
        "table.csv": render_csv(lines, seeds),
        "table.md": render_markdown(layout),
        "table.tex": render_latex(layout),
        "table.html": render_html(layout),
    }


def render_csv(lines: Sequence[Line], seeds: int | None) -> str:
    """Tidy: one line per row and column, in per cent to four places; empty where there is no such number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "column", *_NUMBERS, "seeds", "questions", "differs_from", "source"])
    for line in lines:
        source = f"reported: {line.source}" if line.reported else line.source
        for column, cell in line.cells.items():
            numbers = ["" if value is None else f"{value:.4f}" for value in asdict(cell).values()]
            sizes = ["", ""] if line.reported else [seeds, line.questions[column]]
            differs = "; ".join(line.differs_from.get(column, ()))
            writer.writerow([line.label, column, *numbers, *sizes, differs, source])
    return text.getvalue()


def render_markdown(layout: Layout) -> str:
    """A pipe table whose columns also line up in a terminal."""
    header = [word.translate(_MARKDOWN) for word in layout.header]
    rows = [[label.translate(_MARKDOWN), *numbers] for label, *numbers in layout.rows]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def aligned(words: list[str]) -> str:
        first, *rest = words
        cells = [first.ljust(widths[0]), *(word.rjust(width) for word, width in zip(rest, widths[1:], strict=True))]
        return f"| {' | '.join(cells)} |"

    rule = f"|{'-' * (widths[0] + 2)}|{'|'.join('-' * (width + 1) + ':' for width in widths[1:])}|"
    body = [aligned(header), rule, *map(aligned, rows)]
    notes = (f"{note.translate(_MARKDOWN)}\n" for note in layout.notes)
    return "\n".join([f"# {layout.title.translate(_MARKDOWN)}", "", *body, "", *notes])


def render_latex(layout: Layout) -> str:
    r"""A booktabs tabular with its notes, to be read with ``\input`` inside a table environment."""

    def row(words: list[str]) -> str:
        return " & ".join(_MINUS.sub("$-$", word.translate(_TEX)) for word in words) + r" \\"

    body = [
        rf"\emph{{{words[0].translate(_TEX)}}} & " + row(words[1:]) if reported else row(words)
        for words, reported in zip(layout.rows, layout.reported, strict=True)
    ]
    return "\n".join(
        [
            "% " + " ".join(layout.title.split()),
            r"% needs \usepackage{booktabs}",
            rf"\begin{{tabular}}{{l{'r' * (len(layout.header) - 1)}}}",
            r"\toprule",
            row(layout.header),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\par\smallskip{\footnotesize " + " ".join(note.translate(_TEX) for note in layout.notes) + r"\par}",
            "",
        ]
    )


def render_html(layout: Layout) -> str:
    """One page that needs no other file."""

    def row(words: list[str], tag: str) -> str:
        return "".join(f"<{tag}>{html.escape(word)}</{tag}>" for word in words)

    body = [
        f'<tr class="{"reported" if reported else "measured"}">{row(words, "td")}</tr>'
        for words, reported in zip(layout.rows, layout.reported, strict=True)
    ]
    title = html.escape(layout.title)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head><body>',
            f"<table><caption>{title}</caption>",
            f"<thead><tr>{row(layout.header, 'th')}</tr></thead>",
            "<tbody>",
            *body,
            "</tbody></table>",
            *(f"<p>{html.escape(note)}</p>" for note in layout.notes),
            "</body></html>",
            "",
        ]
    )
