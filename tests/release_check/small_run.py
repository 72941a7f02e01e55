"""A small run, trained and tested by the documented commands, and the bundle that is built of it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.release_check.steps import ROOT, run

NAME, RUN = "dual_focal_loss_segmentation", "release_check"
URL = "https://example.org/dual_focal_loss_segmentation"
# A narrow U-Net on few small cases: what is checked does not depend on how good it is.
SMALL = {
    "cases::num_cases": "6",
    "cases::size": "[40,40,6]",
    "image_size": "64",
    "num_folds": "3",
    "max_epochs": "1",
    "device": "cpu",
}
NARROW = {"network_def::channels": "[4,8,16,32,64]"}


def options(**settings: str) -> list[str]:
    """Settings as words of a command line."""
    return [word for key, value in settings.items() for word in (f"--{key}", value)]


def build(folder: Path) -> Path:
    """Train, evaluate and build below a folder; returns the bundle, unpacked from its zip as ``models/<name>``."""
    runs = {"output_dir": str(folder / "runs"), "run_name": RUN}
    parts = "['configs/train.yaml','configs/network_unet.yaml']"
    training = ["python", "-m", "monai.bundle", "run", "training", "--config_file", parts]
    run([*training, *options(**SMALL, **NARROW, **runs)], ROOT)
    evaluating = ["python", "-m", "monai.bundle", "run", "evaluating", "--config_file", "configs/evaluate.yaml"]
    run([*evaluating, *options(**runs, device="cpu")], ROOT)
    place = ["--output_dir", folder / "runs", "--dist", folder / "dist", "--url", URL]
    run(["python", "-m", "scripts.release.build", RUN, *place], ROOT)
    zipfile.ZipFile(folder / "dist" / f"{NAME}.zip").extractall(folder / "models")
    return folder / "models" / NAME
