"""What an evaluation leaves: scores per image, per case and in all, as files and in MLflow."""

from __future__ import annotations

import csv
import io
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events

from ..datasets import PreparedDataset
from ..runs.processes import is_first
from ..runs.run_files import EVALUATION, FIGURES, PER_CASE, PER_IMAGE, SUMMARY, evaluation_folder
from ..storage.atomic_files import write_text
from ..tracking import Journal, MlflowMirror
from ..tracking.addresses import given_address
from ..tracking.refusals import explain
from .case_scores import CaseScores
from .grid_scores import overlap_row
from .metrics import OverlapScores, sum_by_case
from .overlays import figure_name, network_epoch
from .score_summary import summarize, tracked_scores

logger = logging.getLogger(__name__)

Rows = list[dict[str, Any]]


class ScoreTables:
    """Handler of an evaluator that writes ``per_image.csv``, ``per_case.csv`` and ``summary.json``.

    A row of ``per_case.csv`` is a case; an empty cell is no score (neither truth nor prediction holds the class). Its
    columns, with ``<class>`` each class or, for distances and volumes, each scored class:

    - ``case``, ``patient``, ``slices``: names and number of slices. What is independent is the patient.
    - ``dice/<class>``, ``iou/<class>``: of the case as a whole (3-D), on the grid of the slices. ``dice/mean`` is the
      mean over the scored classes that the case has; a missed class is 0. It is the primary score of studies.
    - ``ece/<class>``, ``ece/top_label``, ``ece/mean``: expected calibration errors of the probabilities.
    - ``hd95_mm/<class>``, ``assd_mm/...``, ``surface_dice_2mm/...`` and their ``mean``; ``volume_difference_ml/...``
      and ``volume_difference_relative/...`` (predicted minus true). Where a case's spacing is unknown all are in
      pixels, and named ``hd95_px`` and so on; 2 is the tolerance.
    - ``original/...``: all but the calibration again on the grid of the case's own file.

    ``per_image.csv`` has ``case``, ``patient``, ``slice`` and Dice and IoU. ``summary.json`` holds the means over
    cases, the units, and how often a class was missed, invented or in neither mask. The files, the picture of the
    part (``figures/<part>_epoch_<epoch>.png``) and the most important numbers, as ``<part>/<score>``, also go to the
    MLflow run of the training. The definitions are in ``docs/scores.md``.

    Args:
        run_dir: folder of the training's run; the files go to ``evaluation/<part>/`` in it.
        part: what is evaluated, "val" or "test".
        metric: the evaluator's metric, by its name as in ``key_val_metric``.
        dataset: the prepared data set.
        surface_tolerance: of the surface Dice, >= 0; millimetres, or pixels where a case's spacing is unknown.
        tracking_uri: MLflow's address; the run's own where none was given.
        computed_with: what the scores are computed with, of plain values; stands in ``summary.json``.
    """

    def __init__(
        self,
        run_dir: str | Path,
        part: str,
        metric: dict[str, OverlapScores],
        dataset: PreparedDataset,
        surface_tolerance: float = 2.0,
        tracking_uri: str | None = None,
        computed_with: dict[str, Any] | None = None,
    ) -> None:
        self.run_dir = Path(run_dir)
        self.part = part
        (self.metric,) = metric.values()
        self.dataset = dataset
        self.case_scores = CaseScores(
            dataset,
            part,
            self.metric.labels,
            include_background=self.metric.include_background,
            ignore_index=self.metric.ignore_index,
            tolerance=surface_tolerance,
        )
        self.tracking_uri = tracking_uri
        self.computed_with = computed_with or {}

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        self.case_scores.attach(engine)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _write(self, engine: Engine) -> None:
        if not is_first():
            return
        folder = evaluation_folder(self.run_dir, self.part)
        folder.mkdir(parents=True, exist_ok=True)
        counts, where = self.metric.images()
        settings, results = self.case_scores.settings, self.case_scores.results()
        images = [
            {**self._name(case), "slice": int(place), **overlap_row(row, settings)}
            for (case, place), row in zip(where, counts, strict=True)
        ]
        of_cases, indices = sum_by_case(counts, where[:, 0])
        slices = np.bincount(where[:, 0])
        scores = [
            overlap_row(row, settings) | results[int(case)].row for row, case in zip(of_cases, indices, strict=True)
        ]
        cases = [
            {**self._name(case), "slices": int(slices[case]), **row} for case, row in zip(indices, scores, strict=True)
        ]
        write_text(folder / PER_IMAGE, _table(images))
        write_text(folder / PER_CASE, _table(cases))
        summary: dict[str, Any] = {"part": self.part, "cases": len(cases), "images": len(images)}
        summary |= summarize(self.case_scores, of_cases, scores, self.metric.scores())
        summary["computed_with"] = self.computed_with
        write_text(folder / SUMMARY, json.dumps(summary, indent=1))
        self._track(tracked_scores(summary["scores"]), figure_name(self.part, network_epoch(engine)))
        self._say(summary)

    def _name(self, index: int) -> dict[str, str]:
        case = self.dataset.case_names[index]
        return {"case": case, "patient": self.dataset.patients[case]}

    def _track(self, scores: dict[str, float], figure: str) -> None:
        journal = Journal(self.run_dir)
        journal.log_metrics({f"{self.part}/{name}": value for name, value in scores.items()}, step=0)
        for path in sorted(evaluation_folder(self.run_dir, self.part).iterdir()):
            if path.is_file():
                journal.log_artifact(path, f"{EVALUATION}/{self.part}")
        if (self.run_dir / FIGURES / figure).is_file():
            journal.log_artifact(self.run_dir / FIGURES / figure, FIGURES)
        journal.close()
        try:
            MlflowMirror(self.run_dir, tracking_uri=given_address(self.tracking_uri)).push()
        except Exception as error:
            logger.warning("%s; the scores wait in %s", explain(error), journal.path)

    def _say(self, summary: dict[str, Any]) -> None:
        scores = summary["scores"]
        logger.info("%s part: %d cases, %d images", self.part, summary["cases"], summary["images"])
        for label in [*self.metric.labels, "mean"]:
            values = [
                scores.get(f"{measure}{level}/{label}", float("nan"))
                for level in ("", "_image", "_pooled")
                for measure in ("dice", "iou")
            ]
            text = "per case Dice %.3f IoU %.3f; per image Dice %.3f IoU %.3f; all pixels Dice %.3f IoU %.3f"
            logger.info(f"  %-12s {text}", label, *values)
        measures = [name for name in scores if name.startswith("original/") and name.endswith("/mean")]
        said = [f"{name.split('/')[1]} {scores[name]:.3f}" for name in measures]
        logger.info("  %s", f"in original size, per case: {', '.join(said)}" if said else summary["original_grid"])
        logger.info("tables: %s", evaluation_folder(self.run_dir, self.part))


def _table(rows: Rows) -> str:
    """CSV text; six decimals, an empty cell where there is no score."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return "" if np.isnan(value) else f"{value:.6f}"
