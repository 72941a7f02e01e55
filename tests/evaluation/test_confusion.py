from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from matplotlib.backends.backend_agg import FigureCanvasAgg

from scripts.evaluation import confusion
from scripts.evaluation.confusion import draw_confusion
from scripts.evaluation.metrics import confusion_matrix


def test_rows_are_the_truth_and_columns_the_prediction() -> None:
    truth, prediction = torch.tensor([0, 0, 0, 1, 2]), torch.tensor([1, 1, 0, 1, 0])
    assert confusion_matrix(prediction, truth, 3).tolist() == [[1, 2, 0], [0, 1, 0], [1, 0, 0]]
    assert confusion_matrix(prediction, truth, 3, ignore_index=2).tolist() == [[1, 2, 0], [0, 1, 0], [0, 0, 0]]


def test_the_picture_shows_the_shares_of_each_true_class() -> None:
    axis = draw_confusion(np.array([[3, 1], [0, 4]]), ["background", "organ"]).axes[0]
    assert {(text.get_position(), text.get_text()) for text in axis.texts} == {
        ((0, 0), "0.75"), ((1, 0), "0.25"), ((0, 1), "0.00"), ((1, 1), "1.00"),
    }  # fmt: skip
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("prediction", "truth (its pixels are 1)")


@pytest.mark.parametrize("run", ["ce-f0", "adfl-deeplabv3plus-promise12-adam-f0-s0", "name of many words " * 8])
def test_the_picture_says_of_which_run_data_and_epoch_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    saved: list[Any] = []
    monkeypatch.setattr(confusion, "save_figure", lambda figure, _path: saved.append(figure))
    (tmp_path / run).mkdir()
    _evaluate(_figure(tmp_path / run), [0, 1], [1, 1])
    (figure,) = saved
    said = figure.get_suptitle()
    assert said.replace("\n", " ").split() == [*run.split(), "phantom,", "validation", "·", "epoch", "1"]
    FigureCanvasAgg(figure).draw()
    box, whole = figure.texts[0].get_window_extent(), figure.bbox
    assert whole.x0 <= box.x0 < box.x1 <= whole.x1
    assert box.y1 <= whole.y1


def test_the_handler_takes_label_for_truth_and_pred_for_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[list[int]]] = []
    monkeypatch.setattr(confusion, "draw_confusion", lambda matrix, _labels, _title: drawn.append(matrix.tolist()))
    monkeypatch.setattr(confusion, "save_figure", lambda *_: None)
    output = [{"label": torch.tensor([[0, 0, 1]]), "pred": torch.tensor([[1, 1, 1]])}]
    engine = Engine(lambda _engine, _batch: output)
    confusion.ConfusionFigure(
        tmp_path, "validation", SimpleNamespace(name="phantom", labels=["background", "organ"], ignore_index=None)
    ).attach(engine)
    for _ in range(2):  # each run counts from 0
        engine.run([0], max_epochs=1)
    assert drawn == [[[0, 2], [0, 1]]] * 2


def _figure(folder: Path, ignore_index: int | None = None, schedule: Any = None) -> confusion.ConfusionFigure:
    dataset: Any = SimpleNamespace(name="phantom", labels=["background", "organ"], ignore_index=ignore_index)
    return confusion.ConfusionFigure(folder, "validation", dataset, schedule)


def _evaluate(figure: confusion.ConfusionFigure, label: list[int], pred: list[int]) -> None:
    engine = Engine(lambda _engine, _batch: [{"label": torch.tensor(label), "pred": torch.tensor(pred)}])
    figure.attach(engine)
    engine.run([0, 0], max_epochs=1)  # two batches


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[list[int]]]]:
    """The name of each file that is written, and the matrix that it shows."""
    written: list[tuple[str, list[list[int]]]] = []
    monkeypatch.setattr(confusion, "draw_confusion", lambda matrix, _labels, _title: matrix.tolist())
    monkeypatch.setattr(confusion, "save_figure", lambda matrix, path: written.append((path.name, matrix)))
    return written


def test_ignored_pixels_of_the_data_set_are_not_counted(tmp_path: Path, drawn: list[Any]) -> None:
    _evaluate(_figure(tmp_path, ignore_index=255), [0, 1, 255, 255], [1, 1, 0, 1])
    assert drawn == [("validation_confusion_epoch_001.png", [[0, 2], [0, 2]])]


def test_a_schedule_is_offered_each_picture_and_draws_what_it_was_then(tmp_path: Path, drawn: list[Any]) -> None:
    offered: list[Any] = []
    figure = _figure(tmp_path, schedule=SimpleNamespace(offer=lambda *given: offered.append(given)))
    _evaluate(figure, [0, 1], [1, 1])
    _evaluate(figure, [0, 0], [0, 1])
    assert [(name, type(engine)) for name, engine, _ in offered] == [("validation_confusion", Engine)] * 2
    assert drawn == []
    for _, _, draw in offered:
        draw()
    assert [matrix for _, matrix in drawn] == [[[0, 2], [0, 2]], [[2, 2], [0, 0]]]


def test_the_first_process_draws_what_all_have_counted(
    tmp_path: Path, drawn: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confusion, "gathered", lambda matrix: [matrix, np.array([[10, 20], [30, 40]])])
    _evaluate(_figure(tmp_path), [0, 1], [1, 1])
    monkeypatch.setattr(confusion, "is_first", lambda: False)
    _evaluate(_figure(tmp_path), [0, 1], [1, 1])
    assert [matrix for _, matrix in drawn] == [[[10, 22], [30, 42]]]
