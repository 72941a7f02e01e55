"""The built zip, unpacked elsewhere, does by the documented commands what its page says, and refuses in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from scripts.runs.checkpoint import load, save
from tests.release_check.small_run import options
from tests.release_check.steps import CommandError, Finding, run

RUN = ("python", "-m", "monai.bundle", "run")
QUICK = {"max_epochs": "1", "device": "cpu", "run_name": "again"}


def check_commands(bundle: Path) -> Finding:
    """Train, evaluate, segment and export, in the bundle's folder and from another one."""
    elsewhere = bundle.parents[1] / "elsewhere"
    shutil.rmtree(elsewhere, ignore_errors=True)
    shutil.rmtree(bundle / "runs", ignore_errors=True)
    elsewhere.mkdir()
    run([*RUN, "training", "--config_file", "configs/train.json", *options(**QUICK)], bundle)
    run([*RUN, "evaluating", "--config_file", bundle / "configs/evaluate.json", *options(device="cpu")], elsewhere)
    images, masks = bundle / "runs/data/phantom", elsewhere / "masks"
    segmenting = [*RUN, "--config_file", bundle / "configs/inference.json", "--dataset_dir", images]
    run([*segmenting, "--output_dir", masks, "--device", "cpu"], elsewhere)
    exporting = [*RUN, "exporting", "--config_file", "configs/export.yaml", "--run_name", "again"]
    run([*exporting, "--format", "onnx"], bundle)
    faults = []
    expected = len(list(images.glob("*.mhd"))) - len(list(images.glob("*_segmentation.mhd")))
    found = len(list(masks.rglob("*_segmentation.mhd")))
    if not found or found != expected:
        faults.append(f"{found} masks of {expected} images")
    for name in ("runs/again/evaluation/test/summary.json", "runs/again/export/model.onnx"):
        if not (bundle / name).is_file():
            faults.append(f"the commands left no {name}")
    return Finding(faults)


def check_refusals(bundle: Path) -> Finding:
    """No such run, weights that do not fit, a run of another network: one line each, and nothing is written."""
    elsewhere = bundle.parents[1] / "refused"
    elsewhere.mkdir(exist_ok=True)
    weights = load(bundle / "models" / "model.pt")
    save(dict(list(weights.items())[1:]), elsewhere / "other.pt")
    segmenting = [*RUN, "--config_file", bundle / "configs/inference.json", *options(device="cpu")]
    segmenting += ["--dataset_dir", bundle / "docs/figures", "--output_dir", elsewhere / "masks"]
    channels = "[8,16,32,64,128]"
    commands = {
        "no run 'nowhere'": [
            *RUN,
            "evaluating",
            "--config_file",
            bundle / "configs/evaluate.json",
            "--run_name",
            "nowhere",
        ],
        "other.pt": [*segmenting, "--checkpoint", elsewhere / "other.pt"],
        "leave it out": [*segmenting, "--network_def::channels", channels],
    }
    faults = []
    for expected, command in commands.items():
        try:
            said = run(command, elsewhere, code=1)
        except CommandError as error:
            faults.append(str(error))
            continue
        lines = [line for line in said.splitlines() if line.startswith("error: ") or "Traceback" in line]
        if len(lines) != 1 or expected not in lines[0]:
            faults.append(f"{' '.join(map(str, command))} said {json.dumps(lines)}, and not one line with {expected!r}")
    if (elsewhere / "masks").exists():
        faults.append("a refused inference has written masks/")
    return Finding(faults)
