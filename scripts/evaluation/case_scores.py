"""Scores of every case of an evaluation, on the grid of the slices and on the grid of its files.

The network sees slices of one size. Scores of these slices flatter: what was lost by making them smaller is lost in the
truth too. So the probabilities of each slice are brought back to the size that its file has, as inference does it, and
scored against the mask of the file.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.engines import IterationEvents
from numpy.typing import NDArray

from ..datasets import PreparedDataset
from ..datasets.geometry import Geometry
from ..errors import UserError
from .calibration import calibration_counts, expected_calibration_error
from .grid_scores import Row, ScoreSettings, case_counts, overlap_row, surface_row
from .original_grid import Slices, find_missing, find_partial, in_original_size, stack
from .units import Units

logger = logging.getLogger(__name__)

ORIGINAL = "original/"  # before the names of scores on the grid of the files


@dataclass
class CaseResult:
    """What is known of one case: its columns, and its counts (C, 3) on both grids."""

    row: Row
    original_counts: NDArray[np.int64] | None


class CaseScores:
    """Handler of an evaluator that scores each case as soon as its last slice has come.

    The engine's output holds "pred" logits (B, C, X, Y) and "label" (B, 1, X, Y), its batch "case_index" and "slice".
    An image that is seen twice counts once. What several processes have seen is brought together at the end.

    Args:
        dataset: the prepared data set.
        part: what is evaluated, "train", "val" or "test".
        labels: class names, index = class value.
        include_background: whether class 0 is scored.
        ignore_index: label whose pixels count nowhere.
        tolerance: distance, >= 0, up to which the surface Dice takes a surface for right; millimetres, or pixels where
            a case's spacing is unknown.

    Raises:
        ValueError: the tolerance is below 0; later, the network gives numbers that are not finite.
    """

    def __init__(
        self,
        dataset: PreparedDataset,
        part: str,
        labels: Sequence[str],
        *,
        include_background: bool = False,
        ignore_index: int | None = None,
        tolerance: float = 2.0,
    ) -> None:
        if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < float("inf"):
            raise UserError(f"surface_tolerance must be a number >= 0 (mm), got {tolerance!r}")
        self.dataset = dataset
        self._expected: dict[int, int] = {}
        for item in dataset.items(part):
            self._expected[item["case_index"]] = self._expected.get(item["case_index"], 0) + 1
        names = [dataset.case_names[index] for index in self._expected]
        units = Units.of([dataset.geometry(name) for name in names])
        self.settings = ScoreSettings(tuple(labels), int(not include_background), ignore_index, float(tolerance), units)
        self.missing_originals = find_missing(dataset, names)
        self.without_distances = find_partial(dataset, {dataset.case_names[i]: n for i, n in self._expected.items()})
        self._open: dict[int, Slices] = {}
        self._bins: dict[tuple[int, int], NDArray[np.float64]] = {}
        self._results: dict[int, CaseResult] = {}

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self._clear)
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._finish)

    def results(self) -> dict[int, CaseResult]:
        """What each case has, by its index and in that order."""
        return {index: self._results[index] for index in sorted(self._results)}

    def pooled_calibration(self) -> Row:
        """Expected calibration error over the pixels of all images."""
        return self._calibration_row("ece_pooled", [self._bins[place] for place in sorted(self._bins)])

    def _clear(self, _engine: Engine) -> None:
        self._open, self._bins, self._results = {}, {}, {}
        for line in filter(None, (self.missing_originals, self.without_distances)):
            logger.warning(line)

    def _collect(self, engine: Engine) -> None:
        logits, labels = (engine.state.output[key] for key in ("pred", "label"))
        batch = engine.state.batch
        probabilities = torch.as_tensor(logits).detach().float().softmax(1)
        for i, (case, place) in enumerate(zip(batch["case_index"], batch["slice"], strict=True)):
            truth = np.asarray(torch.as_tensor(labels[i, 0]).cpu()).astype(np.uint8)
            self._collect_slice(int(case), int(place), probabilities[i], truth)

    def _collect_slice(self, case: int, place: int, probabilities: torch.Tensor, truth: NDArray[np.uint8]) -> None:
        name = self.dataset.case_names[case]
        if not bool(torch.isfinite(probabilities).all()):
            raise UserError(
                f"the network's output for {name} slice {place} is not finite; its training has diverged: "
                "evaluate another run"
            )
        self._bins[case, place] = calibration_counts(np.asarray(probabilities.cpu()), truth, self.settings.ignore_index)
        if case in self._results:
            return
        slices = self._open.setdefault(case, Slices())
        slices.pred[place] = np.asarray(probabilities.argmax(0).cpu()).astype(np.uint8)
        slices.truth[place] = truth
        if not self.missing_originals:
            slices.original_pred[place] = in_original_size(probabilities, self.dataset.slice_grid(name))
        self._score_if_whole(case)

    def _score_if_whole(self, case: int) -> None:
        if len(self._open[case].pred) < self._expected[case]:
            return
        slices, name = self._open.pop(case), self.dataset.case_names[case]
        geometry = self.dataset.geometry(name)
        pred, truth = stack(slices.pred), stack(slices.truth)
        row = self._calibration_row("ece", [self._bins[place] for place in sorted(self._bins) if place[0] == case])
        row |= self._surface_row(pred, truth, geometry.of_slices(self.dataset.slice_grid(name)))
        counts = None
        if not self.missing_originals:
            places = sorted(slices.original_pred)
            pred, truth = stack(slices.original_pred), self.dataset.original_label(name)[:, :, places]
            counts = case_counts(pred, truth, self.settings)
            original = overlap_row(counts, self.settings) | self._surface_row(pred, truth, geometry)
            row |= {f"{ORIGINAL}{column}": value for column, value in original.items()}
        self._results[case] = CaseResult(row, counts)

    def _surface_row(self, pred: NDArray[Any], truth: NDArray[Any], geometry: Geometry) -> Row:
        return {} if self.without_distances else surface_row(pred, truth, geometry, self.settings)

    def _calibration_row(self, measure: str, bins: Sequence[NDArray[np.float64]]) -> Row:
        errors = expected_calibration_error(np.sum(bins, axis=0)).tolist()
        return self.settings.with_mean(measure, errors[:-1]) | {f"{measure}/top_label": errors[-1]}

    def _finish(self, _engine: Engine) -> None:
        for seen, bins, results in _from_all_processes((self._open, self._bins, self._results)):
            self._bins = {**bins, **self._bins}
            self._results = {**results, **self._results}
            for case, slices in seen.items():
                mine = self._open.setdefault(case, Slices())
                for kind in ("pred", "truth", "original_pred"):
                    getattr(mine, kind).update(getattr(slices, kind))
        for case in sorted(self._open):
            if case in self._results:
                del self._open[case]
            else:
                self._score_if_whole(case)
        missing = [self.dataset.case_names[case] for case in self._expected if case not in self._results]
        if missing:
            raise RuntimeError(
                f"not every slice of {missing[0]} was evaluated ({len(missing)} cases): no score is whole"
            )


def _from_all_processes(state: Any) -> list[Any]:
    """The states of all processes of a distributed evaluation, this one's among them."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return []
    states: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(states, state)
    return states
