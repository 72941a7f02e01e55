from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from scripts.datasets import find_folder, find_nifti, find_trus, nifti_labels, prepare_dataset
from scripts.datasets.pairs import read_pair
from scripts.formats.label_table import LabelTable
from scripts.formats.pictures import read_picture
from scripts.formats.reading import source_files
from tests.dicom_files import write_dicom, write_series
from tests.picture_files import write_png
from tests.synthetic import (
    random_picture,
    random_volume,
    write_decathlon,
    write_folder,
    write_mhd,
    write_nifti,
    write_picture,
)

LABELS = ["background", "prostate"]


# ---- folders of one's own -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_pictures_keep_their_intensities(tmp_path, suffix):
    cases = find_folder(write_folder(tmp_path / "raw", 3, suffix), keep_names=True)
    prepared = prepare_dataset(
        cases, name="toy", labels=LABELS, image_size=[40, 32], in_channels=3, num_folds=3, prepared_dir=tmp_path
    )
    for item in prepared.items("train"):
        with Image.open(item["image"]) as image, Image.open(item["label"]) as label:
            np.testing.assert_array_equal(np.asarray(image), random_picture(int(item["case"][1]))[0])
            np.testing.assert_array_equal(np.asarray(label), random_picture(int(item["case"][1]))[1])


def test_values_and_colours_become_classes(tmp_path):
    root = write_folder(tmp_path, 1)
    index = random_picture(0, num_classes=4)[1]
    write_picture(root / "masks" / "p0.png", np.array([0, 128, 255, 7], dtype=np.uint8)[index])
    (case,) = find_folder(root, values=[0, [128, 255]], ignored=[7])
    np.testing.assert_array_equal(read_pair(case, LABELS, 255, 3).label[:, :, 0].T, np.array([0, 1, 1, 255])[index])
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 128], [1, 2, 3]], dtype=np.uint8)
    write_picture(root / "masks" / "p0.png", colours[index])
    for sign in ("#", "::"):  # as MONAI's configurations give it
        table = [[f"{sign}{colour}" for colour in group] for group in (["000000"], ["ff0000", "00ff80"], ["010203"])]
        (case,) = find_folder(root, values=table[:2], ignored=table[2])
        np.testing.assert_array_equal(read_pair(case, LABELS, 255, 3).label[:, :, 0].T, np.array([0, 1, 1, 255])[index])


@pytest.mark.parametrize("colour", [(0, 0xFF00, 0), (0, 1, 0x0100), (0xFF00, 0, 0)])
def test_colours_of_16_bits_are_not_taken_for_others_of_8(tmp_path, colour):
    root = write_folder(tmp_path, 1)
    index = random_picture(0)[1]
    write_png(root / "masks" / "p0.png", np.array([(0, 0, 0), colour])[index], 16, "rgb")
    (case,) = find_folder(root, values=["#000000", ["#ff0000", "#000200"]])
    with pytest.raises(
        ValueError, match=r"p0\.png has colours beyond 8 bits, as a table's have; export it with 8 bits"
    ):
        read_pair(case, LABELS, None, 3)


def test_a_palette_is_left_out_of_an_index_mask_and_read_as_colours_where_a_table_has_them(tmp_path):
    root = write_folder(tmp_path, 1)
    index = random_picture(0)[1]
    mask = Image.fromarray(index)
    mask.putpalette([10, 20, 30, 200, 100, 50] + [0] * 762)
    mask.save(root / "masks" / "p0.png")
    for table in ({}, {"values": ["#0a141e", "#c86432"]}):
        (case,) = find_folder(root, **table)
        np.testing.assert_array_equal(read_pair(case, LABELS, None, 3).label[:, :, 0].T, index)


