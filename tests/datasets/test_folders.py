"""Folders as people have them: names in two spellings, what storage systems leave, a folder per patient."""

from __future__ import annotations

import json
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.datasets import (
    check_dataset,
    find_camvid,
    find_cityscapes,
    find_folder,
    find_nifti,
    find_promise12,
    find_trus,
    nifti_labels,
    prepare_dataset,
)
from scripts.datasets.pairs import read_pair
from scripts.datasets.preparation_settings import Settings, fingerprint_cases
from scripts.formats.dicom_image import read_dicom
from scripts.inference.inputs import find_inputs
from tests.dicom_files import write_series
from tests.synthetic import (
    random_picture,
    random_volume,
    write_camvid,
    write_cityscapes,
    write_decathlon,
    write_folder,
    write_mha,
    write_mhd,
    write_nifti,
    write_picture,
    write_promise12,
)

LABELS = ["background", "prostate"]


def write_trus(root: Path) -> Path:
    for index in range(3):
        image, mask = random_volume(index)
        write_series(root / f"patient{index}" / "scan", image.astype(np.uint16))
        write_nifti(root / f"patient{index}" / "scan_segmentation.nii.gz", mask, np.diag([-0.5, -0.5, 3, 1]))
    return root


ADAPTERS = {
    "promise12": (lambda root: write_promise12(root, 3), find_promise12),
    "folder": (write_folder, find_folder),
    "nifti": (write_decathlon, find_nifti),
    "trus": (write_trus, find_trus),
    "camvid": (write_camvid, find_camvid),
    "cityscapes": (write_cityscapes, find_cityscapes),
}


def leave(root: Path) -> None:
    """What a network drive and a Mac leave in every folder: copies of the files' own names among them."""
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        files = [path for path in folder.iterdir() if path.is_file()]
        for name in ("@eaDir", "__MACOSX", ".snapshot", "#recycle"):
            (folder / name).mkdir()
            for path in files:
                shutil.copy(path, folder / name / path.name)
        for name in (".DS_Store", "Thumbs.db", *(f"._{path.name}" for path in files)):
            (folder / name).write_bytes(b"x")


@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_what_storage_systems_leave_changes_neither_cases_nor_fingerprint(tmp_path, adapter):
    write, find = ADAPTERS[adapter]
    root = write(tmp_path / "data")
    before = find(root)
    settings = Settings("toy", ("a", "b"), (32, 32), None, 1)
    fingerprint = None if adapter == "volumes" else fingerprint_cases(before, settings)
    leave(root)
    assert find(root) == before
    assert adapter == "volumes" or fingerprint_cases(before, settings) == fingerprint
    if adapter == "trus":
        assert len(read_dicom(Path(before[0].image)).frames) == 5


NAMES = ["M\u00fcller", "N\u00fa\u00f1ez", "\u00c5berg"]


def spelled(name: str, form: str) -> str:
    return unicodedata.normalize(form, name)  # type: ignore[arg-type]


