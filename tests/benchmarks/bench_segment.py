"""The most memory that inference takes for one volume, step by step: python -m tests.benchmarks.bench_segment.

A volume of random 16-bit numbers with a bright ellipsoid, and a network that calls bright what is bright, so that what
is measured is all around it. Peaks are of the process (VmHWM of Linux, reset before each step), less what it had before
the volume was read.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from scripts.inference import load_segmenter
from tests.dicom_files import write_series
from tests.inference.stub_run import write_run


def memory(key: str) -> int:
    """Bytes of this process now (VmRSS) or at its peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def watched(step: Callable[[Any], Any], name: str, peaks: dict[str, int]) -> Callable[[Any], Any]:
    """A step that notes its peak."""

    def run(data: Any) -> Any:
        Path("/proc/self/clear_refs").write_text("5")
        result = step(data)
        peaks[name] = memory("VmHWM")
        return result

    return run


def make_volume(folder: Path, shape: tuple[int, int, int], kind: str) -> Path:
    """A volume of 16-bit numbers: NIfTI, NIfTI with a slope, or a DICOM series with one."""
    x, y, z = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    inside = x[:, None, None] ** 2 + y[None, :, None] ** 2 + z[None, None] ** 2 < 0.2
    noise = np.random.default_rng(0).integers(0, 100, shape, dtype=np.int16)
    array = noise + inside.astype(np.int16) * np.int16(1000)
    if kind == "dicom":
        return write_series(folder / f"series{shape[2]}", array, RescaleSlope=2, RescaleIntercept=-1024)
    image = nib.Nifti1Image(array, np.diag([0.5, 0.5, 3, 1]))
    image.header.set_slope_inter(*((2, -1024) if kind == "scaled" else (1, 0)))
    path = folder / f"case{shape[2]}.nii"
    nib.save(image, path)
    return path


def main() -> None:
    """Print the peak of every step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", type=int, nargs=3, default=(512, 512, 120))
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--kind", choices=("nifti", "scaled", "dicom"), default="nifti")
    parser.add_argument("--probabilities", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = write_run(Path(folder) / "runs", size=given.size)
        segment = load_segmenter(run, device="cpu", probabilities=given.probabilities)
        small = segment(make_volume(Path(folder), (32, 32, 4), given.kind))
        ending = ".dcm" if given.kind == "dicom" else ".nii.gz"
        small.save(Path(folder) / f"small{ending}")  # loads what is loaded at first use
        path = make_volume(Path(folder), tuple(given.shape), given.kind)
        peaks: dict[str, int] = {}
        for chain in (segment.load, segment.restore):
            chain.transforms = tuple(watched(each, type(each).__name__, peaks) for each in chain.transforms)
        segment.inferer = watched_inferer(segment.inferer, peaks)
        before = memory("VmRSS")
        mask = segment(path)
        watched(mask.save, "save", peaks)(Path(folder) / f"mask{ending}")
        voxels = int(np.prod(given.shape))
        print(f"{given.shape} voxels of 16 bits, {voxels * 2 / 1e6:.0f} MB; {before / 1e6:.0f} MB before it is read")
        for name, peak in peaks.items():
            print(f"  {name:<24} {(peak - before) / 1e6:7.0f} MB, {(peak - before) / voxels:5.1f} bytes a voxel")
        print(f"  after it {(memory('VmRSS') - before) / 1e6:.0f} MB; {int(mask.array.sum())} voxels of the object")


def watched_inferer(inferer: Any, peaks: dict[str, int]) -> Any:
    """The inferer as a step that notes its peak."""

    def run(image: torch.Tensor, network: Any) -> Any:
        return watched(lambda planes: inferer(planes, network), type(inferer).__name__, peaks)(image)

    return run


if __name__ == "__main__":
    main()
