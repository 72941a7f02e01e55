"""What an evaluation leaves: scores per image, per case and in all, as files and in MLflow."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events

from ..storage.atomic_files import write_text
from ..tracking import Journal, MlflowMirror
from ..tracking.addresses import given_address
from ..tracking.refusals import explain
from .metrics import OverlapScores, dice_and_iou, sum_by_case

logger = logging.getLogger(__name__)


class ScoreTables:
    """Handler of an evaluator that writes ``per_image.csv``, ``per_case.csv`` and ``summary.json``.

    A score is empty where neither truth nor prediction holds the class. The summary also goes to the MLflow run of the
    training, as ``<part>/<score>``.

    Args:
        run_dir: folder of the training's run; the files go to ``evaluation/<part>/`` in it.
        part: what is evaluated, "val" or "test".
        metric: the evaluator's metric, by its name as in ``key_val_metric``.
        case_names: the data set's cases, in the order of ``case_index``.
        tracking_uri: MLflow's address; the run's own where none was given.
    """

    def __init__(
        self,
        run_dir: str | Path,
        part: str,
        metric: dict[str, OverlapScores],
        case_names: Sequence[str],
        tracking_uri: str | None = None,
    ) -> None:
        self.run_dir = Path(run_dir)
        self.part = part
        (self.metric,) = metric.values()
        self.case_names = case_names
        self.tracking_uri = tracking_uri

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _write(self, _engine: Engine) -> None:
        folder = self.run_dir / "evaluation" / self.part
        folder.mkdir(parents=True, exist_ok=True)
        counts, where = self.metric.images()
        cases, case_indices = sum_by_case(counts, where[:, 0])
        images = [{"case": self.case_names[case], "slice": int(place)} for case, place in where]
        write_text(folder / "per_image.csv", self._table(images, counts))
        write_text(folder / "per_case.csv", self._table([{"case": self.case_names[i]} for i in case_indices], cases))
        scores = self.metric.scores()
        summary = {"part": self.part, "cases": len(cases), "images": len(counts), "scores": _without_nan(scores)}
        write_text(folder / "summary.json", json.dumps(summary, indent=1))
        self._track(scores)
        self._say(scores, len(cases), len(counts))

    def _table(self, rows: list[dict[str, Any]], counts: Any) -> str:
        dice, iou = dice_and_iou(counts)
        columns = [f"{measure}_{label}" for measure in ("dice", "iou") for label in self.metric.labels]
        text = io.StringIO()
        writer = csv.DictWriter(text, [*rows[0], *columns], lineterminator="\n")
        writer.writeheader()
        for row, values in zip(rows, np.concatenate([dice, iou], axis=1), strict=True):
            cells = ["" if np.isnan(v) else f"{v:.6f}" for v in values]
            writer.writerow({**row, **dict(zip(columns, cells, strict=True))})
        return text.getvalue()

    def _track(self, scores: dict[str, float]) -> None:
        journal = Journal(self.run_dir)
        journal.log_metrics({f"{self.part}/{name}": value for name, value in _without_nan(scores).items()}, step=0)
        for path in sorted((self.run_dir / "evaluation" / self.part).iterdir()):
            journal.log_artifact(path, f"evaluation/{self.part}")
        journal.close()
        try:
            MlflowMirror(self.run_dir, tracking_uri=given_address(self.tracking_uri)).push()
        except Exception as error:
            logger.warning("%s; the scores wait in %s", explain(error), journal.path)

    def _say(self, scores: dict[str, float], cases: int, images: int) -> None:
        logger.info("%s part: %d cases, %d images", self.part, cases, images)
        for label in [*self.metric.labels, "mean"]:
            values = [
                scores[f"{measure}{level}/{label}"]
                for level in ("", "_image", "_pooled")
                for measure in ("dice", "iou")
            ]
            text = "per case Dice %.3f IoU %.3f; per image Dice %.3f IoU %.3f; all pixels Dice %.3f IoU %.3f"
            logger.info(f"  %-12s {text}", label, *values)
        logger.info("tables: %s", self.run_dir / "evaluation" / self.part)


def _without_nan(scores: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if not np.isnan(value)}
