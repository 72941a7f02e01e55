from __future__ import annotations

import numpy as np
import pytest
from monai.data import PILReader
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    LoadImaged,
    Resized,
    ScaleIntensityRanged,
    ScaleIntensityRangePercentilesd,
)
from PIL import Image

from scripts.datasets import Case, MetaImageReader, find_phantom
from scripts.datasets.slice_grid import SliceGrid
from scripts.datasets.slices import original_label_name, slice_name, write_case
from tests.synthetic import random_volume, write_folder, write_mhd


def write(case, folder, size, intensity_max, ignore_index=None, labels=("background", "prostate"), **settings):
    for kind in ("images", "labels", "original_labels"):
        (folder / kind).mkdir(parents=True)
    settings |= {"image_size": size, "intensity_max": intensity_max, "ignore_index": ignore_index}
    return write_case(case, folder, labels=labels, **settings)[0]


def write_pair(folder, image, mask):
    image_path = write_mhd(folder / "Case00.mhd", image)
    return Case("Case00", str(image_path), str(write_mhd(folder / "Case00_segmentation.mhd", mask)), "Case00")


@pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader:UserWarning")  # LoadImage makes every reader
@pytest.mark.parametrize("intensity_max", [255, 65535])
@pytest.mark.parametrize("size", [(160, 160), (224, 224), (96, 96), (200, 128)])
def test_a_slice_is_what_inference_makes_of_the_volume_but_for_rounding(tmp_path, size, intensity_max):
    """Inference's transforms on the whole volume, training's on the PNGs: one network must see one picture."""
    case = find_phantom(tmp_path / "phantom", num_cases=1)[0]
    write(case, tmp_path / "out", size, intensity_max)
    inference = Compose(
        [
            LoadImaged("image", reader=MetaImageReader),
            EnsureChannelFirstd("image"),
            ScaleIntensityRangePercentilesd("image", lower=0.5, upper=99.5, b_min=0.0, b_max=1.0, clip=True),
            Resized("image", spatial_size=(*size, -1), mode="bilinear", align_corners=False, anti_aliasing=True),
        ]
    )
    training = Compose(
        [
            LoadImaged("image", reader=PILReader),
            EnsureChannelFirstd("image"),
            ScaleIntensityRanged("image", a_min=0, a_max=intensity_max, b_min=0.0, b_max=1.0),
        ]
    )
    volume = inference({"image": case.image})["image"].numpy()  # (1, X, Y, Z)
    assert volume.shape == (1, *size, 12)
    for index in range(12):
        path = tmp_path / "out" / "images" / slice_name(case.name, index)
        plane = training({"image": str(path)})["image"].numpy()  # (1, X, Y)
        # Half a step of the PNG, and float32's own rounding.
        np.testing.assert_allclose(plane, volume[..., index], rtol=0, atol=0.5 / intensity_max + 1e-6)


def test_pictures_and_masks_come_back_from_monais_reader_in_the_volumes_axes(tmp_path):
    image, mask = random_volume(0)
    counts = write(write_pair(tmp_path, image, mask), tmp_path / "out", (40, 32), 65535)
    low, high = np.percentile(image.astype(np.float32), (0.5, 99.5))
    expected = np.clip((image - low) / (high - low), 0, 1) * 65535
    reader = PILReader()
    for index in range(5):
        name = slice_name("Case00", index)
        found, _ = reader.get_data(reader.read(tmp_path / "out" / "images" / name))
        found_mask, _ = reader.get_data(reader.read(tmp_path / "out" / "labels" / name))
        np.testing.assert_allclose(found, expected[:, :, index], rtol=0, atol=0.6)  # rounding, in float32
        np.testing.assert_array_equal(found_mask, mask[:, :, index])
        assert counts[index] == [(mask[:, :, index] == 0).sum(), (mask[:, :, index] == 1).sum()]


@pytest.mark.parametrize(("intensity_max", "mode"), [(255, "L"), (65535, "I;16")])
def test_depth_and_full_range_of_the_png(tmp_path, intensity_max, mode):
    write(write_pair(tmp_path, *random_volume(0)), tmp_path / "out", (40, 32), intensity_max)
    pictures = []
    for index in range(5):
        with Image.open(tmp_path / "out" / "images" / slice_name("Case00", index)) as picture:
            assert (picture.mode, picture.size) == (mode, (40, 32))
            pictures.append(np.asarray(picture))
    assert (np.min(pictures), np.max(pictures)) == (0, intensity_max)


