from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser, load
from safetensors.torch import load_file

from scripts.networks import UNet
from scripts.release.build import NAME, build_bundle, main
from scripts.release.zoo_rules import find_faults
from scripts.runs.checkpoint import save
from tests.runs.test_publishing import make_run

NARROW = {"_target_": "scripts.networks.UNet", "in_channels": 1, "num_classes": 2, "channels": [2, 4, 8, 16, 32]}


@pytest.mark.filterwarnings("ignore")
def test_folder_and_zip_hold_what_the_zoo_and_monais_tools_look_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "scripts.release.build._format", lambda folder: None
    )  # make release-check formats and checks it
    run = make_run(tmp_path, "first", network_def=NARROW, network_name="unet", image_size=64)
    weights = UNet(channels=(2, 4, 8, 16, 32)).state_dict()
    save(weights, run / "model.pt")
    archive = build_bundle("first", tmp_path / "runs", tmp_path / "dist", "https://example.org/bundle")
    assert sorted(path.name for path in (tmp_path / "dist").iterdir()) == [NAME, f"{NAME}.zip"]
    zipfile.ZipFile(archive).extractall(tmp_path / "elsewhere")
    bundle = tmp_path / "elsewhere" / NAME
    for line in (bundle / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((bundle / name).read_bytes()).hexdigest() == digest
    present = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert {"LICENSE", "metadata.json", "large_files.yml", "docs/README.md", "docs/data_license.txt"} <= present
    assert {f"models/model.{kind}" for kind in ("pt", "ts", "json", "safetensors")} <= present
    assert not [name for name in present if "__pycache__" in name or name.startswith(("runs", "tests"))]
    assert not any("Doe" in path.read_text() for path in bundle.rglob("*.json"))
    assert json.loads((bundle / "metadata.json").read_text())["trained_run"]["run"] == "first"
    for name in ("train", "inference"):
        config = ConfigParser.load_config_file(str(bundle / "configs" / f"{name}.json"))
        assert config["network_def"] == NARROW
        assert config["image_size"] == 64
    shared = ConfigParser.load_config_file(str(bundle / "configs" / "multi_gpu_train.json"))
    assert not [key for key in shared if not key.isidentifier()]  # merged, not left as "+initialize"
    assert "join_processes" in str(shared["initialize"])
    assert "check_settings_before_start" in str(shared["initialize"])
    loaded = load(NAME, bundle_dir=str(bundle.parent), device="cpu").state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in weights.items())
    assert all(
        torch.equal(load_file(bundle / "models/model.safetensors")[key], value) for key, value in weights.items()
    )
    assert find_faults(bundle) == []
    assert "](results.md)" not in (bundle / "docs/README.md").read_text()


def test_a_run_that_is_not_there_is_one_line_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, "first")
    assert main(["second", "--output_dir", str(tmp_path / "runs"), "--dist", str(tmp_path / "dist")]) == 1
    assert capsys.readouterr().err.startswith("error: no run 'second' under")
    assert not (tmp_path / "dist").exists()
