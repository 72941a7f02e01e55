"""Pictures of cases with the outlines of truth and prediction."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from PIL import Image

from scripts.datasets.geometry import Geometry
from scripts.errors import UserError
from scripts.evaluation.case_pictures import SIDE, WHITE, CasePictures, choose_cases, draw_case, inner_edge
from scripts.evaluation.metrics import OverlapScores
from scripts.palette import CLASS_COLOURS, as_rgb
from scripts.runs.run_files import case_picture

LABELS = ["background", "organ"]
SIDES = (1, 5, 3)  # of the true square in each slice of a case


def test_the_lowest_the_highest_and_the_middle_cases_are_chosen() -> None:
    scores = {case: 0.1 * case for case in (4, 8, 0, 2, 6, 1, 7, 3, 5)}
    assert choose_cases(scores, 3) == [0, 4, 8]
    assert choose_cases(scores, 5) == [0, 3, 4, 5, 8]
    assert choose_cases(scores, 1) == [4]
    assert choose_cases(scores, 99) == list(range(9))
    assert choose_cases(scores, 0) == []


def test_an_edge_is_the_inside_of_a_class_at_its_border() -> None:
    mask = np.zeros((9, 9), int)
    mask[2:7, 2:7] = 1
    inside = inner_edge(mask, 1) & (mask == 1)
    assert inside.sum() == 16  # 5 x 5 without the inner 3 x 3
    assert not inside[3:6, 3:6].any()
    assert not inner_edge(np.ones((4, 4), int), 2).any()  # no line along the picture's own border


def test_truth_is_outlined_in_white_and_the_prediction_in_the_colour_of_its_class() -> None:
    truth, pred = np.full((40, 80), -1), np.zeros((40, 80), int)
    truth[8:24, 8:24] = 1
    pred[8:24, 56:72] = 1
    picture = draw_case(np.full((40, 80), 7.0), truth, pred, LABELS)
    assert picture.width == SIDE
    drawn = np.asarray(picture.convert("RGB"))[: SIDE // 2]
    for colour, left in ((WHITE, 8), (as_rgb(CLASS_COLOURS[0]), 56)):
        rows, columns = np.nonzero((drawn == colour).all(-1))
        assert (rows.min(), rows.max() + 1) == (8 * 5, 24 * 5)
        assert (columns.min(), columns.max() + 1) == (left * 5, (left + 16) * 5)
        assert not (drawn[70:90, (left + 6) * 5 : (left + 10) * 5] == colour).all(-1).any()  # the inside is clear


def test_without_a_background_the_prediction_is_a_tint_and_the_truth_a_thin_line() -> None:
    truth, pred = np.zeros((40, 80), int), np.zeros((40, 80), int)
    truth[:, 40:], pred[:, 60:] = 1, 1
    drawn = np.asarray(draw_case(np.full((40, 80), 7.0), truth, pred, ["sky", "road"]).convert("RGB"))[: SIDE // 2]
    sky, road = (np.array(as_rgb(colour)) / 2 for colour in CLASS_COLOURS[:2])  # the constant image is black
    assert np.abs(drawn[100, 20] - sky).max() <= 2
    assert np.abs(drawn[100, 280] - sky).max() <= 2
    assert np.abs(drawn[100, 380] - road).max() <= 2
    white = (drawn == WHITE).all(-1)
    assert white[:, 199:201].all()
    assert white.sum() == 2 * white.shape[0]


def test_a_picture_has_the_proportions_of_the_body() -> None:
    mask = np.zeros((40, 40), int)
    picture = draw_case(np.zeros((40, 40)), mask, mask, LABELS, spacing=(1.0, 0.5))
    assert np.asarray(picture).shape[:2] >= (SIDE // 2, SIDE)
    assert picture.height < 0.75 * picture.width


class ToyDataset(SimpleNamespace):
    """Cases of three slices, in each a true square of the sides ``SIDES``."""

    def __init__(self, cases: int, ignore_index: int | None = None) -> None:
        names = [f"Case{number}" for number in range(cases)]
        super().__init__(labels=LABELS, case_names=names, ignore_index=ignore_index)

    def items(self, _part: str) -> list[dict[str, int]]:
        return [{"case_index": case, "slice": place} for case in range(len(self.case_names)) for place in range(3)]

    def geometry(self, _name: str) -> Geometry:
        return Geometry((16, 16, 3), None)

    def slice_grid(self, _name: str) -> Any:
        return SimpleNamespace(size=(16, 16), whole=(16, 16))


def evaluate(folder: Path, dataset: ToyDataset, count: int, shown: list[dict[str, int]] | None = None) -> list[str]:
    """Names of the pictures of a network that finds the first ``index`` rows of the square of case ``index``."""

    def step(engine: Engine, batch: list[dict[str, int]]) -> list[dict[str, torch.Tensor]]:
        outputs = []
        for item in batch:
            label, pred = torch.zeros(1, 16, 16, dtype=torch.uint8), torch.zeros(1, 16, 16)
            side = SIDES[item["slice"]]
            label[0, 4 : 4 + side, 4 : 4 + side] = 1
            if dataset.ignore_index is not None and item["slice"] == 0:
                label[0] = dataset.ignore_index
            pred[0, 4 : 4 + item["case_index"], 4 : 4 + side] = 1
            image = torch.full((1, 16, 16), float(item["slice"])) + torch.rand(1, 16, 16)
            outputs.append({"image": image, "label": label, "pred": pred})
        engine.state.batch = batch
        return outputs

    engine, metric = Engine(step), OverlapScores(LABELS, ignore_index=dataset.ignore_index)
    metric.attach(engine, "dice/mean")
    CasePictures(folder, "test", {"dice/mean": metric}, dataset, count).attach(engine)
    items = dataset.items("test") if shown is None else shown
    engine.run([items[start : start + 4] for start in range(0, len(items), 4)])
    pictures = case_picture(folder, "test", "").parent
    return sorted(path.stem for path in pictures.iterdir()) if pictures.is_dir() else []


def white_box(folder: Path, case: str) -> int:
    """Side of the outlined truth in a picture of a case, in slice pixels."""
    with Image.open(case_picture(folder, "test", case)) as opened:
        drawn = np.asarray(opened.convert("RGB"))[:SIDE]
    rows, _ = np.nonzero((drawn == WHITE).all(-1))
    return round((rows.max() + 1 - rows.min()) * 16 / SIDE)


def test_a_run_keeps_the_largest_slice_of_the_worst_the_middle_and_the_best_cases(tmp_path: Path) -> None:
    assert evaluate(tmp_path, ToyDataset(5), 3) == ["Case0", "Case2", "Case4"]
    assert white_box(tmp_path, "Case2") == 5
    for case in ("Case0", "Case2", "Case4"):
        assert case_picture(tmp_path, "test", case).stat().st_size < 120_000
    assert evaluate(tmp_path, ToyDataset(2), 3) == ["Case0", "Case1"]  # an earlier evaluation's are gone
    assert evaluate(tmp_path, ToyDataset(2), 0) == []


def test_ignored_pixels_are_no_true_area(tmp_path: Path) -> None:
    evaluate(tmp_path, ToyDataset(2, ignore_index=255), 3)
    assert white_box(tmp_path, "Case1") == 5


def test_a_case_that_a_process_has_only_a_part_of_is_drawn_from_that_part(tmp_path: Path) -> None:
    dataset = ToyDataset(1)
    assert evaluate(tmp_path, dataset, 3, [item for item in dataset.items("test") if item["slice"] != 1]) == ["Case0"]
    assert white_box(tmp_path, "Case0") == 3


@pytest.mark.parametrize("count", [-1, 2.5, True, "3"])
def test_a_number_of_pictures_that_is_none_is_refused(tmp_path: Path, count: Any) -> None:
    with pytest.raises(UserError, match="case_pictures must be a whole number >= 0"):
        CasePictures(tmp_path, "test", {"dice/mean": OverlapScores(LABELS)}, ToyDataset(1), count)
