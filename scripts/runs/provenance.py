"""Where a run's numbers come from: the code's revision, the versions below it, the configuration's hash."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..configuration.workflow import executed_config
from .checkpoint import load
from .resume import comparable_sha256
from .run_configuration import read_run_configuration

if TYPE_CHECKING:
    from ..datasets import PreparedDataset

BUNDLE_ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("monai", "torch", "pytorch-ignite", "numpy")


def bundle_version() -> str:
    """The version of the bundle's metadata, or of the installed package where there is no bundle around it."""
    path = BUNDLE_ROOT / "configs" / "metadata.json"
    if path.is_file():
        return str(json.loads(path.read_text(encoding="utf-8"))["version"])
    return version("dual-focal-loss-segmentation")


def software_versions() -> str:
    """Python and the packages that a result depends on, each with its version, in one line."""
    found = [f"python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} unknown")
    return ", ".join(found)


def git_revision(root: str | Path = BUNDLE_ROOT) -> str:
    """The commit that ``root`` is a checkout of, with ``-dirty`` after it where tracked files differ; else "none"."""
    root = Path(root).resolve()
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root:  # a bundle unpacked inside somebody else's checkout
        return "none"
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return "none"
    return f"{commit}-dirty" if _git(root, "status", "--porcelain", "--untracked-files=no") else commit


def config_sha256() -> str:
    """Hash of the executed configuration, that of a run's checkpoints: places and the number of epochs are left out."""
    return comparable_sha256(executed_config())


def evaluated_with(
    run_dir: str | Path,
    checkpoint: str | Path,
    dataset: PreparedDataset,
    device: str | torch.device,
    inferer: Any = None,
) -> dict[str, Any]:
    """What an evaluation's scores were computed with, of plain values.

    Args:
        run_dir: folder of the run.
        checkpoint: file of the weights.
        dataset: the prepared data set, with its split.
        device: where the network runs.
        inferer: runs the network; its precision counts, float32 where it has none.

    Returns:
        The run, its configuration's hash, the checkpoint with its hash and epoch, the data with their fingerprint now
        and in the training, the split's hash, size, labels, versions and threads.

    Raises:
        FileNotFoundError, ValueError: the checkpoint can't be read.
    """
    run_dir, checkpoint = Path(run_dir), Path(checkpoint)
    state = load(checkpoint)
    return {
        "run": run_dir.name,
        "config_sha256": comparable_sha256(read_run_configuration(run_dir)),
        "checkpoint": checkpoint.name,
        "checkpoint_sha256": file_sha256(checkpoint),
        "checkpoint_epoch": state.get("progress", {}).get("epoch"),
        "data": dataset.name,
        "data_fingerprint": dataset.fingerprint,
        "data_fingerprint_in_training": state.get("metadata", {}).get("data_fingerprint"),
        "split_sha256": dataset.split_sha256,
        "fold": dataset.fold,
        "image_size": list(dataset.image_size),
        "pixel_spacing": None if dataset.pixel_spacing is None else list(dataset.pixel_spacing),
        "labels": list(dataset.labels),
        "ignore_index": dataset.ignore_index,
        "in_channels": dataset.in_channels,
        "git_revision": git_revision(),
        "versions": software_versions(),
        "device": str(device),
        "precision": getattr(inferer, "precision", "float32"),
        "threads": torch.get_num_threads(),
    }


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
