"""What inference says: progress, a table of images and one of classes, a page, and a last line."""

from __future__ import annotations

import csv
import io
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ignite.engine import Engine, Events
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from tqdm import tqdm

from ..configuration.error_report import printable
from ..palette import class_colours, has_background
from ..storage.atomic_files import write_text
from .model import Member
from .records import REPORT, CaseRecords
from .slice_inferer import SliceBatches

CASES, CLASSES, PAGE = "cases.csv", "classes.csv", "index.html"
PARTLY_DONE = 3  # exit code where an image was at fault
_CASE_COLUMNS = ("case", "status", "input", "outputs", "flags", "notes", "error")
_CLASS_COLUMNS = ("case", "class", "voxels", "volume_ml", "surface_mm2", "components", "confidence")


class InferenceReport:
    """Handler of a ``CaseEvaluator``: a bar with the time left, and after the last image the tables and the page.

    They lie in ``report/`` of the folder of the outputs: ``cases.csv``, ``classes.csv``, ``index.html``.

    Args:
        records: of the folder of the outputs.
        labels: class names, index = class value.
        inferer: tells how far an image is.
        members: the networks, which the page names; of several the probabilities are averaged.
    """

    def __init__(
        self, records: CaseRecords, labels: Sequence[str], inferer: SliceBatches, members: Sequence[Member] = ()
    ) -> None:
        self.records = records
        self.labels = list(labels)
        self.inferer = inferer
        self.networks = [_named(member, sha) for member, sha in zip(members, records.settings["weights"], strict=True)]
        self.rows: list[dict[str, Any]] = []
        self._bar: tqdm[Any] | None = None

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._write)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._give_up)

    def finish(self) -> None:
        """Say what was done and what to look at; end the process with code 3 where an image was at fault."""
        count = {status: sum(row["status"] == status for row in self.rows) for status in ("new", "before", "failed")}
        flagged = sum(bool(row["flags"]) for row in self.rows)
        before = f", {count['before']} done before" if count["before"] else ""
        print(f"Segmented {count['new']} of {len(self.rows)}{before}: {self.records.output_dir}")
        for row in self.rows:
            if row["notes"] and row["status"] == "new":
                print(_in_utf_8(printable(f"{row['case']}: {'; '.join(row['notes'])}")))
        page = self.records.output_dir / REPORT / PAGE
        look = [
            f"{number} {what}"
            for number, what in ((flagged, "with a flag"), (count["failed"], "not segmented"))
            if number
        ]
        print(f"Look at {' and '.join(look) or 'the pictures; none has a flag'}: {page}")
        if count["failed"]:
            raise SystemExit(PARTLY_DONE)

    def _start(self, engine: Engine) -> None:
        self.records.open_folder()
        self.rows = []
        bar = tqdm(
            total=float(engine.state.epoch_length),
            desc="segmenting",
            dynamic_ncols=True,
            mininterval=0.1 if sys.stderr.isatty() else 10,  # seconds; a log file needs no movement
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total:.0f} [{elapsed}<{remaining}{postfix}]",
        )
        self._bar = bar
        self.inferer.on_slices = lambda done, planes: bar.update(len(self.rows) + done / planes - bar.n)

    def _give_up(self, _engine: Engine, error: BaseException) -> None:
        self.records.close_folder()
        raise error

    def _collect(self, engine: Engine) -> None:
        assert self._bar is not None
        output = engine.state.output
        case, fault, done = output["case"], output.get("fault"), output.get("done")
        result: Mapping[str, Any] = done or output.get("result") or {}
        status = "failed" if fault else "before" if done else "new"
        row = {key: result.get(key, []) for key in ("outputs", "flags", "notes", "classes")}
        row |= {"case": case.name, "input": str(case.path), "overlay": result.get("overlay", "")}
        self.rows.append({**row, "status": status, "error": fault or ""})
        if fault:
            tqdm.write(f"not segmented: {fault}", file=sys.stderr)
        self._bar.update(len(self.rows) - self._bar.n)

    def _write(self, _engine: Engine) -> None:
        if self._bar is not None:
            self._bar.close()
        folder = self.records.output_dir / REPORT
        lines = [{**row, **{key: "; ".join(row[key]) for key in ("outputs", "flags", "notes")}} for row in self.rows]
        write_text(folder / CASES, _in_utf_8(as_csv(lines, _CASE_COLUMNS)))
        classes = [{"case": row["case"], **each} for row in self.rows for each in row["classes"]]
        write_text(folder / CLASSES, _in_utf_8(as_csv(classes, _CLASS_COLUMNS)))
        write_text(folder / PAGE, _in_utf_8(render_page(self.rows, self.labels, self.networks)))
        self.records.close_folder()


def _in_utf_8(text: str) -> str:
    """A text whose names of files need not be UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def as_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as CSV, numbers with six digits, nothing where a number is unknown."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_text(row[column]) for column in columns] for row in rows)
    return file.getvalue()


def render_page(rows: Sequence[Mapping[str, Any]], labels: Sequence[str], networks: Sequence[str] = ()) -> str:
    """The page of a folder of outputs, with the pictures beside it."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    colours = list(zip(labels, class_colours(labels), strict=True))[has_background(labels) :]
    # what a person should look at comes first
    order = sorted(rows, key=lambda row: (row["status"] != "failed", not row["flags"], row["case"]))
    page: str = environment.get_template("page.html.j2").render(
        rows=order, colours=colours, networks=networks, number=_short, link=_link
    )
    return page


def _named(member: Member, sha256: str) -> str:
    """What a network is called: its run's name, or its file where it was published, and the hash of its weights."""
    name = member.weights.parent.name if member.config_sha256 else member.weights.name
    return f"{name} (weights' SHA-256 {sha256[:12]})"


def _link(path: str) -> str:
    return quote(os.fsencode(path))  # names of files need not be UTF-8


def _short(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(value)