def test_parts_patients_and_formats_of_a_folder(tmp_path):
    for part, count in (("train", 3), ("val", 1)):
        write_folder(tmp_path / "a" / part, count)
    (tmp_path / "a" / "val" / "images" / "p0.png").rename(tmp_path / "a" / "val" / "images" / "q0.png")
    (tmp_path / "a" / "val" / "masks" / "p0.png").rename(tmp_path / "a" / "val" / "masks" / "q0.png")
    assert [case.part for case in find_folder(tmp_path / "a")] == ["train"] * 3 + ["val"]
    image, mask = random_volume(0)
    write_nifti(tmp_path / "b" / "images" / "p1_left.nii.gz", image)
    write_mhd(tmp_path / "b" / "masks" / "p1_left.mhd", mask, TransformMatrix="-1 0 0 0 -1 0 0 0 1")
    (case,) = find_folder(tmp_path / "b", patient_pattern="^(p[0-9]+)_")
    assert case.patient == "p1"
    np.testing.assert_array_equal(read_pair(case, LABELS, None).label, mask)
    for pattern, message in (
        ("(", "is no regular expression"),
        ("p", "must have one group"),
        ("(z)", "must have one group"),
    ):
        with pytest.raises(ValueError, match=message):
            find_folder(tmp_path / "b", patient_pattern=pattern)


def test_a_16_bit_picture_is_scaled_and_an_8_bit_one_kept(tmp_path):
    deep = write_picture(tmp_path / "a.png", random_volume(0)[0][:, :, 0].astype(np.uint16) * 40)
    assert read_picture(deep).full_scale is None
    assert read_picture(write_picture(tmp_path / "b.png", random_picture(0)[0])).full_scale == 255


@pytest.mark.parametrize(
    ("values", "ignored", "message"),
    [
        ([0, "#ff0000"], [], "holds values or colours, not both"),
        ([0, 0], [], "0 stands in it twice"),
        ([0, 1], [1], "1 stands in it twice"),
        (["red", "blue"], [], "colours such as '#00ff80', got 'red'"),
        ([0, []], [], "gives every class at least one"),
        ([0, 1.5], [], "holds whole numbers or colours"),
    ],
)
def test_a_faulty_table_is_refused(values, ignored, message):
    with pytest.raises(ValueError, match=message):
        LabelTable.of(values, ignored)


# ---- NIfTI ----------------------------------------------------------------------------------------------------------


def test_labels_come_from_dataset_json_or_are_counted(tmp_path):
    root = write_decathlon(tmp_path / "a", labels={"0": "background", "1": "gland"})
    assert nifti_labels(root) == ["background", "gland"]
    assert [case.name for case in find_nifti(root, keep_names=True)] == [f"v_{i:03d}" for i in range(4)]
    assert nifti_labels(write_decathlon(tmp_path / "b")) == ["background", "class 1"]
    # The other way of writing them, with a gap in the values.
    root = write_decathlon(tmp_path / "c", labels={"background": 0, "edema": 2})
    for index in range(4):
        write_nifti(root / "labelsTr" / f"v_{index:03d}.nii.gz", random_volume(index)[1] * 2)
    assert nifti_labels(root) == ["background", "edema"]
    label = read_pair(find_nifti(root)[0], ["background", "edema"], None).label
    np.testing.assert_array_equal(label, random_volume(0)[1])


def test_a_channel_of_several_is_chosen(tmp_path):
    root = write_decathlon(tmp_path, 1)
    image = random_volume(0)[0]
    write_nifti(root / "imagesTr" / "v_000.nii.gz", np.stack([image * 0, image], axis=-1))
    np.testing.assert_array_equal(read_pair(find_nifti(root, channel=1)[0], LABELS, None).image[0], image)


# ---- TRUS -----------------------------------------------------------------------------------------------------------


def test_scans_of_patients_and_of_a_flat_folder_are_found(tmp_path):
    image, mask = random_volume(0)
    frames = np.moveaxis(image, (0, 1, 2), (2, 1, 0)).astype(np.uint16)
    write_dicom(tmp_path / "a" / "anna" / "left.dcm", np.ascontiguousarray(frames))
    write_mhd(tmp_path / "a" / "anna" / "left_segmentation.mhd", mask)
    write_series(tmp_path / "a" / "anna" / "right", image.astype(np.uint16))
    write_nifti(tmp_path / "a" / "anna" / "right_segmentation.nii.gz", mask)
    write_series(tmp_path / "a" / "berta", image.astype(np.uint16))
    write_mhd(tmp_path / "a" / "berta_segmentation.mhd", mask)
    cases = find_trus(tmp_path / "a", keep_names=True)
    assert [(case.name, case.patient) for case in cases] == [
        ("anna_left", "anna"),
        ("anna_right", "anna"),
        ("berta", "berta"),
    ]
    assert len(source_files(cases[1].image)) == 5


def test_a_folder_without_scans_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no DICOM scan under"):
        find_trus(tmp_path)