@pytest.mark.parametrize(("form", "other"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_images_and_masks_of_one_name_in_two_spellings_are_pairs(tmp_path, form, other):
    for index, name in enumerate(NAMES):
        image, mask = random_picture(index)
        write_picture(tmp_path / "folder" / "images" / f"{spelled(name, form)}.png", image)
        write_picture(tmp_path / "folder" / "masks" / f"{spelled(name, other)}.png", mask)
        volume, mask = random_volume(index)
        write_nifti(tmp_path / "nifti" / "imagesTr" / f"{spelled(name, form)}.nii.gz", volume)
        write_nifti(tmp_path / "nifti" / "labelsTr" / f"{spelled(name, other)}.nii.gz", mask)
        write_series(tmp_path / "trus" / spelled(name, form), volume.astype(np.uint16))
        write_nifti(tmp_path / "trus" / f"{spelled(name, other)}_segmentation.nii.gz", mask)
    listed = [{"image": f"imagesTr/{spelled(name, other)}.nii.gz"} for name in NAMES]
    content = {"labels": {"0": "background", "1": "prostate"}, "training": listed}
    (tmp_path / "nifti" / "dataset.json").write_text(json.dumps(content), encoding="utf-8-sig")
    for cases in (find_folder(tmp_path / "folder"), find_nifti(tmp_path / "nifti"), find_trus(tmp_path / "trus")):
        assert sorted(case.name for case in cases) == sorted(NAMES)
    assert nifti_labels(tmp_path / "nifti") == ["background", "prostate"]


def test_two_spellings_of_one_name_in_a_folder_are_refused(tmp_path):
    for form in ("NFC", "NFD"):
        write_picture(tmp_path / "images" / f"{spelled(NAMES[0], form)}.png", random_picture(0)[0])
        write_picture(tmp_path / "masks" / f"{spelled(NAMES[0], form)}.png", random_picture(0)[1])
    with pytest.raises(ValueError, match="have the same stem; keep one of them"):
        find_folder(tmp_path)


def write_patients(root: Path, parts: tuple[str, ...] = ("",)) -> Path:
    for part in parts:
        for index in range(6):
            image, mask = random_picture(index + len(part))
            place = Path(f"{part}p{index // 2}") / f"{index % 2}.png"
            write_picture(root / part / "images" / place, image)
            write_picture(root / part / "masks" / place, mask)
    return root


def test_a_folder_of_pictures_is_a_patient_and_no_split_parts_it(tmp_path):
    cases = find_folder(write_patients(tmp_path / "data"), keep_names=True, patient_pattern="^([0-9])$")
    assert [(case.name, case.patient) for case in cases] == [
        ("p0_0", "p0"), ("p0_1", "p0"), ("p1_0", "p1"), ("p1_1", "p1"), ("p2_0", "p2"), ("p2_1", "p2"),
    ]  # fmt: skip
    prepared = prepare_dataset(
        cases, name="toy", labels=LABELS, image_size=32, in_channels=3, num_folds=3, prepared_dir=tmp_path / "out"
    )
    assert sorted(sorted({name[:2] for name in names}) for names in prepared.split.values()) == [["p0"], ["p1"], ["p2"]]


def test_patients_folders_stand_beside_files_and_in_parts(tmp_path):
    root = write_patients(tmp_path / "mixed")
    write_picture(root / "images" / "q.png", random_picture(9)[0])
    write_picture(root / "masks" / "q.png", random_picture(9)[1])
    assert [(c.name, c.patient) for c in find_folder(root)][-1] == ("q", "q")
    assert len(find_folder(root)) == 7
    cases = find_folder(write_patients(tmp_path / "parts", ("train", "val")))
    assert {case.patient: case.part for case in cases} == {
        f"{part}p{index}": part for part in ("train", "val") for index in range(3)
    }


def test_a_patients_folder_without_its_twin_is_refused(tmp_path):
    root = write_patients(tmp_path)
    shutil.rmtree(root / "masks" / "p1")
    with pytest.raises(FileNotFoundError, match=r"masks/p1 is not a folder"):
        find_folder(root)
    shutil.rmtree(root / "images" / "p1")
    (root / "masks" / "p1" / "0.png").parent.mkdir()
    write_picture(root / "masks" / "p1" / "0.png", random_picture(9)[1])
    with pytest.raises(FileNotFoundError, match=r"masks/p1 has no image"):
        find_folder(root)


def test_a_folder_in_a_folder_in_a_folder_is_refused_with_the_layout(tmp_path):
    root = write_folder(tmp_path, 2)
    write_picture(root / "images" / "p7" / "visit1" / "0.png", random_picture(9)[0])
    (root / "masks" / "p7").mkdir()
    with pytest.raises(
        ValueError, match=r"images/p7 holds neither pictures nor a DICOM series; lay images as images/<n"
    ):
        find_folder(root)


def test_mha_is_read_wherever_mhd_is(tmp_path):
    for index in range(3):
        image, mask = random_volume(index)
        write_mha(tmp_path / "p12" / f"Case{index:02d}.mha", image)
        write_mha(tmp_path / "p12" / f"Case{index:02d}_segmentation.mha", mask, compress=True)
        write_mha(tmp_path / "folder" / "images" / f"{index}.mha", image)
        write_mha(tmp_path / "folder" / "masks" / f"{index}.mha", mask)
        write_series(tmp_path / "trus" / str(index), image.astype(np.uint16))
        write_mha(tmp_path / "trus" / f"{index}_segmentation.mha", mask)
    assert Path(find_trus(tmp_path / "trus")[0].label).name == "0_segmentation.mha"
    for cases in (find_promise12(tmp_path / "p12"), find_folder(tmp_path / "folder")):
        assert len(cases) == 3
        np.testing.assert_array_equal(read_pair(cases[0], LABELS, None).label, random_volume(0)[1])
    assert len(find_inputs(tmp_path / "p12")) == 3


def test_two_masks_of_a_case_are_refused(tmp_path):
    root = write_promise12(tmp_path, 3)
    write_mha(root / "Case01_segmentation.mha", random_volume(1)[1])
    with pytest.raises(
        ValueError, match=r"Case01_segmentation\.mhd and Case01_segmentation\.mha are masks of one case"
    ):
        find_promise12(root)


def test_channels_of_a_folders_volumes_are_chosen_as_the_message_says(tmp_path):
    image, mask = random_volume(0)
    write_nifti(tmp_path / "images" / "a.nii.gz", np.stack([image, image + 1], axis=-1))
    write_nifti(tmp_path / "masks" / "a.nii.gz", mask[..., np.newaxis])
    with pytest.raises(ValueError, match="choose one by --cases::channel 0 to 1"):
        read_pair(find_folder(tmp_path)[0], LABELS, None)
    np.testing.assert_array_equal(read_pair(find_folder(tmp_path, channel=1)[0], LABELS, None).image[0], image + 1)


def test_values_that_leave_one_out_are_named_by_hand(tmp_path):
    for index in range(3):
        image, mask = random_volume(index)
        mask[0, 0] = [2, 2, 4, 4, 4]
        write_nifti(tmp_path / "imagesTr" / f"{index}.nii.gz", image)
        write_nifti(tmp_path / "labelsTr" / f"{index}.nii.gz", mask)
    with pytest.raises(
        ValueError, match=r"hold the values 0,1,2,4, which are not 0 to 3; .* --cases::values \"\[0,1,2,4\]"
    ):
        nifti_labels(tmp_path)
    label = read_pair(find_nifti(tmp_path, values=[0, 1, 2, 4])[0], list("abcd"), None).label
    assert label[0, 0].tolist() == [2, 2, 3, 3, 3]


def test_gray_of_few_bits_is_not_a_black_picture(tmp_path):
    """A picture of 1 bit holds 0 and 1, and 1 is white; as a mask told by colour it is white too."""
    for index in range(3):
        mask = random_picture(index)[1].astype(bool)
        for kind in ("images", "masks"):
            write_picture(tmp_path / "data" / kind / f"p{index}.png", mask)
    cases = find_folder(tmp_path / "data", values=["#000000", "#ffffff"])
    prepared = prepare_dataset(
        cases, name="toy", labels=LABELS, image_size=[40, 32], num_folds=3, prepared_dir=tmp_path / "out"
    )
    with Image.open(prepared.items("train")[0]["image"]) as picture:
        assert sorted(set(np.asarray(picture).ravel().tolist())) == [0, 255]


def test_the_mhd_of_a_mac_is_no_case(tmp_path):
    write_mhd(tmp_path / "A.mhd", random_volume(0)[0])
    (tmp_path / "._A.mhd").write_bytes(b"x")
    assert [item["case"].path.name for item in find_inputs(tmp_path)] == ["A.mhd"]


UNREAD = ["f.webp", "f.GIF", "f.jp2", "f.nrrd", "f.hdr", "f.npy", "f.jfif", "f.mgz", "f.nii.bz2"]


@pytest.mark.parametrize("name", UNREAD)
@pytest.mark.parametrize("adapter", ["folder", "nifti", "camvid"])
def test_an_image_of_a_format_that_is_not_read_is_named_and_not_left_out(tmp_path, adapter, name):
    write, find = ADAPTERS[adapter]
    root = write(tmp_path)
    images, masks = {"folder": "images masks", "nifti": "imagesTr labelsTr", "camvid": "train trainannot"}[
        adapter
    ].split()
    for folder in (images, masks):
        (root / folder / "notes.txt").write_text("x")  # what is no image by its name is not meant as one
    assert find(root)
    for folder in (images, masks):
        (root / folder / name).write_bytes(b"x")
    with pytest.raises(
        ValueError, match=rf"{images}/{name} is of a format that is not read here .* convert it or remove"
    ):
        find(root)


def test_folders_of_images_that_are_no_part_are_named_and_not_left_out(tmp_path):
    for part in ("train", "validation"):
        write_folder(tmp_path / "called" / part, 2)
        for path in (tmp_path / "called" / part).rglob("*.png"):
            path.rename(path.with_name(f"{part}_{path.name}"))
    with pytest.raises(ValueError, match="validation holds images or masks and is none of the parts train, val, test"):
        find_folder(tmp_path / "called")
    (tmp_path / "called/validation").rename(tmp_path / "called/val")
    assert len(find_folder(tmp_path / "called", keep_names=True)) == 4
    (tmp_path / "called/val/images").rename(tmp_path / "called/val/image")
    with pytest.raises(FileNotFoundError, match="val/images is not a folder"):
        find_folder(tmp_path / "called")
    write_folder(tmp_path / "both", 2)
    write_folder(tmp_path / "both/train", 2)
    with pytest.raises(ValueError, match="both holds images or masks and the parts train too; keep one of both"):
        find_folder(tmp_path / "both")
    write_folder(tmp_path / "alone", 2)
    write_folder(tmp_path / "alone/older", 2)  # beside images and masks, which are meant
    assert len(find_folder(tmp_path / "alone")) == 2


def test_a_patients_folder_without_a_scan_is_named_and_not_left_out(tmp_path):
    root = write_trus(tmp_path)
    (root / "patient1").rename(root / "study")
    (root / "patient1").mkdir()
    (root / "study").rename(root / "patient1/study")
    with pytest.raises(
        FileNotFoundError, match="patient1 holds no scan .* lay scans as <patient>/<scan>, or remove it"
    ):
        find_trus(root)


@pytest.mark.parametrize("name", ["case01", "CASE01", "Case01"])
@pytest.mark.parametrize("suffix", [".mhd", ".MHD"])
def test_a_case_of_promise12_in_another_spelling_is_named_and_not_left_out(tmp_path, name, suffix):
    root = write_promise12(tmp_path, 3)
    for ending in ("", "_segmentation"):
        (root / f"Case01{ending}.mhd").rename(root / f"{name}{ending}{suffix}")
    if name + suffix == "Case01.mhd":
        assert len(find_promise12(root)) == 3
        return
    with pytest.raises(ValueError, match=rf"{name}{suffix} is spelled otherwise than Case00.mhd .* rename it"):
        find_promise12(root)


L = {"labels": {"0": "background", "1": "prostate"}}
PAIRS = [{"image": f"./imagesTr/v_{i:03d}.nii.gz", "label": f"./labelsTr/v_{i:03d}.nii.gz"} for i in range(4)]
SWAPPED = [{**PAIRS[0], "label": PAIRS[1]["label"]}, *PAIRS[1:]]
RECORDS = [
    ({"labels": {"background": 0, "prostate": 1, "gland": 1}}, "the value 1 or the name 'gland' twice"),
    ({"labels": {"0": "prostate", "1": "prostate"}}, "the value 1 or the name 'prostate' twice"),
    ({"labels": {"0": "background", "1": None}}, "must map values to names, not '1' to None"),
    ({"labels": {"0": "background", "1": " "}}, "must map values to names"),
    ({"labels": {"0": "background", "1": ["x", "y"]}}, "must map values to names"),
    ({"labels": {"background": 0, "prostate": 1.7}}, "must map values to names, not 'prostate' to 1.7"),
    ({"labels": {"background": False, "prostate": True}}, "must map values to names"),
    ({"labels": {"background": 0, "whole": [1, 2]}}, "must map values to names"),
    ({"labels": {"background": 0, "prostate": 1, "ignore": 2}}, "remove it there and set --ignore_index 2"),
    (L | {"numTraining": 5}, "'numTraining' is 5, there are 4 images; copy the rest or correct it"),
    (L | {"training": PAIRS[:3]}, r"v_003.nii.gz is not in the list 'training' of dataset.json"),
    (L | {"training": SWAPPED}, r"v_000.nii.gz has the mask v_001.nii.gz in dataset.json; files are paired by name"),
    (L | {"training": [{**PAIRS[0], "label": "x.nii.gz"}]}, "x.nii.gz is listed in dataset.json and missing"),
    (L | {"training": [*PAIRS, "dataset.json"]}, "dataset.json is listed in dataset.json and lies not in imagesTr"),
]


@pytest.mark.parametrize(("record", "message"), RECORDS)
def test_a_dataset_json_that_is_not_so_is_refused(tmp_path, record, message):
    root = write_decathlon(tmp_path)
    (root / "dataset.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=message) as error:
        find_nifti(root)
    assert "\n" not in str(error.value)


def test_a_dataset_json_that_is_so_is_taken(tmp_path):
    root = write_decathlon(tmp_path)
    bare = [pair["image"] for pair in PAIRS]
    for more in ({}, {"numTraining": 4}, {"training": []}, {"training": PAIRS, "numTraining": 9}, {"training": bare}):
        (root / "dataset.json").write_text(json.dumps(L | more))
        assert len(find_nifti(root)) == 4
    (root / "dataset.json").unlink()
    (root / "dataset.json").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError, match=r"dataset.json does not exist"):
        find_nifti(root)


def test_the_check_refuses_the_settings_that_preparing_refuses(tmp_path):
    cases = find_folder(write_folder(tmp_path / "data"))
    places = {"output_dir": tmp_path / "out", "prepared_dir": tmp_path / "out"}
    for settings, message in (
        ({"labels": ["a", "a"]}, "labels must be 2 to 256 different names"),
        ({"labels": LABELS, "ignore_index": 1}, "ignore_index must be 2 to 255"),
        ({"labels": LABELS, "in_channels": 2}, "in_channels must be 1"),
        ({"labels": LABELS, "name": "a/b"}, "name of the data set may hold"),
    ):
        with pytest.raises(ValueError, match=message):
            check_dataset(cases, **({"name": "toy", "image_size": 32} | places | settings))
    assert not (tmp_path / "out").exists()
