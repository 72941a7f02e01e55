"""What the check leaves: a table that a person can read, the same as CSV, and a contact sheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ...errors import UserError, join_fault
from ...formats.reading import source_files
from ..cases import Case
from .case_summary import Facts, duplicates
from .contact_sheet import write_sheet

CHECK_CSV, CHECK_PNG = "check.csv", "check.png"
_MAX_ROWS = 40


@dataclass(frozen=True)
class Row:
    """A case in the table: what it is, or why it was refused."""

    case: Case
    facts: Facts | None
    error: OSError | ValueError | None = None


def write_report(
    folder: Path, rows: Sequence[Row], labels: Sequence[str], thumbnails: Sequence[tuple[str, Image.Image]]
) -> None:
    """Write ``check.csv`` and ``check.png`` into a folder."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(_cells(rows[0], labels, {})), lineterminator="\n")
    writer.writeheader()
    twins = _twins(rows)
    writer.writerows(_cells(row, labels, twins) for row in rows)
    (folder / CHECK_CSV).write_text(text.getvalue(), encoding="utf-8")
    write_sheet(folder / CHECK_PNG, thumbnails, labels)


def format_table(rows: Sequence[Row], labels: Sequence[str]) -> str:
    """The table for the terminal: cases with findings first to be kept where there are many."""
    twins = _twins(rows)
    all_cells = [_cells(row, labels, twins) for row in rows]
    kept = sorted(sorted(range(len(rows)), key=lambda i: (not all_cells[i]["findings"], i))[:_MAX_ROWS])
    columns = list(all_cells[0])
    widths = {name: max(len(name), *(len(all_cells[i][name]) for i in kept)) for name in columns[:-1]}
    lines = ["  ".join([*(name.ljust(widths[name]) for name in columns[:-1]), columns[-1]])]
    lines += [
        "  ".join([*(all_cells[i][n].ljust(widths[n]) for n in columns[:-1]), all_cells[i][columns[-1]]]) for i in kept
    ]
    if len(kept) < len(rows):
        lines.append(f"... {len(rows) - len(kept)} more without findings")
    return "\n".join(line.rstrip() for line in lines)


def tell_fault(error: OSError | ValueError, case: Case) -> str:
    """The fault of a case without its folders, and where its names are private without its file.

    Only an error that keeps its file apart from its words can be told in full; a path in a text is not searched for.
    """
    if isinstance(error, UserError) and error.path is not None:
        subject = _subject(error.path, case) if case.private else error.path.name
        text = join_fault(subject, error.fault)
    elif case.private:
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        text = f"its image or mask can't be read{reason}"
    else:
        text = str(error)
    return " ".join(text.splitlines()).encode("utf-8", "backslashreplace").decode()  # names need not be UTF-8


def _subject(path: Path, case: Case) -> str:
    mask = Path(case.label)
    return "its mask" if path == mask or mask in path.parents or path in source_files(mask) else "its image"


def _twins(rows: Sequence[Row]) -> dict[str, str]:
    groups = duplicates([row.facts for row in rows if row.facts is not None])
    return {name: ", ".join(other for other in names[:4] if other != name) for names in groups for name in names}


def _cells(row: Row, labels: Sequence[str], twins: dict[str, str]) -> dict[str, str]:
    fact = row.facts
    cells = {"case": row.case.name, "part": row.case.part or "", "size": "", "spacing_mm": "", "channels": ""}
    cells |= {"type": "", "least": "", "greatest": ""} | {f"{label}_percent": "" for label in labels}
    findings = [] if row.error is None else [f"ERROR {tell_fault(row.error, row.case)}"]
    if fact is not None:
        total = max(sum(fact.counts), 1)
        cells |= {
            "size": " x ".join(map(str, fact.size)),
            "spacing_mm": "" if fact.spacing is None else " x ".join(f"{v:.4g}" for v in fact.spacing),
            "channels": str(fact.channels),
            "type": fact.kind,
            "least": f"{fact.low:.6g}",
            "greatest": f"{fact.high:.6g}",
        }
        cells |= {f"{n}_percent": f"{100 * c / total:.2f}" for n, c in zip(labels, fact.counts, strict=True)}
        findings += [*(["empty mask"] if fact.empty else []), *fact.notes]
        findings += [f"same image as {twins[fact.case]}"] if fact.case in twins else []
    return cells | {"findings": "; ".join(findings)}
