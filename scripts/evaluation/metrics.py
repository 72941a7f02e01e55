"""Dice and IoU of every class: per image as in the paper, per case (3-D) and per data set as the field does.

All three come from the same counts of true positives, false positives and false negatives per image and class; a case's
counts are the sums over its slices. A class that neither the truth nor the prediction holds has no score (NaN, left out
of means); a class that is predicted where the truth has none, or missed, scores 0. (MONAI's ``DiceMetric`` leaves the
former out.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from ignite.metrics import Metric
from ignite.metrics.metric import reinit__is_reduced
from monai.metrics import Cumulative
from numpy.typing import NDArray

from ..errors import UserError
from ..losses.targets import plain_tensor

Counts = NDArray[np.int64]
Scores = NDArray[np.float64]


def confusion_matrix(
    pred: torch.Tensor, label: torch.Tensor, num_classes: int, ignore_index: int | None = None
) -> torch.Tensor:
    """Count the pixels of one image by true class (rows) and predicted class (columns).

    Args:
        pred: predicted class indices, any shape, any dtype.
        label: true class indices, same number of elements.
        num_classes: C.
        ignore_index: label whose pixels count nowhere; None counts every pixel.

    Returns:
        (C, C) int64.
    """
    pred, label = pred.reshape(-1).long(), label.reshape(-1).long()
    if ignore_index is not None:
        kept = label != ignore_index
        pred, label = pred[kept], label[kept]
    return torch.bincount(label * num_classes + pred, minlength=num_classes**2).view(num_classes, num_classes)


def overlap_counts(pred: torch.Tensor, label: torch.Tensor, num_classes: int, ignore_index: int | None) -> torch.Tensor:
    """Count true positives, false positives and false negatives of every class of one image.

    Args:
        pred: predicted class indices, any shape, any dtype.
        label: true class indices, same number of elements.
        num_classes: C.
        ignore_index: label whose pixels count nowhere; None counts every pixel.

    Returns:
        (C, 3) int64: true positives, false positives, false negatives.
    """
    confusion = confusion_matrix(pred, label, num_classes, ignore_index)
    hits = confusion.diagonal()
    return torch.stack([hits, confusion.sum(0) - hits, confusion.sum(1) - hits], dim=1)


def dice_and_iou(counts: Counts) -> tuple[Scores, Scores]:
    """Dice = 2 TP / (2 TP + FP + FN) and IoU = TP / (TP + FP + FN) of counts (..., 3); NaN where all three are 0."""
    hits, errors = counts[..., 0].astype(np.float64), counts[..., 1:].sum(-1).astype(np.float64)
    seen = hits + errors > 0
    dice = np.divide(2 * hits, 2 * hits + errors, out=np.full(hits.shape, np.nan), where=seen)
    iou = np.divide(hits, hits + errors, out=np.full(hits.shape, np.nan), where=seen)
    return dice, iou


def mean_over(scores: Scores) -> Scores:
    """Mean over the first axis without the NaN entries; NaN where nothing is left."""
    kept = ~np.isnan(scores)
    total = np.where(kept, scores, 0.0).sum(0)
    means: Scores = np.divide(total, kept.sum(0), out=np.full(scores.shape[1:], np.nan), where=kept.sum(0) > 0)
    return means


def class_mean(scores: Scores, first: int) -> Scores:
    """Mean of the classes from ``first`` on that have a score, for each row of (N, C); NaN where none has."""
    return mean_over(scores[:, first:].T)


def sum_by_case(counts: Counts, cases: NDArray[np.int64]) -> tuple[Counts, NDArray[np.int64]]:
    """Sum the counts (N, C, 3) of the images of each case; returns (cases, C, 3) and the case indices."""
    names, place = np.unique(cases, return_inverse=True)
    total = np.zeros((len(names), *counts.shape[1:]), dtype=np.int64)
    np.add.at(total, place, counts)
    return total, names


class OverlapScores(Metric):  # type: ignore[misc]  # ignite has no types
    r"""Ignite metric of an evaluator: Dice and IoU of every class, written to ``engine.state.metrics``.

    For each class ``dice/<class>`` and ``iou/<class>`` (mean over cases of the 3-D score), ``dice_image/...`` and
    ``iou_image/...`` (mean over images), ``dice_pooled/...`` and ``iou_pooled/...`` (one score of all pixels). The
    ``mean`` of each is over cases (or images), of each one's mean over the scored classes that it has. The key metric
    takes the value of ``dice/mean``.

    The engine's decollated output holds "pred" and "label" (1, \\*S) class indices; its batch holds "case_index".

    Args:
        labels: class names, index = class value.
        include_background: whether class 0 enters the means.
        ignore_index: label whose pixels count nowhere.

    Raises:
        ValueError: after an epoch in which no scored class occurred, so that there is no score to report.
    """

    def __init__(
        self, labels: Sequence[str], include_background: bool = False, ignore_index: int | None = None
    ) -> None:
        self.labels = tuple(labels)
        self.include_background = include_background
        self.ignore_index = ignore_index
        self._buffer = Cumulative()
        self._engine: Engine | None = None
        super().__init__()

    def attach(self, engine: Engine, name: str) -> None:
        """Attach to the evaluator; the key metric's name is ``name``."""
        self._engine = engine
        super().attach(engine, name)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write_all)

    @reinit__is_reduced  # type: ignore[untyped-decorator]
    def reset(self) -> None:
        """Forget every image."""
        self._buffer.reset()

    @reinit__is_reduced  # type: ignore[untyped-decorator]
    def update(self, output: Sequence[dict[str, Any]]) -> None:
        """Count one batch."""
        assert self._engine is not None
        batch = self._engine.state.batch
        counts = [
            overlap_counts(plain_tensor(item["pred"]), plain_tensor(item["label"]), len(self.labels), self.ignore_index)
            for item in output
        ]
        where = torch.tensor([[int(item["case_index"]), int(item["slice"])] for item in batch])
        self._buffer.extend(torch.stack(counts).cpu(), where)

    def compute(self) -> float:
        """Mean Dice of the scored classes over the cases: the key metric."""
        return self.scores()["dice/mean"]

    def images(self) -> tuple[Counts, NDArray[np.int64]]:
        """Counts (N, C, 3) of every image and its (case index, slice) (N, 2), from all processes, each image once."""
        counts, where = self._buffer.get_buffer()
        unique, first = np.unique(where.numpy(), axis=0, return_index=True)
        return counts.numpy()[first], unique

    def scores(self) -> dict[str, float]:
        """Every score by its name."""
        counts, where = self.images()
        cases, _ = sum_by_case(counts, where[:, 0])
        pooled = counts.sum(0, keepdims=True)
        result: dict[str, float] = {}
        for suffix, level in (("", cases), ("_image", counts), ("_pooled", pooled)):
            for measure, values in zip(("dice", "iou"), dice_and_iou(level), strict=True):
                result |= {
                    f"{measure}{suffix}/{label}": float(value)
                    for label, value in zip(self.labels, mean_over(values), strict=True)
                }
                of_rows = class_mean(values, self.first)
                result[f"{measure}{suffix}/mean"] = float(mean_over(of_rows[:, None])[0])
        if np.isnan(result["dice/mean"]):
            raise UserError(
                f"none of the classes {self.labels[self.first :]} occurs in the {len(counts)} evaluated images, "
                "in truth or prediction: there is no score; choose another split or check the labels"
            )
        return result

    @property
    def first(self) -> int:
        """The first scored class."""
        return 0 if self.include_background else 1

    def _write_all(self, engine: Engine) -> None:
        engine.state.metrics.update({name: value for name, value in self.scores().items() if not np.isnan(value)})
