"""Tables in four forms: HTML's rows, CSV with all digits, LaTeX (booktabs) and Markdown; every name escaped."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...storage.atomic_files import write_text

Cell = str | float | int | None
_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"},
}


@dataclass(frozen=True)
class Table:
    """A table of names and numbers.

    Args:
        name: stem of its files.
        title: its caption.
        columns: the heads.
        rows: a cell a column; None is an empty one, NaN "no value".
        digits: decimals shown in a column, where not 3. CSV has all of them.
        signed: columns whose numbers are differences, shown with their sign.
        strong: numbers of rows that are to stand out.
        note: a line below it.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    digits: Mapping[str, int] = field(default_factory=dict)
    signed: Sequence[str] = ()
    strong: Sequence[int] = ()
    note: str = ""

    def shown(self) -> list[list[str]]:
        """The cells as people read them."""
        return [[self._show(column, cell) for column, cell in zip(self.columns, row, strict=True)] for row in self.rows]

    def is_number(self, index: int) -> bool:
        """Whether the column of this index holds numbers."""
        return any(isinstance(row[index], int | float) for row in self.rows)

    @property
    def has_numbers(self) -> bool:
        """Whether any column holds numbers."""
        return any(self.is_number(index) for index in range(len(self.columns)))

    def to_csv(self) -> str:
        """CSV with commas and full precision; an empty cell where there is no value."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([_no_formula(column) for column in self.columns])
        writer.writerows([[_csv_cell(cell) for cell in row] for row in self.rows])
        return text.getvalue()

    def to_markdown(self) -> str:
        """A Markdown table under its title."""
        lines = [self.columns, ["---:" if self.is_number(i) else "---" for i in range(len(self.columns))]]
        head = [f"| {' | '.join(map(markdown, self.columns))} |", f"| {' | '.join(lines[1])} |"]
        body = [f"| {' | '.join(map(markdown, row))} |" for row in self.shown()]
        note = [f"\n{markdown(self.note)}"] if self.note else []
        return "\n".join([f"**{markdown(self.title)}**\n", *head, *body, *note, ""])

    def to_latex(self) -> str:
        """A LaTeX table with booktabs' rules."""
        spec = "".join("r" if self.is_number(i) else "l" for i in range(len(self.columns)))
        body = [f"    {' & '.join(map(latex, row))} \\\\" for row in self.shown()]
        note = f" {latex(self.note)}" if self.note else ""
        return "\n".join(
            [
                "% \\usepackage{booktabs}",
                "\\begin{table}",
                "  \\centering",
                f"  \\caption{{{latex(self.title)}.{note}}}",
                f"  \\label{{tab:{re.sub('[^a-z0-9-]', '-', self.name)}}}",
                f"  \\begin{{tabular}}{{{spec}}}",
                "    \\toprule",
                f"    {' & '.join(map(latex, self.columns))} \\\\",
                "    \\midrule",
                *body,
                "    \\bottomrule",
                "  \\end{tabular}",
                "\\end{table}",
                "",
            ]
        )

    def write(self, folder: Path) -> None:
        """Write the three files of the table into ``folder``."""
        for ending, text in ((".csv", self.to_csv()), (".tex", self.to_latex()), (".md", self.to_markdown())):
            write_text(folder / f"{self.name}{ending}", text)

    def _show(self, column: str, cell: Cell) -> str:
        if cell is None:
            return ""
        if isinstance(cell, str):
            return cell
        if math.isnan(cell):
            return "–"
        if isinstance(cell, int) and column not in self.digits:
            return str(cell)
        return number(float(cell), self.digits.get(column, 3), signed=column in self.signed)


def number(value: float, digits: int = 3, *, signed: bool = False) -> str:
    """A number as the report shows it, e.g. "+0.012"; a value that rounds to zero has no sign."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text


def latex(text: str) -> str:
    """Text with LaTeX's own characters escaped."""
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def markdown(text: str) -> str:
    """Text with Markdown's and HTML's own characters escaped."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", text)


def _csv_cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return _no_formula(cell)
    if cell is None or math.isnan(cell):
        return ""
    return str(cell) if isinstance(cell, int) else repr(float(cell))


def _no_formula(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "@", "+", "-", "\t")) else text
