from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from PIL import Image

from scripts.evaluation.overlays import Example, OverlayFigure, choose_items, draw_examples, save_figure


def _items(folder: Path) -> list[dict[str, object]]:
    """Two cases of three slices; the foreground of slice 1 is the largest."""
    items: list[dict[str, object]] = []
    for case_index, case in enumerate(("a", "b")):
        for place, size in enumerate((1, 3, 2)):
            label = np.zeros((8, 8), np.uint8)
            label[:size, :size] = 1
            path = folder / f"{case}{place}.png"
            Image.fromarray(label).save(path)
            items.append({"label": str(path), "case": case, "case_index": case_index, "slice": place})
    return items


def test_the_slice_with_the_most_foreground_is_chosen_for_each_case(tmp_path: Path) -> None:
    items = _items(tmp_path)
    assert [(item["case"], item["slice"]) for item in choose_items(items, 2, None)] == [("a", 1), ("b", 1)]
    assert [item["case"] for item in choose_items(items, 1, None)] == ["a"]


def test_ignored_pixels_are_no_foreground(tmp_path: Path) -> None:
    void = np.full((8, 8), 255, np.uint8)
    Image.fromarray(void).save(tmp_path / "void.png")
    items = [{"label": str(tmp_path / "void.png"), "case": "a", "case_index": 0, "slice": 7}, *_items(tmp_path)[:2]]
    assert choose_items(items, 1, 255)[0]["slice"] == 1
    assert choose_items(items, 1, None)[0]["slice"] == 7


def test_errors_are_red_where_prediction_and_truth_differ(tmp_path: Path) -> None:
    truth = np.zeros((20, 20), int)
    wrong = truth.copy()
    wrong[5:15, 5:15] = 1
    image = np.zeros((20, 20))

    def red_pixels(prediction: np.ndarray, ignore_index: int | None = None, truth: np.ndarray = truth) -> int:
        figure = draw_examples([Example("x", image, truth, [prediction])], ["p"], 2, ignore_index)
        save_figure(figure, tmp_path / "f.png")
        with Image.open(tmp_path / "f.png") as picture:
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        return int(((pixels[..., 0] > 180) & (pixels[..., 1:] < 60).all(-1)).sum())

    assert red_pixels(truth) == 0
    assert red_pixels(wrong) > 500
    assert red_pixels(wrong, 255, np.full((20, 20), 255)) == 0


def test_the_same_pictures_give_the_same_bytes(tmp_path: Path) -> None:
    example = Example("x", np.eye(8), np.eye(8, dtype=int), [np.eye(8, dtype=int)])
    for name in ("1.png", "2.png"):
        save_figure(draw_examples([example], ["p"], 2), tmp_path / name)
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_validation_leaves_one_picture_of_fixed_images(tmp_path: Path, channels: int) -> None:
    items = _items(tmp_path)
    engine = Engine(lambda engine, batch: None)
    handler = OverlayFigure(tmp_path, "validation", items, num_classes=2, max_cases=2)
    shown = {
        "image": MetaTensor(torch.rand(channels, 8, 8)),
        "label": MetaTensor(torch.zeros(1, 8, 8)),
        "pred": MetaTensor(torch.ones(1, 8, 8)),
    }
    engine.state = SimpleNamespace(batch=items, output=[shown] * len(items), epoch=3)
    handler._collect(engine)
    handler._draw(engine)
    (picture,) = (tmp_path / "figures").iterdir()
    assert picture.name == "validation_epoch_003.png"
    with Image.open(picture) as image:
        assert image.width > 300
