"""Draw what the studies of docs/evidence show: ``python -m docs.figures.draw_evidence STUDY.png STUDY_FOLDER ...``.

Every argument behind the first is a folder of docs/evidence. On the left each run's mean score, those of the first
folder filled; on the right the differences of the first folder's losses to the one that its report chooses, with their
simultaneous intervals.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.studies.analysis import Analysis
from scripts.studies.assemble import study_record
from scripts.studies.decision import analyse
from scripts.studies.report.forest import draw_differences
from scripts.studies.report.palette import GRID, INK, MUTED, Style, loss_styles
from scripts.studies.report.record import StudyRecord
from scripts.studies.report.svg import SETTINGS
from scripts.studies.report.words import short
from scripts.studies.saved_runs import restore_runs
from scripts.studies.score_rows import score_table
from scripts.studies.study_file import read_study

EVIDENCE = Path(__file__).parents[1] / "evidence"


def read(folder: Path) -> tuple[StudyRecord, Analysis]:
    """The record of a study from its saved runs, and what its scores say."""
    config = yaml.safe_load((folder / "study.yaml").read_text())
    with tempfile.TemporaryDirectory() as place:
        study = read_study({**config, "output_dir": place, "saved_runs": str(folder)})
        restore_runs(study, folder)
        record = study_record(study, "study.yaml", [])
    return record, analyse(score_table(record.scores, leaky=record.leaky), record.margin, record.reference)


def run_means(record: StudyRecord) -> dict[str, list[float]]:
    """The mean score of each run over its test cases, by loss."""
    runs: dict[tuple[str, int, int], list[float]] = {}
    for score in record.scores:
        runs.setdefault((score.loss, score.repeat, score.fold), []).append(score.score)
    means: dict[str, list[float]] = {}
    for (loss, _, _), scores in sorted(runs.items()):
        means.setdefault(loss, []).append(float(np.mean(scores)))
    return means


def draw_runs(axis: Axes, studies: list[StudyRecord], losses: list[str], styles: Mapping[str, Style]) -> None:
    """One mark a run: filled for the first study, hollow and above it for the others."""
    for place, record in enumerate(studies):
        means = run_means(record)
        for row, loss in enumerate(losses):
            values = means.get(loss, [])
            style = styles[loss]
            look = {"facecolor": style.colour if place == 0 else "none", "edgecolor": style.colour, "alpha": 0.85}
            offset = 0.16 * (1 - 2 * place) if len(studies) > 1 else 0.0
            axis.scatter(values, [row + offset] * len(values), s=26, marker=style.marker, linewidth=1.1, **look)
    if len(studies) > 1:
        for place, record in enumerate(studies):
            look = {"facecolor": MUTED if place == 0 else "none", "edgecolor": MUTED}
            axis.scatter([], [], s=26, label=f"study {record.name}", **look)
        axis.legend(loc="lower left", reverse=True)
    axis.set_xlabel(f"{studies[0].primary} of each run's test patients")
    axis.set_yticks(range(len(losses)), [short(loss) for loss in losses])


def draw(folders: list[Path]) -> Figure:
    """The figure of some studies; the first is the one that is analysed."""
    read_ones = [read(folder) for folder in folders]
    records, analysis = [record for record, _ in read_ones], read_ones[0][1]
    losses = [analysis.chosen, *(other.loss for other in analysis.against_chosen)]
    styles = loss_styles(losses)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(9, 0.9 + 0.34 * len(losses)), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.15, 1])
        draw_runs(left, records, losses, styles)
        draw_differences(right, analysis, styles)
        right.tick_params(axis="y", labelleft=False)
        left.set_ylim(len(losses) - 0.4, -0.6)
        for axis in (left, right):
            axis.tick_params(axis="y", length=0)
            axis.grid(axis="y", color=GRID)
            axis.xaxis.label.set_color(INK)
    return figure


def main(arguments: list[str]) -> None:
    """Write the picture beside this file."""
    name, *folders = arguments
    figure = draw([EVIDENCE / folder for folder in folders])
    with mpl.rc_context(SETTINGS):
        figure.savefig(Path(__file__).with_name(name), dpi=130)


if __name__ == "__main__":
    main(sys.argv[1:])
