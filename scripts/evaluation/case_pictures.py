"""One small picture a case: its slice with the largest true area, truth and prediction outlined."""

from __future__ import annotations

import io
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ignite.engine import Engine, Events
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from ..errors import UserError
from ..palette import CLASS_COLOURS, as_rgb, has_background
from ..runs.processes import gathered, is_first
from ..runs.run_files import case_picture
from ..storage.atomic_files import write_atomically
from .metrics import OverlapScores, class_mean, dice_and_iou, sum_by_case
from .overlays import as_picture, example_title

if TYPE_CHECKING:
    from ..datasets import PreparedDataset

SIDE = 400  # pixels of a picture's longer side, legend not counted
TRUTH_LINE, PREDICTION_LINE = 5, 3  # pixels
THIN_LINE, TINT = 1, 0.5  # of the truth, and share of the prediction's colour, where every pixel is of a class
BRIGHTEST = 190  # of the image, so that white lines stand out
IMAGE_COLOURS = 200  # of a picture's palette of 256; the rest are those of lines
WHITE = (255, 255, 255)
_FONT, _ROW, _GAP = 16, 25, 14  # pixels

Drawn = tuple[int, int, NDArray[Any], NDArray[Any], NDArray[Any]]  # true area, slice; image, truth, prediction
Encoded = tuple[int, int, bytes]  # true area, slice; PNG


