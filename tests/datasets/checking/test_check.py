from __future__ import annotations

import csv
import logging
from functools import partial

import numpy as np
import pytest
from monai.bundle import ConfigParser
from PIL import Image

from scripts.datasets import check_dataset, find_folder, find_promise12, prepare_dataset
from tests.synthetic import random_volume, write_cityscapes, write_folder, write_mhd, write_picture, write_promise12
from tests.workflows import CONFIGS, run_workflow, tiny_overrides

LABELS = ["background", "prostate"]


def check(cases, folder, **settings):
    defaults = {
        "name": "toy",
        "labels": LABELS,
        "image_size": 32,
        "num_folds": 3,
        "output_dir": folder,
        "prepared_dir": folder,
    }
    check_dataset(cases, **(defaults | settings))


def table_of(folder):
    with (folder / "check" / "toy" / "check.csv").open() as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def test_a_sound_data_set_is_described(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    check(find_promise12(write_promise12(tmp_path / "raw", 4, empty=(2,))), tmp_path)
    row = table_of(tmp_path)["Case00"]
    assert (row["size"], row["spacing_mm"], row["type"]) == ("40 x 32 x 5", "0.5 x 0.5 x 3", "int16")
    share = 100 * random_volume(0)[1].mean()
    assert float(row["prostate_percent"]) == pytest.approx(share, abs=0.01)
    assert table_of(tmp_path)["Case02"]["findings"] == "empty mask"
    assert "1 of 4 masks are empty (class 0 alone): Case02" in caplog.text
    assert "no error in 4 cases" in caplog.text
    with Image.open(tmp_path / "check" / "toy" / "check.png") as sheet:
        assert sheet.width >= 4 * 160


def test_all_faults_are_found_at_once(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    root = write_promise12(tmp_path / "raw", 5)
    (root / "Case01.raw").write_bytes(b"")
    write_mhd(root / "Case03_segmentation.mhd", random_volume(3)[1] * 2)
    with pytest.raises(ValueError, match=r"2 of 5 cases are at fault, the first: .*Case01\.raw is truncated"):
        check(find_promise12(root), tmp_path)
    errors = {name for name, row in table_of(tmp_path).items() if row["findings"].startswith("ERROR")}
    assert errors == {"Case01", "Case03"}
    assert "Case03_segmentation.mhd holds the value(s) 2" in caplog.text


def test_equal_images_are_found_and_kept_in_one_part(tmp_path, caplog):
    root = write_folder(tmp_path / "raw", 8)
    write_picture(root / "images" / "p7.png", np.asarray(Image.open(root / "images" / "p0.png")))
    cases = find_folder(root, keep_names=True)
    check(cases, tmp_path, in_channels=3)
    assert "p0, p7 are the same image; keep one" in caplog.text
    assert table_of(tmp_path)["p0"]["findings"] == "same image as p7"
    for seed in range(5):
        prepared = prepare_dataset(
            cases,
            name="toy",
            labels=LABELS,
            image_size=32,
            in_channels=3,
            num_folds=4,
            split_seed=seed,
            prepared_dir=tmp_path / "out",
        )
        assert any({"p0", "p7"} <= set(names) for names in prepared.split.values())


def test_equal_images_with_different_masks_are_told_apart_from_copies(tmp_path, caplog):
    root = write_folder(tmp_path / "raw", 4)
    write_picture(root / "images" / "p3.png", np.asarray(Image.open(root / "images" / "p0.png")))
    write_picture(root / "masks" / "p3.png", np.asarray(Image.open(root / "masks" / "p0.png"))[:, ::-1])
    check(find_folder(root, keep_names=True), tmp_path, in_channels=3)
    assert "p0, p3 are the same image with different masks" in caplog.text


def test_gray_among_colours_is_told_and_colour_among_gray_refused(tmp_path, caplog):
    root = write_folder(tmp_path / "raw", 4)
    picture = np.asarray(Image.open(root / "images" / "p1.png"))[..., 0]
    write_picture(root / "images" / "p1.png", picture)
    cases = find_folder(root, keep_names=True)
    check(cases, tmp_path, in_channels=3)
    assert "1 of 4 images: gray among colours, its channel is repeated: p1" in caplog.text
    with pytest.raises(ValueError, match=r"3 of 4 cases are at fault, the first: .*p0\.png is coloured"):
        check(cases, tmp_path)


def test_preparing_leaves_table_and_pictures_beside_the_slices_and_the_same_each_time(tmp_path):
    cases = find_promise12(write_promise12(tmp_path / "raw", 4))
    found = []
    for place in "ab":
        prepared = prepare_dataset(
            cases, name="toy", labels=LABELS, image_size=32, num_folds=3, prepared_dir=tmp_path / place
        )
        found.append([(prepared.root / name).read_bytes() for name in ("check.csv", "check.png")])
    assert found[0] == found[1]


def test_the_long_table_shows_what_was_found_first(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    root = write_folder(tmp_path / "raw", 60)
    write_picture(root / "masks" / "p59.png", np.zeros((32, 40), dtype=np.uint8))
    check(find_folder(root, keep_names=True), tmp_path, in_channels=3)
    assert "... 20 more without findings" in caplog.text
    assert [line for line in caplog.text.splitlines() if line.startswith("p59") and line.endswith("empty mask")]


def test_the_command_checks_without_a_training(tmp_path):
    run_workflow("train.yaml", run_id="check", **tiny_overrides(tmp_path))
    folder = tmp_path / "runs" / "check" / "phantom"
    with (folder / "check.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 6
    assert (folder / "check.png").is_file()


@pytest.mark.parametrize("classes", ["official", "paper"])
def test_the_classes_of_cityscapes_are_chosen_on_the_command_line(tmp_path, classes):
    root = write_cityscapes(tmp_path / "raw")
    place = {"dataset_dir": str(root), "output_dir": str(tmp_path / "runs"), "image_size": [136, 68], "device": "cpu"}
    names = ("train.yaml", "data_cityscapes.yaml")
    run_workflow(*names, run_id="check", **place, **{"cases::classes": classes})
    header = (tmp_path / "runs" / "check" / "cityscapes" / "check.csv").read_text().splitlines()[0]
    assert header.count("_percent") == {"official": 19, "paper": 11}[classes]


def test_every_data_part_sets_the_same_keys():
    parts = {path.name: set(ConfigParser.load_config_file(path)) for path in sorted(CONFIGS.glob("data_*.yaml"))}
    assert len(parts) == 6
    whole = set(ConfigParser.load_config_file(CONFIGS / "train.yaml"))
    for name, keys in parts.items():
        assert keys == parts["data_promise12.yaml"], name
        assert keys <= whole, name


def outcome(work):
    """The message of a refusal, or None."""
    try:
        work()
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["background", "prostate"], None),
        (["background", "prostate", "tumour"], None),
        (["background", "prostate", "tumour", "cyst"], None),
    ],
)
def test_check_and_preparing_take_classes_that_no_mask_holds_and_say_so(tmp_path, caplog, labels, message):
    cases = find_promise12(write_promise12(tmp_path / "raw", 4))
    settings = {"name": "toy", "labels": labels, "image_size": 32, "num_folds": 3, "prepared_dir": tmp_path}
    for work in (partial(check_dataset, output_dir=tmp_path), prepare_dataset):
        caplog.clear()
        assert outcome(partial(work, cases, **settings)) == message
        absent = ", ".join(f"{value} ({label})" for value, label in enumerate(labels) if value > 1)
        kind = "class" if len(labels) == 3 else "classes"
        told = f"no mask of toy holds the {kind} {absent} at image_size [32, 32]: trained like the others"
        assert (told in caplog.text) == bool(absent)


def test_check_and_preparing_refuse_masks_of_one_class_at_the_size_that_is_prepared(tmp_path):
    """One voxel of foreground in 40 x 32: at 16 x 16 it is gone."""
    root = write_promise12(tmp_path / "raw", 4)
    for index in range(4):
        mask = np.zeros((40, 32, 5), dtype=np.uint8)
        mask[0, 0, 0] = 1
        write_mhd(root / f"Case{index:02d}_segmentation.mhd", mask, compress=True)
    settings = {"name": "toy", "labels": LABELS, "num_folds": 3, "prepared_dir": tmp_path}
    for size, word in ((40, None), (16, "no mask of toy holds the class 1 (prostate) at image_size [16, 16]; correct")):
        for work in (partial(check_dataset, output_dir=tmp_path), prepare_dataset):
            found = outcome(partial(work, find_promise12(root), image_size=size, **settings))
            assert (found is None) if word is None else found.startswith(word)


@pytest.mark.parametrize(
    ("count", "settings", "message"),
    [
        (
            3,
            {"num_folds": 5},
            "num_folds must be 3, as there are 3 patients or, of street scenes, 3 drives, got 5; set an",
        ),
        (4, {"num_folds": 5}, "num_folds must be 3 to 4, the number of patients, got 5; set another --num_folds"),
        (2, {}, r"a split needs at least 3 patients \(train, val, test\), the data set has 2; add some"),
        (3, {"split_file": "s.json"}, "s.json"),
    ],
)
def test_an_impossible_split_is_refused_before_anything_is_read_or_written(tmp_path, count, settings, message):
    cases = find_promise12(write_promise12(tmp_path / "raw", count))
    with pytest.raises(ValueError, match=message):
        check(cases, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_more_folds_than_images_are_found_by_the_check_as_by_preparing(tmp_path):
    cases = find_promise12(write_promise12(tmp_path / "raw", 3))
    settings = {"split_unit": "image_leaky", "num_folds": 16}
    with pytest.raises(ValueError, match="num_folds must be 3 to 15, the number of images, got 16"):
        check(cases, tmp_path, **settings)
    with pytest.raises(ValueError, match="num_folds must be 3 to 15, the number of images, got 16"):
        prepare_dataset(cases, name="toy", labels=LABELS, image_size=32, prepared_dir=tmp_path / "p", **settings)
    check(cases, tmp_path, **(settings | {"num_folds": 15}))
