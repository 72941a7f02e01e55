"""What the process of a run writes down of its training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scripts.studies.run_one import _facts


@pytest.mark.parametrize(
    ("epoch", "objects", "said"),
    [
        (10, {}, None),
        (10, {"no_foreground": SimpleNamespace(ended_at=None)}, None),
        (6, {}, "after 6 of 10 epochs"),  # early stopping
        (6, {"no_foreground": SimpleNamespace(ended_at=None)}, "after 6 of 10 epochs"),
        (6, {"no_foreground": SimpleNamespace(ended_at=6)}, "after 6 of 10 epochs without a voxel of foreground"),
    ],
)
def test_a_training_that_ended_before_its_last_epoch_is_recorded(
    epoch: int, objects: dict[str, Any], said: str | None
) -> None:
    values = {
        "data": SimpleNamespace(patients={"a": "a"}),
        "labels": ["background", "organ"],
        "include_background": False,
        "device": "cpu",
        "precision_in_use": "float32",
        "train::trainer": SimpleNamespace(state=SimpleNamespace(epoch=epoch, max_epochs=10)),
        "train::state": SimpleNamespace(objects=objects),
    }
    training: Any = SimpleNamespace(parser=SimpleNamespace(get_parsed_content=values.__getitem__))
    assert _facts(training).get("ended_early") == said
