"""Pictures of what a network does: image, truth, prediction and where they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ..palette import CONFUSED, INVENTED, MISSED, as_rgb, class_colours, has_background
from ..runs.processes import gathered, is_first
from ..runs.run_files import FIGURES
from ..storage.atomic_files import write_atomically
from .metrics import dice_and_iou, overlap_counts

if TYPE_CHECKING:
    from ..datasets import PreparedDataset
    from .figure_schedule import FigureSchedule

OPACITY, ERROR_OPACITY = 0.5, 0.85
LEGEND_COLUMNS = 7


@dataclass(frozen=True)
class Example:
    """One image with its truth and any number of predictions, all (H, W); the image may be (H, W, 3)."""

    title: str
    image: NDArray[Any]
    truth: NDArray[Any]
    predictions: Sequence[NDArray[Any]]


def draw_examples(
    examples: Sequence[Example],
    names: Sequence[str],
    labels: Sequence[str],
    ignore_index: int | None = None,
    title: str = "",
) -> Figure:
    """Draw a row per example: image, truth, each prediction, and the errors of the last prediction; below, a legend.

    Args:
        examples: what to draw.
        names: a title for each prediction.
        labels: class names, index = class value. A class 0 called background is left clear.
        ignore_index: label that is no error whatever was predicted.
        title: of the whole picture; what it shows.
    """
    columns = ["image", "truth", *names, f"errors of {names[-1]}"]
    rows = -(-(len(labels) + 3) // LEGEND_COLUMNS)
    height = sum(2.2 * example.image.shape[0] / example.image.shape[1] + 0.15 for example in examples)
    height += 0.3 * rows + (0.3 if title else 0)
    figure = Figure(figsize=(2.2 * len(columns), height), layout="constrained")
    axes = figure.subplots(len(examples), len(columns), squeeze=False)
    for row, example in zip(axes, examples, strict=True):
        for axis in row:
            axis.imshow(example.image, cmap="gray")
            axis.set_xticks([])
            axis.set_yticks([])
        row[0].set_ylabel(example.title, fontsize=8)
        for axis, mask in zip(row[1:-1], [example.truth, *example.predictions], strict=True):
            axis.imshow(paint_classes(mask, labels), interpolation="nearest")
        for axis, mask in zip(row[2:-1], example.predictions, strict=True):
            axis.set_xlabel(shown_dice(example.truth, mask, labels, ignore_index), fontsize=8)
        errors = paint_errors(example.truth, example.predictions[-1], labels, ignore_index)
        row[-1].imshow(errors, interpolation="nearest")
    for axis, column in zip(axes[0], columns, strict=True):
        axis.set_title(column, fontsize=9)
    figure.suptitle(title, fontsize=9)
    handles = legend_handles(labels)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), LEGEND_COLUMNS), fontsize=8)
    return figure


def shown_dice(
    truth: NDArray[Any], prediction: NDArray[Any], labels: Sequence[str], ignore_index: int | None = None
) -> str:
    """The Dice of this one image, mean over the classes that truth or prediction hold, background left out."""
    said, true = (torch.from_numpy(mask.astype(np.int64)) for mask in (prediction, truth))
    dice, _ = dice_and_iou(overlap_counts(said, true, len(labels), ignore_index).numpy())
    seen = dice[has_background(labels) :]
    seen = seen[~np.isnan(seen)]
    return f"Dice {seen.mean():.3f}" if len(seen) else "no object"


def paint_classes(mask: NDArray[Any], labels: Sequence[str]) -> NDArray[np.uint8]:
    """The classes of a mask (H, W) in their colours (H, W, 4); background and what is no class are clear."""
    table = np.zeros((max(int(mask.max()), len(labels)) + 1, 4), dtype=np.uint8)
    for value, colour in enumerate(class_colours(labels)):
        table[value] = (*as_rgb(colour), 0 if value == 0 and has_background(labels) else round(255 * OPACITY))
    painted: NDArray[np.uint8] = table[mask.astype(np.int64)]
    return painted


def paint_errors(
    truth: NDArray[Any], prediction: NDArray[Any], labels: Sequence[str], ignore_index: int | None = None
) -> NDArray[np.uint8]:
    """Where a prediction differs from the truth, both (H, W), as colours (H, W, 4).

    Foreground that is missed, foreground that is invented, and one class taken for another; without a background there
    is the last alone.
    """
    wrong = prediction != truth
    if ignore_index is not None:
        wrong &= truth != ignore_index
    background = 0 if has_background(labels) else -1
    painted = np.zeros((*truth.shape, 4), dtype=np.uint8)
    kinds = ((MISSED, prediction == background), (INVENTED, truth == background))
    painted[wrong] = (*as_rgb(CONFUSED), round(255 * ERROR_OPACITY))
    for colour, where in kinds:
        painted[wrong & where] = (*as_rgb(colour), round(255 * ERROR_OPACITY))
    return painted


def legend_handles(labels: Sequence[str]) -> list[Patch]:
    """What each colour of a picture stands for: classes, then kinds of errors."""
    coloured = list(zip(class_colours(labels), labels, strict=True))[has_background(labels) :]
    handles = [Patch(color=colour, alpha=OPACITY, label=label) for colour, label in coloured]
    kinds = [(CONFUSED, "error: another class")]
    if has_background(labels):
        kinds = [(MISSED, "error: missed"), (INVENTED, "error: invented"), *(kinds if len(labels) > 2 else [])]
    return handles + [Patch(color=colour, label=label) for colour, label in kinds]


def save_figure(figure: Figure, path: Path, dpi: int = 100) -> None:
    """Write a figure as PNG, whole or not at all, without the date and the software's name in it."""
    write_atomically(
        path, lambda temporary: figure.savefig(temporary, dpi=dpi, format="png", metadata={"Software": None})
    )


