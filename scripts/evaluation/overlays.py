"""Pictures of what a network does: image, truth, prediction and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..storage.atomic_files import write_atomically

# Okabe and Ito's colours, told apart by people with any form of colour vision; class 0 is left clear where it is
# background
PALETTE = ["#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"]


@dataclass(frozen=True)
class Example:
    """One image with its truth and any number of predictions, all (H, W); the image may be (H, W, 3)."""

    title: str
    image: NDArray[Any]
    truth: NDArray[Any]
    predictions: Sequence[NDArray[Any]]


def draw_examples(
    examples: Sequence[Example], names: Sequence[str], num_classes: int, ignore_index: int | None = None
) -> Figure:
    """Draw a row an example: image, truth, each prediction, and the errors of the last prediction.

    Args:
        examples: what to draw.
        names: a title for each prediction.
        num_classes: C.
        ignore_index: label that is no error whatever was predicted.
    """
    columns = ["image", "truth", *names, f"errors of {names[-1]}"]
    figure = Figure(figsize=(2.2 * len(columns), 2.35 * len(examples)), layout="constrained")
    axes = figure.subplots(len(examples), len(columns), squeeze=False)
    for row, example in zip(axes, examples, strict=True):
        for axis in row:
            axis.imshow(example.image, cmap="gray")
            axis.set_xticks([])
            axis.set_yticks([])
        row[0].set_ylabel(example.title, fontsize=8)
        for axis, mask in zip(row[1:-1], [example.truth, *example.predictions], strict=True):
            _overlay(axis, mask, num_classes)
        wrong = example.predictions[-1] != example.truth
        if ignore_index is not None:
            wrong &= example.truth != ignore_index
        row[-1].imshow(
            np.ma.masked_where(~wrong, wrong), cmap=ListedColormap(["#FF2020"]), alpha=0.8, interpolation="nearest"
        )
    for axis, column in zip(axes[0], columns, strict=True):
        axis.set_title(column, fontsize=9)
    return figure


def _overlay(axis: Any, mask: NDArray[Any], num_classes: int) -> None:
    colours = ListedColormap([PALETTE[1 + (i - 1) % (len(PALETTE) - 1)] for i in range(1, num_classes)])
    shown = np.ma.masked_where((mask == 0) | (mask >= num_classes), mask)
    axis.imshow(shown, cmap=colours, vmin=1, vmax=max(num_classes - 1, 2), alpha=0.5, interpolation="nearest")


def save_figure(figure: Figure, path: Path, dpi: int = 100) -> None:
    """Write a figure as PNG, whole or not at all, without the date and the software's name in it."""
    write_atomically(
        path, lambda temporary: figure.savefig(temporary, dpi=dpi, format="png", metadata={"Software": None})
    )


class OverlayFigure:
    """Handler of an evaluator that draws fixed images of the evaluated part after every run.

    The images are those with the most foreground, one a case, in the order of the cases.

    Args:
        run_dir: folder of the run; pictures go to ``figures/`` in it.
        name: beginning of the file's name; the trainer's epoch is added.
        items: what is evaluated: ``label``, ``case`` and ``slice`` of each image.
        num_classes: C.
        ignore_index: label that is no error.
        max_cases: how many cases to draw.
        prediction_name: title of the prediction's column.
    """

    def __init__(
        self,
        run_dir: str | Path,
        name: str,
        items: Sequence[dict[str, Any]],
        num_classes: int,
        ignore_index: int | None = None,
        max_cases: int = 4,
        prediction_name: str = "prediction",
    ) -> None:
        self.folder = Path(run_dir) / "figures"
        self.name = name
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.prediction_name = prediction_name
        self._wanted = {(item["case_index"], item["slice"]) for item in choose_items(items, max_cases, ignore_index)}
        self._examples: dict[tuple[int, int], Example] = {}

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._draw)

    def _collect(self, engine: Engine) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            key = (int(item["case_index"]), int(item["slice"]))
            if key in self._wanted:
                image, truth, pred = (_as_picture(output[name]) for name in ("image", "label", "pred"))
                self._examples[key] = Example(f"{item['case']} slice {key[1]}", image, truth, [pred])

    def _draw(self, engine: Engine) -> None:
        if not self._examples:
            return
        examples = [self._examples[key] for key in sorted(self._examples)]
        figure = draw_examples(examples, [self.prediction_name], self.num_classes, self.ignore_index)
        self.folder.mkdir(exist_ok=True)
        save_figure(figure, self.folder / f"{self.name}_epoch_{engine.state.epoch:03d}.png")
        self._examples.clear()


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


def _as_picture(tensor: Any) -> NDArray[Any]:
    """(C, X, Y) as (Y, X) or, for three channels, (Y, X, 3)."""
    array = np.asarray(tensor.detach().cpu())
    return array[0].T if array.shape[0] != 3 else array.transpose(2, 1, 0)
