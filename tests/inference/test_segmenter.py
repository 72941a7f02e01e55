"""From Python: the lines of the documentation, and what they give."""

from __future__ import annotations

import os
import re
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from scripts.inference import LoadInput, SliceBatches, find_inputs, load_segmenter
from tests.inference.images import bright_object
from tests.inference.stub_run import Threshold, write_run
from tests.workflows import ROOT


def test_the_lines_of_the_documentation_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth, image = bright_object()
    write_run(tmp_path / "runs", "RUN")
    nib.save(nib.Nifti1Image(image, np.diag([0.5, 0.7, 3, 1])), tmp_path / "case.nii.gz")
    lines = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "inference.md").read_text(), re.DOTALL)
    assert lines is not None
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(lines[1], names)
    np.testing.assert_array_equal(np.asarray(nib.load("case_mask.nii.gz").dataobj), truth)
    assert os.listdir(tmp_path / "runs") == ["RUN"]


def test_runs_are_named_by_name_folder_weights_or_list(tmp_path: Path) -> None:
    truth, image = bright_object()
    run = write_run(tmp_path / "runs")
    write_run(tmp_path / "runs", "further", level=0.501)
    nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / "case.nii")
    for name in (run, str(run), run / "model.pt", ["stub", "further"]):
        mask = load_segmenter(name, runs_dir=tmp_path / "runs")(tmp_path / "case.nii")
        np.testing.assert_array_equal(mask.array, truth)


def test_a_channel_of_four_axes_is_segmented_where_it_is_named(tmp_path: Path) -> None:
    truth, image = bright_object()
    run = write_run(tmp_path / "runs")
    nib.save(nib.Nifti1Image(np.stack([image[::-1], image], axis=-1), np.eye(4)), tmp_path / "case.nii")
    segment = load_segmenter(run, runs_dir=tmp_path / "runs", channel=1)
    np.testing.assert_array_equal(segment(tmp_path / "case.nii").array, truth)
    with pytest.raises(
        ValueError, match="has 2 channels, none is chosen; choose one by --cases::channel 0 to 1 .in inference --chan"
    ):
        load_segmenter(run, runs_dir=tmp_path / "runs")(tmp_path / "case.nii")


def test_reading_a_volume_takes_a_small_multiple_of_its_size_and_keeps_no_second_copy(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 1000, (128, 128, 80), dtype=np.int16)
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "case.nii")
    data = {**find_inputs(tmp_path / "case.nii")[0], "result": {}}
    tracemalloc.start()
    try:
        loaded = LoadInput(1)(data)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 9 * array.size  # 4 bytes a voxel of the network's numbers, 4 to sort them; the file's are mapped
    assert kept < 5.2 * array.size  # 4, and 1 of the pictures
    assert loaded["volume"].array.strides == (0, 0, 0)
    assert loaded["volume"].array.shape == array.shape


def test_flips_are_turned_back_before_they_are_averaged() -> None:
    image = torch.rand(1, 1, 9, 7, 3, generator=torch.Generator().manual_seed(0))
    network = Threshold()
    plain, flipped = (SliceBatches(2, flips)(image, network) for flips in (False, True))
    torch.testing.assert_close(flipped, plain)  # a network that looks at single pixels has no side
    asked: list[torch.Tensor] = []

    def sided(batch: torch.Tensor) -> torch.Tensor:
        asked.append(batch)
        return torch.cumsum(network(batch), dim=2)

    SliceBatches(3, flips=True)(image, sided)
    plane = image[0].permute(3, 0, 1, 2)
    assert [torch.equal(each, plane.flip(axes)) for each, axes in zip(asked, ((), 2, 3, (2, 3)), strict=True)] == [
        True
    ] * 4


def test_small_components_are_removed_and_the_rest_is_left(tmp_path: Path) -> None:
    truth, image = bright_object()
    image[14, 14, 2] = 1000  # a speck
    run = write_run(tmp_path / "runs")
    nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / "case.nii")
    kept = load_segmenter(run)(tmp_path / "case.nii")
    assert kept.array[14, 14, 2] == 1
    assert kept.classes[0]["components"] == 2
    assert "prostate is in 2 parts" in kept.flags
    removed = load_segmenter(run, min_voxels=2)(tmp_path / "case.nii")
    np.testing.assert_array_equal(removed.array, truth)
    assert removed.flags == ()


def test_faults_are_one_line_without_a_wrapper(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs")
    nib.save(nib.Nifti1Image(np.zeros((8, 8, 2), dtype=np.int16), np.eye(4)), tmp_path / "case.nii")
    with pytest.raises(ValueError, match=r"case\.nii is constant"):
        load_segmenter(run)(tmp_path / "case.nii")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "model.pt").write_bytes((run / "model.pt").read_bytes())
    with pytest.raises(ValueError, match=r"no model\.json beside it"):
        load_segmenter(tmp_path / "other" / "model.pt")