class CasePictures:
    """Handler of an evaluator that keeps a picture of some cases: those that score lowest, highest and in the middle.

    A case's picture shows its slice with the largest true area (the first of equal ones) as
    ``evaluation/<part>/pictures/<case>.png``, at most 400 pixels wide and high and a legend. The truth has a thick
    white outline, the prediction a thin one in the colour of its class. They stay in the run folder: MLflow gets none.

    Args:
        run_dir: folder of the run.
        part: what is evaluated, "val" or "test".
        metric: the evaluator's metric, by its name as in ``key_val_metric``; its mean Dice of a case decides.
        dataset: the prepared data set.
        count: how many cases, >= 0: a third each of the lowest and the highest, the rest from the middle.

    Raises:
        UserError: ``count`` is no whole number >= 0.
    """

    def __init__(
        self, run_dir: str | Path, part: str, metric: Mapping[str, OverlapScores], dataset: PreparedDataset, count: int
    ) -> None:
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise UserError(f"case_pictures must be a whole number >= 0, got {count!r}; set another --case_pictures")
        self.run_dir, self.part, self.dataset, self.count = Path(run_dir), part, dataset, count
        (self.metric,) = metric.values()
        self._slices = Counter(int(item["case_index"]) for item in dataset.items(part))
        self._seen: Counter[int] = Counter()
        self._open: dict[int, Drawn] = {}
        self._encoded: dict[int, Encoded] = {}

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator, before the tables: where they are, the evaluation counts as done."""
        engine.add_event_handler(Events.COMPLETED, self._end)
        if self.count:
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)

    def _collect(self, engine: Engine) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            case, place = int(item["case_index"]), int(item["slice"])
            truth = as_picture(output["label"])
            area = int(self._is_object(truth).sum())
            best = self._open.get(case)
            if best is None or (area, -place) > (best[0], -best[1]):
                self._open[case] = (area, place, as_picture(output["image"]), truth, as_picture(output["pred"]))
            self._seen[case] += 1
            if self._seen[case] == self._slices[case]:
                self._encode(case)

    def _is_object(self, truth: NDArray[Any]) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = truth >= int(has_background(self.dataset.labels))
        if self.dataset.ignore_index is not None:
            inside &= truth != self.dataset.ignore_index
        return inside

    def _encode(self, case: int) -> None:
        area, place, image, truth, pred = self._open.pop(case)
        name = self.dataset.case_names[case]
        spacing = self.dataset.geometry(name).of_slices(self.dataset.slice_grid(name)).spacing or (1.0, 1.0)
        truth = np.where(self._is_object(truth), truth, -1).astype(np.int16)
        title = example_title(name, place, self._slices[case])
        picture = draw_case(image, truth, pred, self.dataset.labels, title, (spacing[0], spacing[1]))
        file = io.BytesIO()
        picture.save(file, format="PNG")
        self._encoded[case] = (area, place, file.getvalue())

    def _end(self, _engine: Engine) -> None:
        for case in list(self._open):  # its other slices are another process's
            self._encode(case)
        everyones = gathered(self._encoded)
        self._seen.clear()
        self._encoded = {}
        if not is_first():
            return
        folder = case_picture(self.run_dir, self.part, "").parent
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier evaluation
        largest: dict[int, Encoded] = {}
        for case, found in [entry for one in everyones for entry in one.items()]:
            if case not in largest or (found[0], -found[1]) > (largest[case][0], -largest[case][1]):
                largest[case] = found
        chosen = choose_cases(self._scores(), self.count)
        if chosen:
            folder.mkdir(parents=True)
        for case in chosen:
            path = case_picture(self.run_dir, self.part, self.dataset.case_names[case])
            write_atomically(path, partial(_write, largest[case][2]))

    def _scores(self) -> dict[int, float]:
        """Mean Dice of every case that has one."""
        counts, where = self.metric.images()
        of_cases, indices = sum_by_case(counts, where[:, 0])
        means = class_mean(dice_and_iou(of_cases)[0], self.metric.first)
        return {int(case): float(mean) for case, mean in zip(indices, means, strict=True) if not np.isnan(mean)}


def _write(data: bytes, path: Path) -> None:
    path.write_bytes(data)


def choose_cases(scores: Mapping[int, float], count: int) -> list[int]:
    """At most ``count`` cases: a third each of the lowest and the highest scores, the rest from the middle."""
    order = sorted(scores, key=lambda case: (scores[case], case))
    if len(order) <= count:
        return order
    third = count // 3
    rest = order[third : len(order) - third]
    start = (len(rest) - (count - 2 * third)) // 2
    return [*order[:third], *rest[start : start + count - 2 * third], *order[len(order) - third :]]


def draw_case(
    image: NDArray[Any],
    truth: NDArray[Any],
    prediction: NDArray[Any],
    labels: Sequence[str],
    title: str = "",
    spacing: tuple[float, float] = (1.0, 1.0),
) -> Image.Image:
    """Draw a slice with the outlines of truth (thick, white) and prediction (thin, in its class's colour).

    Without a background, where outlines would cover the picture, the prediction is a tint and the truth's line thin.

    Args:
        image: (Y, X) or (Y, X, 3), of any range.
        truth: class indices (Y, X); below 0 where there is no object.
        prediction: class indices (Y, X).
        labels: class names, index = class value. A class 0 called background has no outline.
        title: stands below the picture, before the legend.
        spacing: size of a pixel along x and y, whose ratio the picture has.
    """
    extent = image.shape[1] * spacing[0], image.shape[0] * spacing[1]
    width, height = (max(1, round(SIDE * side / max(extent))) for side in extent)
    first = int(has_background(labels))
    shown = [value for value in range(first, len(labels)) if (truth == value).any() or (prediction == value).any()]
    colours = [WHITE, *map(as_rgb, CLASS_COLOURS)]  # of the lines: truth, then classes
    legend = [(title, None), ("truth", 0), *((labels[v], 1 + (v - first) % len(CLASS_COLOURS)) for v in shown)]
    masks = [
        np.asarray(Image.fromarray(mask.astype(np.int32)).resize((width, height), Image.Resampling.NEAREST))
        for mask in (truth, prediction)
    ]
    picture = _as_image(image).resize((width, height), Image.Resampling.BILINEAR)
    outlines = [(0, TRUTH_LINE), (1, PREDICTION_LINE)]
    if not first:
        picture, outlines = _tinted(picture, masks[1]), [(0, THIN_LINE)]
    page, swatches = _with_legend(picture, legend)
    places, palette = _in_few_colours(page)
    for which, line in outlines:
        classes = masks[which]
        edge = inner_edge(classes, line) & (classes >= first)
        number = np.zeros_like(classes) if which == 0 else 1 + (classes - first) % len(CLASS_COLOURS)
        places[:height][edge] = IMAGE_COLOURS + number[edge]
    for (x, y), colour in swatches:
        half = (PREDICTION_LINE if colour else TRUTH_LINE) // 2
        places[y - half : y + half + 1, x : x + 11] = IMAGE_COLOURS + colour
    drawn = Image.fromarray(places)
    drawn.putpalette([*palette, *(part for colour in colours for part in colour)])
    return drawn


def inner_edge(classes: NDArray[Any], line: int) -> NDArray[np.bool_]:
    """Pixels of a mask (Y, X) that have a pixel of another class at most ``line`` pixels away."""
    size = 2 * line + 1
    high, low = (
        every(classes, size=size, mode="nearest") for every in (ndimage.maximum_filter, ndimage.minimum_filter)
    )
    edge: NDArray[np.bool_] = high != low
    return edge


def _tinted(picture: Image.Image, classes: NDArray[Any]) -> Image.Image:
    """The picture with each pixel on half the way to the colour of its class."""
    colours = np.array([as_rgb(colour) for colour in CLASS_COLOURS], dtype=np.uint8)[classes % len(CLASS_COLOURS)]
    return Image.blend(picture.convert("RGB"), Image.fromarray(colours), TINT)


def _as_image(image: NDArray[Any]) -> Image.Image:
    low, high = float(image.min()), float(image.max())
    return Image.fromarray(((image - low) * (BRIGHTEST / max(high - low, 1e-9))).astype(np.uint8))


def _in_few_colours(page: Image.Image) -> tuple[NDArray[np.uint8], list[int]]:
    """Numbers (Y, X) of ``IMAGE_COLOURS`` colours, and these; every fourth gray, which takes half the bytes of all."""
    if page.mode == "L":
        grays = [min(4 * number, 255) for number in range(IMAGE_COLOURS)]
        return np.asarray(page) // 4, [part for gray in grays for part in (gray,) * 3]
    flat = page.quantize(IMAGE_COLOURS, dither=Image.Dither.NONE)
    palette = (flat.getpalette() or [])[: 3 * IMAGE_COLOURS]
    return np.asarray(flat).copy(), palette + [0] * (3 * IMAGE_COLOURS - len(palette))


def _with_legend(
    picture: Image.Image, entries: Sequence[tuple[str, int | None]]
) -> tuple[Image.Image, list[tuple[tuple[int, int], int]]]:
    """The picture above lines of text, and where each entry that stands for an outline gets its swatch."""
    font = ImageFont.load_default(size=_FONT)
    placed: list[tuple[int, int, str, int | None]] = []
    x, row = 6, 0
    for text, number in entries:
        needed = round(font.getlength(text)) + (16 if number is not None else 0)
        if placed and x + needed > picture.width - 6:
            x, row = 6, row + 1
        placed.append((x, picture.height + 4 + _ROW * row, text, number))
        x += needed + _GAP
    page = Image.new(picture.mode, (picture.width, picture.height + _ROW * (row + 1) + 4))
    page.paste(picture, (0, 0))
    pen = ImageDraw.Draw(page)
    for x, y, text, number in placed:
        pen.text((x + (16 if number is not None else 0), y), text, fill=255 if page.mode == "L" else "white", font=font)
    return page, [((x, y + _FONT // 2 + 2), number) for x, y, _, number in placed if number is not None]
