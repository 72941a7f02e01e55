from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from PIL import Image

from scripts.evaluation.overlays import (
    Example,
    OverlayFigure,
    choose_items,
    draw_examples,
    example_title,
    paint_classes,
    paint_errors,
    save_figure,
    shown_dice,
)
from scripts.palette import CLASS_COLOURS, CONFUSED, INVENTED, MISSED

LABELS = ["background", "organ"]


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


def _colour(pixel: np.ndarray) -> str:
    return "clear" if pixel[3] == 0 else "#{:02X}{:02X}{:02X}".format(*pixel[:3])


def test_missed_invented_and_confused_pixels_are_told_apart() -> None:
    truth = np.array([[0, 1, 0, 1, 2, 255]])
    prediction = np.array([[0, 0, 1, 2, 2, 1]])
    expected = ["clear", MISSED, INVENTED, CONFUSED, "clear", "clear"]
    assert [_colour(pixel) for pixel in paint_errors(truth, prediction, ["background", "a", "b"], 255)[0]] == expected
    streets = [_colour(pixel) for pixel in paint_errors(truth, prediction, ["sky", "a", "b"], 255)[0]]
    assert streets == ["clear", CONFUSED, CONFUSED, CONFUSED, "clear", "clear"]  # sky is a class as the others are


def test_a_class_has_one_colour_and_background_and_what_is_no_class_are_clear() -> None:
    mask = np.array([[0, 1, 2, 255]])
    first, second = CLASS_COLOURS[:2]
    assert [_colour(pixel) for pixel in paint_classes(mask, ["background", "a", "b"])[0]] == [
        "clear", first, second, "clear",
    ]  # fmt: skip
    assert [_colour(pixel) for pixel in paint_classes(mask, ["sky", "a"])[0]] == [first, second, "clear", "clear"]


def test_the_dice_of_a_panel_is_that_of_its_one_image() -> None:
    truth, prediction = np.array([[0, 1, 1, 2, 255]]), np.array([[0, 1, 0, 2, 1]])
    labels = ["background", "a", "b", "absent"]
    assert shown_dice(truth, prediction, labels, 255) == "Dice 0.833"  # a: 2 / 3, b: 1
    assert shown_dice(np.zeros((2, 2)), np.zeros((2, 2)), labels) == "no object"


def test_the_picture_says_what_it_shows_and_which_colour_is_which_class() -> None:
    example = Example(example_title("Case07", 3, 12), np.eye(8), np.eye(8, dtype=int), [np.eye(8, dtype=int)])
    figure = draw_examples([example], ["CE"], ["background", "nerve", "vessel"], title="run · usgra · epoch 7")
    assert figure.get_suptitle() == "run · usgra · epoch 7"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "nerve", "vessel", "error: missed", "error: invented", "error: another class",
    ]  # fmt: skip
    assert [axis.get_title() for axis in figure.axes] == ["image", "truth", "CE", "errors of CE"]
    assert figure.axes[0].get_ylabel() == "Case07 slice 3"
    assert figure.axes[2].get_xlabel() == "Dice 1.000"
    assert example_title("street", 0, 1) == "street"


def test_the_same_pictures_give_the_same_bytes(tmp_path: Path) -> None:
    example = Example("x", np.eye(8), np.eye(8, dtype=int), [np.eye(8, dtype=int)])
    for name in ("1.png", "2.png"):
        save_figure(draw_examples([example], ["p"], LABELS), tmp_path / name)
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_validation_leaves_one_picture_of_fixed_images(tmp_path: Path, channels: int) -> None:
    items = _items(tmp_path)
    engine = Engine(lambda engine, batch: None)
    dataset = SimpleNamespace(items=lambda part: items, labels=LABELS, ignore_index=None, name="phantom")
    handler = OverlayFigure(tmp_path, "validation", dataset, "val", max_cases=2)
    shown = {
        "image": MetaTensor(torch.rand(channels, 8, 8)),
        "label": MetaTensor(torch.zeros(1, 8, 8)),
        "pred": MetaTensor(torch.ones(1, 8, 8)),
    }
    engine.state = SimpleNamespace(batch=items, output=[shown] * len(items), epoch=3)
    handler._collect(engine)
    handler._end(engine)
    (picture,) = (tmp_path / "figures").iterdir()
    assert picture.name == "validation_epoch_003.png"
    with Image.open(picture) as image:
        assert image.width > 300
