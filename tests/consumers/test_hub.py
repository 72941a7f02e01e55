"""What ``monai.bundle push_to_hf_hub`` and ``load`` do to the folder of a built bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import yaml
from monai.bundle import push_to_hf_hub

from scripts.release.page import bundle_page
from tests.workflows import CONFIGS, ROOT


def test_the_model_card_has_front_matter_and_links_that_hold_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = MagicMock()
    monkeypatch.setattr("monai.bundle.scripts.huggingface_hub", hub)
    monkeypatch.chdir(tmp_path)
    bundle = tmp_path / "dist" / "dual_focal_loss_segmentation"
    (bundle / "docs").mkdir(parents=True)
    shutil.copy(ROOT / "LICENSE", bundle)
    metadata = json.loads((CONFIGS / "metadata.json").read_text())
    trained = dict.fromkeys(("data_name", "network_name", "loss_name", "max_epochs", "fold", "seed"), 0)
    metadata |= {"trained_run": {"run": "first", **trained}, "eval_metrics": {"dice/mean": 0.8}}
    page = bundle_page((ROOT / "docs/README.md").read_text(), metadata, "https://example.org/bundle/")
    (bundle / "docs" / "README.md").write_text(page)
    push_to_hf_hub("somebody/bundle", bundle.name, str(bundle.parent), version="0.2.0")
    hub.HfApi().upload_folder.assert_called_once_with(repo_id="somebody/bundle", folder_path=str(bundle))
    hub.HfApi().create_tag.assert_called_once_with(repo_id="somebody/bundle", tag="0.2.0", exist_ok=True)
    card = (bundle / "README.md").read_text()
    _, front, text = card.split("---\n", 2)
    assert yaml.safe_load(front) == {"tags": ["monai", "medical"], "library_name": "monai", "license": "apache-2.0"}
    assert text.lstrip().startswith("# Dual Focal Loss segmentation")
    assert "| dice/mean | 0.8000 |" in text
    assert "](https://example.org/bundle/docs/results.md)" in text
