from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

from scripts.evaluation import comparison
from scripts.evaluation.overlays import Example


class Threshold(torch.nn.Module):
    """Says foreground where the image is bright."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cat([0.5 - image, image - 0.5], dim=1)


def test_image_truth_and_prediction_lie_on_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upright = np.zeros((12, 8), np.uint8)  # rows, columns: nothing that is turned or mirrored fits
    upright[1:4, 5:7] = 1
    Image.fromarray(upright).save(tmp_path / "label.png")
    item = {"label": str(tmp_path / "label.png"), "case": "a", "case_index": 0, "slice": 3}
    tensors = MetaTensor(torch.from_numpy(upright.T.copy())[None].float())  # (1, X, Y), as the reader gives it
    drawn: list[Example] = []
    monkeypatch.setattr(comparison, "draw_examples", lambda examples, *_a, **_k: drawn.extend(examples))
    monkeypatch.setattr(comparison, "save_figure", lambda *_a, **_k: None)
    monkeypatch.setattr(comparison, "find_run_dir", lambda output_dir, run: Path(output_dir) / run)
    monkeypatch.setattr(comparison, "load_network", lambda network, *_: network)
    dataset = SimpleNamespace(
        items=lambda _part: [item], labels=["background", "organ"], ignore_index=None, name="x", split_sha256=""
    )
    parsed = {
        "validate::preprocessing": lambda _: {"image": tensors, "label": tensors},
        "network_def": Threshold(),
    }
    run = SimpleNamespace(
        folder=tmp_path, dataset=dataset, parser=SimpleNamespace(get_parsed_content=parsed.__getitem__)
    )
    monkeypatch.setattr(comparison, "_open", lambda _folders: [run])
    comparison.draw_comparison(["run"], ["prediction"], tmp_path, "test", tmp_path / "picture.png")
    (example,) = drawn
    np.testing.assert_array_equal(example.truth, upright)
    np.testing.assert_array_equal(example.image, upright)
    np.testing.assert_array_equal(example.predictions[0], upright)
