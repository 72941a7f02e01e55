from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ignite.engine import Engine

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
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("prediction", "truth")


def test_the_handler_takes_label_for_truth_and_pred_for_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[list[int]]] = []
    monkeypatch.setattr(confusion, "draw_confusion", lambda matrix, _labels: drawn.append(matrix.tolist()))
    monkeypatch.setattr(confusion, "save_figure", lambda *_: None)
    output = [{"label": torch.tensor([[0, 0, 1]]), "pred": torch.tensor([[1, 1, 1]])}]
    engine = Engine(lambda _engine, _batch: output)
    confusion.ConfusionFigure(
        tmp_path, "validation", SimpleNamespace(labels=["background", "organ"], ignore_index=None)
    ).attach(engine)
    for _ in range(2):  # each run counts from 0
        engine.run([0], max_epochs=1)
    assert drawn == [[[0, 2], [0, 1]]] * 2
