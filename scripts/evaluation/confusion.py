"""Which class is taken for which: the confusion matrix of an evaluation."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ignite.engine import Engine, Events
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..runs.processes import gathered, is_first
from ..runs.run_files import FIGURES
from .metrics import confusion_matrix
from .overlays import network_epoch, save_figure

if TYPE_CHECKING:
    from ..datasets import PreparedDataset
    from .figure_schedule import FigureSchedule

Matrix = NDArray[np.int64]
_LETTERS, _LETTER = 60, 0.075  # of a line of the title at most, and the width of one, inches


class ConfusionFigure:
    """Handler of an evaluator that draws the confusion matrix of all its pixels after every run.

    Args:
        run_dir: folder of the run; the picture goes to ``figures/`` in it.
        name: beginning of the file's name; the epoch is added.
        dataset: the prepared data set, whose ignored label is not counted.
        schedule: decides when the picture is drawn; None: after every run.
    """

    def __init__(
        self, run_dir: str | Path, name: str, dataset: PreparedDataset, schedule: FigureSchedule | None = None
    ) -> None:
        self.schedule = schedule
        self.folder = Path(run_dir) / FIGURES
        self.name = name
        self.title = f"{Path(run_dir).name}\n{dataset.name}, {name}"
        self.labels = list(dataset.labels)
        self.ignore_index = dataset.ignore_index
        self._matrix = self._zeros()

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self._clear)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._count)
        engine.add_event_handler(Events.COMPLETED, self._end)

    def _zeros(self) -> Matrix:
        return np.zeros((len(self.labels), len(self.labels)), dtype=np.int64)

    def _clear(self, _engine: Engine) -> None:
        self._matrix = self._zeros()

    def _count(self, engine: Engine) -> None:
        for item in engine.state.output:
            pred, label = (item[key].cpu() for key in ("pred", "label"))
            self._matrix += confusion_matrix(pred, label, len(self.labels), self.ignore_index).numpy()

    def _end(self, engine: Engine) -> None:
        matrix = np.sum(gathered(self._matrix), axis=0)
        if not is_first():
            return
        draw = partial(self._draw, matrix, network_epoch(engine))
        if self.schedule is None:
            draw()
        else:
            self.schedule.offer(f"{self.name}_confusion", engine, draw)

    def _draw(self, matrix: Matrix, epoch: int) -> None:
        self.folder.mkdir(exist_ok=True)
        title = f"{self.title} · epoch {epoch}"
        save_figure(
            draw_confusion(matrix, self.labels, title), self.folder / f"{self.name}_confusion_epoch_{epoch:03d}.png"
        )


def draw_confusion(matrix: Matrix, labels: Sequence[str], title: str = "") -> Figure:
    """Draw the shares of each true class that were taken for each class; rows sum to 1.

    The title has lines of its own: the matrix of two classes is narrower than the name of a run.
    """
    total = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, total, out=np.zeros(matrix.shape), where=total > 0)
    size = 1.6 + 0.55 * len(labels)
    lines = [part for line in title.splitlines() for part in textwrap.wrap(line, _LETTERS)]
    width = max(size + 0.8, 0.3 + max(map(len, lines), default=0) * _LETTER)
    figure = Figure(figsize=(width, size + 0.14 * len(lines)), layout="constrained")
    figure.suptitle("\n".join(lines), fontsize=8)
    axis = figure.subplots()
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axis.set_xticks(range(len(labels)), labels, rotation=45, ha="right", fontsize=8)
    axis.set_yticks(range(len(labels)), labels, fontsize=8)
    axis.set_xlabel("prediction")
    axis.set_ylabel("truth (its pixels are 1)")
    for row, column in np.ndindex(*matrix.shape):
        colour = "white" if share[row, column] > 0.5 else "black"
        axis.text(column, row, f"{share[row, column]:.2f}", ha="center", va="center", color=colour, fontsize=7)
    return figure