class OverlayFigure:
    """Handler of an evaluator that draws fixed images of the evaluated part after every run.

    The images are those with the most foreground, one per case, in the order of the cases.

    Args:
        run_dir: folder of the run; pictures go to ``figures/`` in it.
        name: beginning of the file's name; the epoch of the network is added.
        dataset: the prepared data set.
        part: which part of it is evaluated.
        max_cases: how many cases to draw.
        prediction_name: title of the prediction's column.
        schedule: decides when the picture is drawn; None: after every run.
    """

    def __init__(
        self,
        run_dir: str | Path,
        name: str,
        dataset: PreparedDataset,
        part: str,
        max_cases: int = 4,
        prediction_name: str = "prediction",
        schedule: FigureSchedule | None = None,
    ) -> None:
        self.schedule = schedule
        self.run_name = Path(run_dir).name
        self.folder = Path(run_dir) / FIGURES
        self.name = name
        self.dataset = dataset
        self.part = part
        self.prediction_name = prediction_name
        items = dataset.items(part)
        self._slices = Counter(item["case_index"] for item in items)
        chosen = choose_items(items, max_cases, dataset.ignore_index)
        self._wanted = {(item["case_index"], item["slice"]) for item in chosen}
        self._examples: dict[tuple[int, int], Example] = {}

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._end)

    def _collect(self, engine: Engine) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            key = (int(item["case_index"]), int(item["slice"]))
            if key in self._wanted:
                image, truth, pred = (as_picture(output[name]) for name in ("image", "label", "pred"))
                title = example_title(item["case"], key[1], self._slices[key[0]])
                self._examples[key] = Example(title, image, truth, [pred])

    def _end(self, engine: Engine) -> None:
        found = {key: example for shown in gathered(self._examples) for key, example in shown.items()}
        self._examples.clear()
        if not found or not is_first():
            return
        examples = [found[key] for key in sorted(found)]
        draw = partial(self._draw, examples, network_epoch(engine))
        if self.schedule is None:
            draw()
        else:
            self.schedule.offer(self.name, engine, draw)

    def _draw(self, examples: Sequence[Example], epoch: int) -> None:
        title = f"{self.run_name} · {self.dataset.name}, {self.part} part · epoch {epoch}"
        labels, ignored = self.dataset.labels, self.dataset.ignore_index
        figure = draw_examples(examples, [self.prediction_name], labels, ignored, title)
        self.folder.mkdir(exist_ok=True)
        save_figure(figure, self.folder / figure_name(self.name, epoch))


def figure_name(name: str, epoch: int) -> str:
    """File of a picture of one epoch's network, in ``figures/``."""
    return f"{name}_epoch_{epoch:03d}.png"


def network_epoch(engine: Engine) -> int:
    """The epoch that the evaluated network was trained for: that of its checkpoint, or the trainer's own."""
    return int(getattr(engine.state, "checkpoint_epoch", engine.state.epoch))


def example_title(case: str, index: int, slices: int) -> str:
    """What an image is called: a picture has no slices to count."""
    return case if slices == 1 else f"{case} slice {index}"


def choose_items(items: Sequence[dict[str, Any]], max_cases: int, ignore_index: int | None) -> list[dict[str, Any]]:
    """Choose for each of the first cases the image with the most foreground."""
    from PIL import Image

    chosen: dict[str, tuple[int, dict[str, Any]]] = {}
    for item in items:
        if item["case"] not in chosen and len(chosen) == max_cases:
            continue
        with Image.open(item["label"]) as picture:
            label = np.asarray(picture)
        foreground = int(((label != 0) & (label != (-1 if ignore_index is None else ignore_index))).sum())
        if item["case"] not in chosen or foreground > chosen[item["case"]][0]:
            chosen[item["case"]] = (foreground, item)
    return [item for _, item in chosen.values()]


def as_picture(tensor: Any) -> NDArray[Any]:
    """(C, X, Y) as (Y, X) or, for three channels, (Y, X, 3)."""
    array = np.asarray(tensor.detach().cpu())
    return array[0].T if array.shape[0] != 3 else array.transpose(2, 1, 0)