def test_a_mask_keeps_its_values_and_its_place_when_resized(tmp_path):
    mask = np.zeros((40, 32, 2), dtype=np.uint8)
    mask[10:20, 8:24, 0] = 1
    mask[20:30, 8:24, 0] = 2
    mask[0:4, :, 1] = 255
    case = write_pair(tmp_path, random_volume(0, (40, 32, 2))[0], mask)
    counts = write(case, tmp_path / "out", (80, 64), 65535, ignore_index=255, labels=("background", "a", "b"))
    with Image.open(tmp_path / "out" / "labels" / slice_name("Case00", 0)) as picture:
        # Twice the size by the nearest voxel: every voxel becomes four pixels.
        np.testing.assert_array_equal(np.asarray(picture).T, mask[:, :, 0].repeat(2, axis=0).repeat(2, axis=1))
    assert counts[0] == [80 * 64 - 2 * 640, 640, 640]
    assert counts[1] == [80 * 64 - 8 * 64, 0, 0]  # the ignored pixels count for no class


def test_a_nearly_constant_image_is_refused(tmp_path):
    image = np.zeros((40, 32, 5), dtype=np.int16)
    image[0, 0, 0] = 100
    with pytest.raises(ValueError, match=r"Case00\.mhd is nearly constant: 99 % of its voxels are 0"):
        write(write_pair(tmp_path, image, random_volume(0)[1]), tmp_path / "out", (40, 32), 65535)


def test_a_smaller_mask_takes_the_voxel_in_the_middle_of_each_pixel(tmp_path):
    mask = np.zeros((48, 48, 2), dtype=np.uint8)
    mask[1::3, 1::3, 0] = 1  # the middle of each 3 x 3 voxels, and no other voxel
    case = write_pair(tmp_path, random_volume(0, (48, 48, 2))[0], mask)
    counts = write(case, tmp_path / "out", (16, 16), 65535)
    assert counts[0] == [0, 16 * 16]


def test_each_pixel_of_a_mask_takes_the_class_of_the_voxel_that_its_middle_lies_in():
    """Middles of 3 pixels over 5 voxels: 5/6, 15/6 and 25/6, so 0, 2 and 4; the voxel of the edge would be 0, 1, 3."""
    label = np.arange(5, dtype=np.uint8)[:, np.newaxis, np.newaxis] * np.ones((1, 5, 1), dtype=np.uint8)
    np.testing.assert_array_equal(SliceGrid((5, 5), (3, 5), (3, 5)).mask(label)[:, 0, 0], [0, 2, 4])
    np.testing.assert_array_equal(SliceGrid((5, 5), (5, 3), (5, 3)).mask(np.swapaxes(label, 0, 1))[0, :, 0], [0, 2, 4])


def test_a_mask_is_kept_in_its_own_size_too(tmp_path):
    image, mask = random_volume(0)
    write(write_pair(tmp_path, image, mask), tmp_path / "out", (20, 16), 255)
    with np.load(tmp_path / "out" / "original_labels" / original_label_name("Case00")) as kept:
        np.testing.assert_array_equal(kept["label"], mask)


def test_a_coloured_picture_comes_back_from_monais_reader_with_its_channels_last(tmp_path):
    write_folder(tmp_path / "raw", num_cases=1)
    case = Case("p0", *(str(tmp_path / "raw" / kind / "p0.png") for kind in ("images", "masks")), "p0")
    assert write(case, tmp_path / "out", (40, 32), 255, in_channels=3) == [[640, 640]]
    picture = np.asarray(Image.open(case.image)).astype(np.float64)  # (Y, X, 3), of 8 bits
    reader = PILReader()
    found, _ = reader.get_data(reader.read(tmp_path / "out" / "images" / slice_name("p0", 0)))
    np.testing.assert_array_equal(found, np.swapaxes(picture, 0, 1))


@pytest.mark.parametrize(("first", "notes"), [(10, 0), (8, 0), (7, 1)])
def test_an_object_that_the_slices_cut_is_noted(tmp_path, first, notes):
    """Of 40 pixels along x slices show 8 to 31."""
    mask = np.zeros((40, 32, 2), dtype=np.uint8)
    mask[first : first + 10, 12:20] = 1
    case = write_pair(tmp_path, random_volume(0, (40, 32, 2))[0], mask)
    for kind in ("images", "labels", "original_labels"):
        (tmp_path / kind).mkdir()
    settings = {"labels": ["background", "prostate"], "intensity_max": 255, "ignore_index": None}
    counts, pair = write_case(case, tmp_path, **settings, image_size=(24, 32), pixel_spacing=(0.5, 0.5))
    assert counts[0] == [24 * 32 - (10 - notes) * 8, (10 - notes) * 8]
    expected = ("objects reach out of the slices and are cut; raise image_size or pixel_spacing",)
    assert pair.notes == expected[:notes]
