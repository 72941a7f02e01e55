from __future__ import annotations

import numpy as np
import pytest

from scripts.datasets import Case, cityscapes_labels, find_camvid, find_cityscapes, prepare_dataset
from scripts.datasets.adapters.street_classes import CAMVID_CLASSES, camvid_colour_table, cityscapes_table
from scripts.datasets.pairs import read_pair
from scripts.datasets.splits import split_cases
from tests.synthetic import random_picture, write_camvid, write_cityscapes, write_picture

# Colours of CamVid's 32 classes and SegNet's groups, written down a second time from the data set's own list.
COLOURS = {
    "sky": [(128, 128, 128)],
    "building": [(0, 128, 64), (128, 0, 0), (64, 192, 0), (64, 0, 64), (192, 0, 128)],
    "pole": [(192, 192, 128), (0, 0, 64)],
    "road": [(128, 64, 128), (128, 0, 192), (192, 0, 64)],
    "pavement": [(0, 0, 192), (64, 192, 128), (128, 128, 192)],
    "tree": [(128, 128, 0), (192, 192, 0)],
    "signsymbol": [(192, 128, 128), (128, 128, 64), (0, 64, 64)],
    "fence": [(64, 64, 128)],
    "car": [(64, 0, 128), (64, 128, 192), (192, 128, 192), (192, 64, 128), (128, 64, 64)],
    "pedestrian": [(64, 64, 0), (192, 128, 64), (64, 0, 192), (64, 128, 64)],
    "bicyclist": [(0, 128, 192), (192, 0, 192)],
}
VOID = (0, 0, 0)


def write_original_camvid(folder, names):
    palette = np.array([VOID, *(c for group in COLOURS.values() for c in group)], dtype=np.uint8)
    assert len(palette) == 32
    for seed, name in enumerate(names):
        image, index = random_picture(seed, (64, 40), 32)
        write_picture(folder / "701_StillsRaw_full" / f"{name}.png", image)
        write_picture(folder / "LabeledApproved_full" / f"{name}_L.png", palette[index])
    return folder


def test_the_original_colours_become_the_eleven_classes(tmp_path):
    (case,) = find_camvid(write_original_camvid(tmp_path, ["0001TP_006690"]))
    label = read_pair(case, CAMVID_CLASSES, 255, 3).label[:, 0, 0]
    expected = [255] + [i for i, group in enumerate(COLOURS.values()) for _ in group]
    np.testing.assert_array_equal(label[::2], expected)  # 32 stripes of two columns


def test_the_official_parts_follow_from_drive_and_frame(tmp_path):
    names = ["0001TP_008520", "0001TP_008550", "0006R0_f00930", "0016E5_07959", "0016E5_08159", "0016E5_00390"]
    names += ["0016E5_08640", "Seq05VD_f00000"]
    parts = {case.name: case.part for case in find_camvid(write_original_camvid(tmp_path, names))}
    expected = ["train", "test", "train", "val", "val", "train", "train", "test"]
    assert [parts[name] for name in names] == expected
    write_original_camvid(tmp_path, ["holiday"])
    with pytest.raises(ValueError, match=r"holiday\.png is no frame of CamVid"):
        find_camvid(tmp_path)


@pytest.mark.real_data
def test_the_rules_of_the_official_parts_give_the_official_lists(tmp_path, real_data):
    official = find_camvid(real_data / "camvid")
    assert len(official) == 468
    from scripts.datasets.adapters.camvid import _official_part

    assert all(_official_part(tmp_path / f"{case.name}.png") == case.part for case in official)


def test_the_segnet_layout_has_its_parts_and_ignores_void(tmp_path):
    cases = find_camvid(write_camvid(tmp_path / "raw"))
    prepared = prepare_dataset(
        cases,
        name="camvid",
        labels=CAMVID_CLASSES,
        image_size=48,
        in_channels=3,
        ignore_index=255,
        prepared_dir=tmp_path,
    )
    assert [len(prepared.split[part]) for part in ("train", "val", "test")] == [4, 2, 2]
    assert prepared.in_channels == 3
    assert prepared.intensity_max == 255
    # 12 stripes of 4 columns, of 48 rows after resizing; the last is void.
    assert prepared.class_counts("val") == [2 * 4 * 48] * 11


def test_the_random_split_keeps_36_for_testing_and_is_seeded(tmp_path):
    write_camvid(tmp_path, {"train": 70, "val": 10})
    with pytest.raises(ValueError, match="split must be one of official, drives, random, got 'other'"):
        find_camvid(tmp_path, split="other")
    first, again, other = (
        {case.name: case.part for case in find_camvid(tmp_path, split="random", split_seed=seed)} for seed in (0, 0, 1)
    )
    assert first == again != other
    assert [list(first.values()).count(part) for part in ("train", "val", "test")] == [8, 36, 36]


