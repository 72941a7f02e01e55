"""Curves of a run, drawn from its journal: loss and scores, and the class weights."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ignite.engine import Engine, Events
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..palette import class_colours
from ..runs.processes import is_first
from ..runs.run_files import FIGURES, JOURNAL
from ..tracking.journal import read_curves
from .overlays import save_figure

if TYPE_CHECKING:
    from ..datasets import PreparedDataset

LOSS_COLOUR = "#0072B2"
INTERVAL = 60.0  # seconds; the whole journal is read for a picture
Curves = dict[str, dict[int, float]]


class CurveFigures:
    """Handler that draws ``learning_curves.png`` and ``class_weights.png``, once a minute at most and at the end.

    Args:
        run_dir: folder of the run; the pictures go to ``figures/`` in it.
        dataset: the prepared data set, for its name and labels.
    """

    def __init__(self, run_dir: str | Path, dataset: PreparedDataset) -> None:
        self.run_dir = Path(run_dir)
        self.labels = list(dataset.labels)
        self.title = f"{self.run_dir.name} · {dataset.name}"
        self._drawn_at = time.monotonic()

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, behind the validation and before the tracker, which sends away what it finds."""
        if not is_first():
            return
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._draw_now_and_then)
        engine.add_event_handler(Events.COMPLETED, self._draw)

    def _draw_now_and_then(self, engine: Engine) -> None:
        if time.monotonic() - self._drawn_at > INTERVAL:
            self._draw(engine)
            self._drawn_at = time.monotonic()

    def _draw(self, engine: Engine) -> None:
        names = ["train/loss", *(f"{kind}/{n}" for kind in ("val/dice", "val/iou") for n in [*self.labels, "mean"])]
        weights = [f"acw/w_{label}" for label in self.labels]
        curves = read_curves(self.run_dir / JOURNAL, [*names, *weights])
        length = engine.state.epoch_length
        folder = self.run_dir / FIGURES
        folder.mkdir(exist_ok=True)
        save_figure(draw_learning_curves(curves, self.labels, length, self.title), folder / "learning_curves.png")
        if curves[weights[0]]:
            save_figure(draw_class_weights(curves, self.labels, length, self.title), folder / "class_weights.png")


def draw_learning_curves(curves: Curves, labels: Sequence[str], epoch_length: int, title: str = "") -> Figure:
    """Draw the training loss, and Dice and IoU of every class at each validation, over epochs."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    loss, dice, iou = figure.subplots(1, 3)
    figure.suptitle(title, fontsize=9)
    _plot(loss, curves["train/loss"], epoch_length, LOSS_COLOUR, "", marker="")
    loss.set_title("training loss")
    for axis, kind in ((dice, "dice"), (iou, "iou")):
        for colour, label in zip(class_colours(labels), labels, strict=True):
            _plot(axis, curves[f"val/{kind}/{label}"], epoch_length, colour, label)
        axis.set_title(f"validation {'Dice' if kind == 'dice' else 'IoU'}")
        axis.set_ylim(0, 1)
    iou.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0), ncols=1 + len(labels) // 12)
    return figure


def draw_class_weights(curves: Curves, labels: Sequence[str], epoch_length: int, title: str = "") -> Figure:
    """Draw the adaptive class weight of every class over epochs."""
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axis = figure.subplots()
    for colour, label in zip(class_colours(labels), labels, strict=True):
        _plot(axis, curves[f"acw/w_{label}"], epoch_length, colour, label)
    figure.suptitle(title, fontsize=9)
    axis.set_title("adaptive class weights")
    axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0), ncols=1 + len(labels) // 12)
    return figure


def _plot(axis: Any, curve: dict[int, float], length: int, colour: str, label: str, marker: str = ".") -> None:
    steps = sorted(curve)
    epochs, values = [step / length for step in steps], [curve[step] for step in steps]
    axis.plot(epochs, values, marker=marker, color=colour, label=label)
    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
