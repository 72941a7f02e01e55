"""A volume, and the mask that the bundle's own inference finds in it, with which a program's mask is compared."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np


def make_volume(work: Path, affine: np.ndarray) -> Path:
    """Write a noisy volume with a bright block as NIfTI, alone in its folder."""
    volume = np.random.default_rng(0).normal(size=(40, 36, 6)).astype("float32")
    volume[10:25, 10:25, 2:5] += 3
    path = work / "images" / "case.nii.gz"
    path.parent.mkdir()
    nib.Nifti1Image(volume, affine).to_filename(path)
    return path


def own_mask(bundle: Path, work: Path, source: Path) -> nib.Nifti1Image:
    """Segment the folder of a volume by the bundle's documented command."""
    config = ["--config_file", str(bundle / "configs" / "inference.json"), "--device", "cpu"]
    folders = ["--dataset_dir", str(source.parent), "--output_dir", str(work / "masks")]
    subprocess.run([sys.executable, "-m", "monai.bundle", "run", *config, *folders], cwd=work, check=True)
    (own,) = (work / "masks").rglob("*.nii.gz")
    return nib.load(own)


def check_equal(mask: np.ndarray, expected: np.ndarray) -> None:
    """End with a message where two masks differ, or hold nothing that could."""
    assert mask.shape == expected.shape, f"the program's mask is {mask.shape}, the bundle's own {expected.shape}"
    different = int((mask != expected).sum())
    assert different == 0, f"the masks differ in {different} of {mask.size} voxels"
    assert 0 < mask.sum() < mask.size, "both masks are of one class, so that their being equal says nothing"