def test_whole_drives_are_parted_into_folds_and_never_split(tmp_path):
    names = [f"{drive}_{frame:06d}" for drive in ("0001TP", "0006R0", "0016E5") for frame in (6690, 8520, 8550)]
    cases = find_camvid(write_original_camvid(tmp_path, [*names, "Seq05VD_f00000"]), split="drives")
    assert {case.name: case.patient for case in cases} == {
        name: name.split("_")[0] for name in [*names, "Seq05VD_f00000"]
    }
    splits = split_cases(cases, names, num_folds=4, seed=0)
    tested = [{name.split("_")[0] for name in split["test"]} for split in splits]
    assert all(len(drives) == 1 for drives in tested)
    assert set.union(*tested) == {"0001TP", "0006R0", "0016E5", "Seq05VD"}


def test_every_colour_stands_once():
    assert camvid_colour_table().ignored == ("#000000",)


# ---- Cityscapes -----------------------------------------------------------------------------------------------------


def test_cityscapes_has_its_official_parts_and_19_classes(tmp_path):
    cases = find_cityscapes(write_cityscapes(tmp_path / "raw"))
    assert [case.part for case in cases] == ["train"] * 4 + ["val"] * 2
    labels = cityscapes_labels()
    prepared = prepare_dataset(
        cases, name="c", labels=labels, image_size=[136, 68], in_channels=3, ignore_index=255, prepared_dir=tmp_path
    )
    assert prepared.class_counts("val") == [2 * 4 * 68] * 19  # 34 stripes of 4 columns
    assert len(labels) == 19


def test_the_papers_groups(tmp_path):
    cases = find_cityscapes(write_cityscapes(tmp_path), classes="paper")
    labels = cityscapes_labels("paper")
    assert labels == CAMVID_CLASSES
    counts = np.bincount(read_pair(cases[0], labels, 255, 3).label.ravel(), minlength=256)
    stripes = dict(zip(labels, (counts[:11] // (4 * 68)).tolist(), strict=True))
    assert stripes == {"sky": 1, "building": 2, "pole": 1, "road": 1, "pavement": 1, "tree": 2, "signsymbol": 2} | {
        "fence": 1,
        "car": 4,
        "pedestrian": 1,
        "bicyclist": 3,
    }
    with pytest.raises(ValueError, match=r"classes must be official \(19\) or paper \(11\), got 'mine'"):
        find_cityscapes(tmp_path, classes="mine")


def test_the_table_is_that_of_cityscapesscripts():
    official = pytest.importorskip("cityscapesscripts.helpers.labels")
    by_train_id = {label.trainId: label for label in official.labels if 0 <= label.trainId < 255}
    assert cityscapes_labels() == [by_train_id[i].name for i in range(19)]
    assert cityscapes_table().classes == tuple((by_train_id[i].id,) for i in range(19))
    assert set(cityscapes_table().ignored) == {label.id for label in official.labels if label.trainId == 255}


def test_iou_of_a_spoiled_prediction_is_that_of_the_official_evaluator(tmp_path, capsys):
    evaluator = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    cases = [
        case
        for case in find_cityscapes(write_cityscapes(tmp_path / "raw", {"train": 1, "val": 3}))
        if case.part == "val"
    ]
    labels = cityscapes_labels()
    ids = np.array([keys[0] for keys in cityscapes_table().classes], dtype=np.uint8)
    rng = np.random.default_rng(0)
    confusion = np.zeros((19, 19), dtype=np.int64)
    predictions = []
    for case in cases:
        truth = read_pair(case, labels, 255, 3).label[:, :, 0]
        pred = np.where(rng.random(truth.shape) < 0.3, rng.integers(0, 19, truth.shape), np.minimum(truth, 18))
        valid = truth != 255
        np.add.at(confusion, (truth[valid], pred[valid]), 1)
        predictions.append(str(write_picture(tmp_path / "pred" / f"{case.name}.png", ids[pred].T)))
    hits = np.diag(confusion)
    ours = hits / (confusion.sum(axis=0) + confusion.sum(axis=1) - hits)
    args = evaluator.args
    args.evalInstLevelScore, args.quiet, args.JSONOutput = False, True, False
    args.evalPixelAccuracy, args.avgClassSize = False, {}
    theirs = evaluator.evaluateImgLists(predictions, [case.label for case in cases], args)["classScores"]
    capsys.readouterr()
    assert len(theirs) >= 19
    np.testing.assert_allclose([theirs[name] for name in labels], ours, atol=1e-6)


def test_a_case_of_another_number_of_labels_is_refused(tmp_path):
    cases = find_cityscapes(write_cityscapes(tmp_path))
    with pytest.raises(ValueError, match="its table of values has 19 classes, labels has 2"):
        read_pair(cases[0], ["a", "b"], 255, 3)
    with pytest.raises(ValueError, match="set --ignore_index 255"):
        read_pair(cases[0], cityscapes_labels(), None, 3)
    assert isinstance(cases[0], Case)
