"""From a plane of a file to a slice and back, against values worked by hand and MONAI's own transforms."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import ResizeWithPadOrCrop, Spacing
from PIL import Image

from scripts.datasets import find_folder, find_promise12, prepare_dataset
from scripts.datasets.class_shares import training_shares
from scripts.datasets.slice_grid import SliceGrid
from tests.synthetic import write_mhd

PLANE, STEPS = (40, 32), (0.5, 0.75)


def grid_of(size: tuple[int, int], pixel_spacing: Any, plane: Any = PLANE, steps: Any = STEPS) -> SliceGrid:
    return SliceGrid.of(plane, steps, size, pixel_spacing, "a.mhd")


def test_without_a_pixel_spacing_slices_show_the_whole_field_of_view() -> None:
    grid = SliceGrid.of(PLANE, None, (20, 64), None, "a.png")
    assert (grid.whole, grid.margins) == ((20, 64), (0, 0, 0, 0))
    assert grid.seen == (slice(0, 40), slice(0, 32))


def test_a_row_of_pixels_is_resized_and_cropped_as_worked_by_hand() -> None:
    """Four pixels of 1 mm become eight of 0.5 mm, whose middles lie at -0.25, 0.25, 0.75, ... pixels of the file.

    Linear between 0, 8, 16 and 24: 0 (nothing lies before), 2, 6, 10, 14, 18, 22, 24. The middle four: 6, 10, 14, 18.
    """
    row = torch.tensor([0.0, 8.0, 16.0, 24.0]).reshape(1, 4, 1).repeat(1, 1, 2)
    grid = grid_of((4, 6), (0.5, 1.0), (4, 2), (1.0, 1.0))
    assert grid.whole == (8, 2)
    found = grid.image(row)
    assert found.shape == (1, 4, 6)
    assert found[0, :, 2].tolist() == found[0, :, 3].tolist() == [6, 10, 14, 18]
    assert not found[0, :, [0, 1, 4, 5]].any()  # 6 - 2 pixels of padding, black
    label = np.array([0, 1, 0, 2], np.uint8).reshape(4, 1, 1).repeat(2, axis=1)
    mask = grid.mask(label)  # each voxel twice, the middle four: the second half of voxel 1, ...
    assert mask[:, 2, 0].tolist() == [1, 1, 0, 0]
    assert not mask[:, [0, 1, 4, 5], 0].any()
    assert grid.loses_objects(label, 3)  # class 2 is cropped away
    assert grid.seen == (slice(1, 3), slice(0, 2))


def test_the_way_back_puts_the_background_where_no_slice_was() -> None:
    """Of eight pixels of 0.5 mm the middle four are all object; their file's four pixels are none, all, all, none.

    Middles of the file's pixels lie between pixels 0 and 1, 2 and 3, 4 and 5, 6 and 7 of the eight: means of 0 and 0,
    of 1 and 1, twice, and of 0 and 0.
    """
    grid = grid_of((4, 2), (0.5, 1.0), (4, 2), (1.0, 1.0))
    slices = torch.stack([torch.zeros(4, 2), torch.ones(4, 2)])
    found = grid.restore(slices)
    assert found[1, :, 0].tolist() == [0, 1, 1, 0]
    assert found[0, :, 0].tolist() == [1, 0, 0, 1]
    # padded: 2 pixels of the file, in the middle of 4
    padded = SliceGrid((2, 2), (2, 2), (4, 2))
    slices = torch.stack([torch.tensor([0.0, 0.25, 0.75, 0.0]), torch.tensor([1.0, 0.75, 0.25, 1.0])])
    assert padded.restore(slices[..., None].repeat(1, 1, 2))[1, :, 0].tolist() == [0.75, 0.25]


@pytest.mark.parametrize("size", [(30, 20), (31, 21), (45, 37), (30, 37), (40, 32)])
@pytest.mark.parametrize("whole", [(40, 32), (37, 29), (41, 33)])
def test_the_middle_is_that_of_monai_and_the_way_back_is_exact(size: tuple[int, int], whole: tuple[int, int]) -> None:
    grid = SliceGrid(whole, whole, size)  # no resizing: nothing but crop and pad
    planes = torch.rand(3, *whole, generator=torch.Generator().manual_seed(0)) + 0.1
    slices = grid.image(planes)
    assert torch.equal(slices, torch.as_tensor(ResizeWithPadOrCrop(size)(planes)))
    back = grid.restore(slices)
    x, y = grid.seen
    assert torch.equal(back[:, x, y], planes[:, x, y])
    outside = torch.ones(whole, dtype=torch.bool)
    outside[x, y] = False
    assert (back[0][outside] == 1).all()
    assert not back[1:, outside].any()


def test_where_pixels_get_smaller_the_picture_is_that_of_monais_spacing() -> None:
    """A ramp, which interpolation leaves a ramp: 40 pixels of 0.5 mm are 20 mm, 80 pixels of 0.25 mm."""
    ramp = torch.arange(40.0).reshape(1, 40, 1).repeat(1, 1, 32)
    ours = grid_of((80, 64), (0.25, 0.375)).image(ramp)
    placed = MetaTensor(ramp, affine=torch.diag(torch.tensor([*STEPS, 1.0])))
    theirs = Spacing((0.25, 0.375), mode="bilinear", padding_mode="border", scale_extent=True)(placed).as_tensor()
    assert theirs.shape == ours.shape == (1, 80, 64)
    torch.testing.assert_close(ours[:, 1:-1], theirs[:, 1:-1], rtol=0, atol=1e-4)


def test_a_pixel_spacing_that_fits_the_field_of_view_gives_the_bytes_of_the_fixed_share() -> None:
    plane = torch.rand(2, *PLANE, generator=torch.Generator().manual_seed(0))
    spaced, share = grid_of((20, 16), (1.0, 1.5)), SliceGrid.of(PLANE, STEPS, (20, 16), None, "a.mhd")
    assert spaced == share
    assert torch.equal(spaced.image(plane), share.image(plane))


@pytest.mark.parametrize("steps", [None, (0.5,), (0.5, 0.0), (0.5, float("nan"))])
def test_a_file_without_a_spacing_is_refused_by_name(steps: Any) -> None:
    with pytest.raises(ValueError, match=r"^a\.mhd tells no spacing of its pixels, and pixel_spacing is set; .* null"):
        grid_of((20, 16), (1.0, 1.0), PLANE, steps)


SETTINGS: dict[str, Any] = {"name": "toy", "labels": ["background", "prostate"], "num_folds": 3}


def write_cases(folder: Path) -> Path:
    """Three cases of 0.5, 0.25 and 1 mm, each with a bright square of 12 x 12 mm, off the middle by 4 mm along x."""
    for index, step in enumerate((0.5, 0.25, 1.0)):
        side = round(48 / step)
        edges = (np.arange(side) + 0.5) * step  # mm from the edge of 48 mm
        inside = ((edges > 22) & (edges < 34))[:, None] & ((edges > 18) & (edges < 30))[None]
        mask = np.repeat(inside[..., None], 3, axis=2).astype(np.uint8)
        image = (mask * np.int16(1000) + np.random.default_rng(index).integers(0, 50, mask.shape)).astype(np.int16)
        spacing = f"{step} {step} 3"
        write_mhd(folder / f"Case{index:02d}.mhd", image, ElementSpacing=spacing)
        write_mhd(folder / f"Case{index:02d}_segmentation.mhd", mask, ElementSpacing=spacing)
    return folder


def test_objects_of_equal_size_have_equal_pixels_whatever_their_files_spacing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cases = find_promise12(write_cases(tmp_path / "raw"))
    with caplog.at_level(logging.WARNING):
        prepared = prepare_dataset(cases, **SETTINGS, image_size=32, pixel_spacing=1, prepared_dir=tmp_path / "out")
    for case in prepared.case_names:
        label = np.asarray(Image.open(prepared.root / "labels" / f"{case}_001.png")).T
        # 48 pixels of 1 mm, of which the middle 32 begin at 8: the square is at 14 to 26 and 10 to 22
        assert (np.flatnonzero(label.any(axis=1))[[0, -1]].tolist(), label.sum()) == ([14, 25], 144)
        assert np.flatnonzero(label.any(axis=0))[[0, -1]].tolist() == [10, 21]
        image = np.asarray(Image.open(prepared.root / "images" / f"{case}_001.png")).T
        np.testing.assert_array_equal(image[16:24, 12:20] > 40000, True)
        assert prepared.original_label(case).sum() * np.prod(prepared.geometry(case).spacing) == 12 * 12 * 3 * 3
        assert prepared.geometry(case).of_slices(prepared.slice_grid(case)).spacing == (1.0, 1.0, 3.0)
    assert "objects reach out" not in caplog.text
    record = json.loads((prepared.root / "dataset.json").read_text())
    assert record["pixel_spacing"] == [1.0, 1.0]
    assert prepared.pixel_spacing == (1.0, 1.0)
    plain = prepare_dataset(cases, **SETTINGS, image_size=32, prepared_dir=tmp_path / "out")
    assert "pixel_spacing" not in json.loads((plain.root / "dataset.json").read_text())
    assert plain.fingerprint != prepared.fingerprint
    with caplog.at_level(logging.WARNING):
        prepare_dataset(cases, **SETTINGS, image_size=16, pixel_spacing=1, prepared_dir=tmp_path / "out")
    assert (
        "3 of 3 images: objects reach out of the slices and are cut; raise image_size or pixel_spacing" in caplog.text
    )


def test_the_share_of_a_class_is_that_of_the_whole_field_of_view(tmp_path: Path) -> None:
    """144 of 48 x 48 pixels, of which slices show the middle 32 x 32 alone."""
    cases = find_promise12(write_cases(tmp_path / "raw"))
    prepared = prepare_dataset(
        cases, **SETTINGS, image_size=32, pixel_spacing=1, prepared_dir=tmp_path / "runs" / "prepared"
    )
    run = tmp_path / "runs" / "run"
    run.mkdir()
    split = {"dataset": "toy", "fingerprint": prepared.fingerprint, "cases": {"train": prepared.case_names}}
    (run / "split.json").write_text(json.dumps(split))
    assert training_shares(run, SETTINGS["labels"])["prostate"] == [144 / 48**2, 144 / 48**2]


def test_pictures_have_no_spacing_and_are_refused_by_name(tmp_path: Path) -> None:
    for index in range(3):
        for kind in ("images", "masks"):
            path = tmp_path / "raw" / kind / f"p{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(
                (np.arange(32 * 32).reshape(32, 32) % (2 if kind == "masks" else 251)).astype(np.uint8)
            ).save(path)
    cases = find_folder(tmp_path / "raw", keep_names=True)
    with pytest.raises(ValueError, match=r"p0\.png tells no spacing of its pixels, and pixel_spacing is set"):
        prepare_dataset(cases, **SETTINGS, image_size=32, pixel_spacing=1, prepared_dir=tmp_path / "out")
    assert not list((tmp_path / "out").glob("toy-*"))
