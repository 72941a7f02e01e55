from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from monai.data import load_decathlon_datalist
from PIL import Image

from scripts.datasets import Case, PreparedDataset, content_hashes, find_promise12, prepare, prepare_dataset
from scripts.datasets.preparation_settings import FORMAT
from scripts.datasets.slice_loading import LoadSlice
from scripts.datasets.splits import choose_splits
from tests.picture_files import chunk
from tests.processes import start_one, wait_for
from tests.synthetic import random_volume, write_mhd, write_promise12

LABELS = ["background", "prostate"]


def run(cases, folder, **settings):
    defaults = {"name": "toy", "labels": LABELS, "image_size": 32, "num_folds": 3}
    return prepare_dataset(cases, prepared_dir=folder, **(defaults | settings))


def hash_tree(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture
def cases(tmp_path):
    return find_promise12(write_promise12(tmp_path / "raw", 6, empty=(2,)))


def test_the_folder_holds_pngs_of_every_slice_and_a_datalist_that_monai_reads(tmp_path, cases):
    prepared = run(cases, tmp_path / "out", image_size=[40, 32])
    assert prepared.root == tmp_path / "out" / f"toy-{prepared.fingerprint[:12]}"
    for kind in ("images", "labels"):
        names = sorted(p.name for p in (prepared.root / kind).iterdir())
        assert names == [f"Case{c:02d}_{z:03d}.png" for c in range(6) for z in range(5)]
    items = load_decathlon_datalist(str(prepared.root / "dataset.json"), True, "training")
    assert items[6]["image"] == str(prepared.root / "images" / "Case01_001.png")
    assert items[6]["label"] == str(prepared.root / "labels" / "Case01_001.png")
    assert (items[6]["case"], items[6]["slice"]) == ("Case01", 1)
    record = json.loads((prepared.root / "dataset.json").read_text())
    assert record["numTraining"] == len(items) == 30
    assert record["labels"] == {"0": "background", "1": "prostate"}
    assert record["image_size"] == [40, 32]
    assert "splits" not in record


def test_what_is_prepared_is_what_is_read(tmp_path, cases):
    prepared = run(cases, tmp_path / "out", image_size=(40, 32), fold=1)
    assert (prepared.name, prepared.labels, prepared.num_classes, prepared.in_channels) == ("toy", LABELS, 2, 1)
    assert (prepared.image_size, prepared.intensity_max, prepared.ignore_index) == ((40, 32), 65535, None)
    assert prepared.fold == 1
    assert prepared.case_names == [f"Case{i:02d}" for i in range(6)]
    assert sorted(itertools.chain(*prepared.split.values())) == prepared.case_names
    for part, names in prepared.split.items():
        items = prepared.items(part)
        assert [(item["case"], item["slice"]) for item in items] == [(name, z) for name in names for z in range(5)]
        for item in items:
            assert prepared.case_names[item["case_index"]] == item["case"]
            assert item["image"] == str(prepared.root / "images" / f"{item['case']}_{item['slice']:03d}.png")
            with Image.open(item["image"]) as image, Image.open(item["label"]) as label:
                assert image.size == label.size == (40, 32)
        masks = [random_volume(int(name[-2:]))[1] * (name != "Case02") for name in names]
        foreground = int(np.sum(masks))
        assert prepared.class_counts(part) == [len(names) * 40 * 32 * 5 - foreground, foreground]
    again = PreparedDataset(prepared.root, fold=1, num_folds=3)
    assert again.split_sha256 == prepared.split_sha256
    assert PreparedDataset(prepared.root, fold=0, num_folds=3).split_sha256 != prepared.split_sha256


def test_nothing_is_done_twice(tmp_path, cases, monkeypatch):
    first = run(cases, tmp_path / "out")
    before = {p: p.stat().st_mtime_ns for p in first.root.rglob("*")}
    monkeypatch.setattr(prepare, "make_folder", None)
    # Every split is of the same folder, another order of the cases is the same data set.
    own = tmp_path / "split.json"
    own.write_text(
        json.dumps({"train": ["Case00", "Case01", "Case02"], "val": ["Case03"], "test": ["Case04", "Case05"]})
    )
    splits = [{"fold": 2}, {"num_folds": 4}, {"split_seed": 1}, {"split_file": own}]
    seen = [run(cases[::-1], tmp_path / "out", **settings) for settings in splits]
    assert {prepared.root for prepared in seen} == {first.root}
    assert len({prepared.split_sha256 for prepared in [first, *seen]}) == 5
    assert seen[-1].split["test"] == ["Case04", "Case05"]
    assert {p: p.stat().st_mtime_ns for p in first.root.rglob("*")} == before


def test_folds_are_those_of_the_cases_themselves(tmp_path, cases):
    twin = write_mhd(tmp_path / "raw" / "Case06.mhd", random_volume(1)[0])
    write_mhd(tmp_path / "raw" / "Case06_segmentation.mhd", random_volume(1)[1])
    cases = [*cases, Case("Case06", str(twin), str(twin.with_name("Case06_segmentation.mhd")), "Case06")]
    for seed, num_folds in itertools.product(range(4), (3, 4)):
        expected = choose_splits(
            cases, {case.name for case in cases} - {"Case02"}, [["Case01", "Case06"]], num_folds=num_folds, seed=seed
        )
        for fold, split in enumerate(expected):
            prepared = run(cases, tmp_path / "out", num_folds=num_folds, split_seed=seed, fold=fold)
            assert prepared.split == split
            assert any({"Case01", "Case06"} <= set(names) for names in prepared.split.values())


def test_images_dealt_at_random_share_patients_and_each_is_tested_once(tmp_path, cases, caplog):
    seen = [run(cases, tmp_path / "out", split_unit="image_leaky", num_folds=10, fold=fold) for fold in range(10)]
    assert {prepared.root for prepared in seen} == {run(cases, tmp_path / "out").root}
    tested = [(item["case"], item["slice"]) for prepared in seen for item in prepared.items("test")]
    assert sorted(tested) == [(f"Case{c:02d}", z) for c in range(6) for z in range(5)]
    parts = {part: {item["case"] for item in seen[0].items(part)} for part in ("train", "test")}
    assert parts["train"] & parts["test"]
    sizes = {part: len(seen[0].items(part)) for part in ("train", "val", "test")}
    assert sizes == {"train": 24, "val": 3, "test": 3}
    assert sum(seen[0].class_counts("test")) == 3 * 32 * 32
    assert "scores are too good" in caplog.text
    again = run(cases, tmp_path / "out", split_unit="image_leaky", num_folds=10)
    assert again.split_sha256 == seen[0].split_sha256
    other = run(cases, tmp_path / "out", split_unit="image_leaky", num_folds=10, split_seed=1)
    assert other.split_sha256 != again.split_sha256
    assert seen[0].patients == {f"Case{c:02d}": f"Case{c:02d}" for c in range(6)}


CHANGES = {
    "image size": {"image_size": 48},
    "labels": {"labels": ["background", "gland"]},
    "ignore_index": {"ignore_index": 255},
    "name": {"name": "other"},
    "pixel spacing": {"pixel_spacing": 0.5},
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_changed_settings_are_prepared_anew_beside_the_old(tmp_path, cases, change):
    first = run(cases, tmp_path / "out")
    second = run(cases, tmp_path / "out", **CHANGES[change])
    assert second.fingerprint != first.fingerprint
    assert first.root.is_dir()
    assert second.root.is_dir()


@pytest.mark.parametrize("name", ["Case03.mhd", "Case03.raw", "Case03_segmentation.mhd", "Case03_segmentation.zraw"])
def test_a_changed_file_is_noticed(tmp_path, cases, name):
    first = run(cases, tmp_path / "out")
    path = tmp_path / "raw" / name
    data = path.read_bytes()
    if name.endswith(".mhd"):
        path.write_bytes(b"Comment = x\n" + data)
    else:
        size = (40, 32, 5)
        changed = random_volume(9, size)[0 if name.endswith(".raw") else 1]
        write_mhd(path.with_suffix(".mhd"), changed, compress=name.endswith(".zraw"))
    os.utime(path, ns=(first.root.stat().st_atime_ns, path.stat().st_mtime_ns + 1))
    assert run(cases, tmp_path / "out").fingerprint != first.fingerprint


def test_a_copy_with_other_times_is_the_same_data_and_a_change_of_one_byte_is_not(tmp_path, cases):
    first = run(cases, tmp_path / "out")
    shutil.copytree(tmp_path / "raw", tmp_path / "copy", copy_function=shutil.copyfile)
    copied = find_promise12(tmp_path / "copy")
    for path in (tmp_path / "copy").iterdir():
        os.utime(path, (1, 1))
    for place in ("out", "elsewhere"):  # with the hashes of the first start and without
        again = run(copied, tmp_path / place)
        assert again.fingerprint == first.fingerprint
    data = tmp_path / "copy" / "Case03.raw"
    data.write_bytes(b"\1" + data.read_bytes()[1:])
    assert run(copied, tmp_path / "out").fingerprint != first.fingerprint


def test_changed_cases_are_noticed(tmp_path, cases):
    prints = [
        run(changed, tmp_path / "out").fingerprint
        for changed in (
            cases,
            cases[:-1],
            [replace(cases[0], name="Other"), *cases[1:]],
            [replace(cases[0], patient="Case01"), *cases[1:]],
            [replace(case, part="train") for case in cases],
        )
    ]
    assert len(set(prints)) == 5


@pytest.mark.parametrize("num_workers", [1, 3, 0, None])
def test_the_bytes_do_not_depend_on_place_threads_or_an_interruption(tmp_path, cases, num_workers):
    first = run(cases, tmp_path / "out")
    bytes_of = hash_tree(first.root)
    assert str(tmp_path).encode() not in (first.root / "dataset.json").read_bytes()
    # What a killed one leaves: part of the slices under a temporary name.
    half = tmp_path / "again" / f".{first.root.name}.tmp-killed"
    shutil.copytree(first.root / "images", half / "images")
    second = run(cases, tmp_path / "again", num_workers=num_workers)
    assert hash_tree(second.root) == bytes_of
    assert not half.exists()


def test_some_that_start_together_all_find_it_whole(tmp_path, cases):
    with ThreadPoolExecutor(3) as pool:
        roots = list(pool.map(lambda fold: run(cases, tmp_path / "out", fold=fold).root, range(3)))
    assert len(set(roots)) == 1
    assert len([p for p in (tmp_path / "out").iterdir() if p.is_dir()]) == 1


def test_the_deepest_case_decides_the_depth(tmp_path, cases):
    for index, case in enumerate(cases):
        image = random_volume(index)[0]
        write_mhd(tmp_path / "raw" / f"{case.name}.mhd", (image // 8).astype(np.uint8))
    assert run(cases, tmp_path / "out").intensity_max == 255
    write_mhd(tmp_path / "raw" / "Case04.mhd", random_volume(4)[0])
    assert run(cases, tmp_path / "out").intensity_max == 65535


def test_official_parts_are_kept_and_an_absent_one_is_refused_when_asked_for(tmp_path, cases):
    parts = ["train", "train", "train", "val", "val", "train"]
    prepared = run([replace(c, part=p) for c, p in zip(cases, parts, strict=True)], tmp_path / "out")
    assert prepared.split["val"] == ["Case03", "Case04"]
    for ask in (prepared.items, prepared.class_counts):
        with pytest.raises(ValueError, match="the data set toy has no 'test' part"):
            ask("test")
    with pytest.raises(ValueError, match="part must be one of train, val, test, got 'training'"):
        prepared.items("training")


def edit(cases, index, **change):
    return [replace(case, **change) if i == index else case for i, case in enumerate(cases)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "a/b"}, "name of the data set may hold .* got 'a/b'"),
        ({"labels": ["prostate"]}, r"labels must be 2 to 256 different names, .* got \['prostate'\]"),
        ({"labels": ["a", "a"]}, "labels must be 2 to 256 different names"),
        ({"ignore_index": 1}, "ignore_index must be 2 to 255, beside the classes, got 1"),
        ({"image_size": 8}, "image_size must be one or two whole numbers, 16 to 4096, got 8"),
        ({"image_size": 96.0}, "image_size must be one or two whole numbers, 16 to 4096, got 96.0"),
        ({"image_size": "96"}, "image_size must be one or two whole numbers, 16 to 4096, got 96"),
        ({"image_size": [96, 96, 96]}, "image_size must be one or two whole numbers"),
        ({"pixel_spacing": 0}, "pixel_spacing must be null or one or two numbers of millimetres, 0.001 to 1000, got 0"),
        ({"pixel_spacing": [1, 1, 1]}, "pixel_spacing must be null or one or two numbers"),
        ({"pixel_spacing": "0.5"}, "pixel_spacing must be null or one or two numbers"),
        ({"pixel_spacing": True}, "pixel_spacing must be null or one or two numbers"),
        ({"pixel_spacing": 0.5, "labels": ["sky", "road"]}, "outside of an image background, and class 0 is 'sky'"),
        ({"pixel_spacing": 0.002}, r"Case00.mhd would have 10000 x 8000 pixels of 0.002 x 0.002 mm, at most 8192"),
        ({"num_folds": 7}, "num_folds must be 3 to 6, the number of patients, got 7"),
        ({"num_folds": 2}, "num_folds must be 3 to 6, the number of patients, got 2"),
        ({"fold": 3}, r"fold must be 0 to 2, got 3; the data set has 3 split\(s\)"),
        ({"fold": -1}, "fold must be 0 to 2, got -1"),
        ({"split_unit": "slice"}, "split_unit must be one of patient, image_leaky, got 'slice'"),
        ({"split_unit": "image_leaky", "num_folds": 31}, "num_folds must be 3 to 30, the number of images, got 31"),
        ({"split_unit": "image_leaky", "split_file": "s.json"}, "split_file by name; leave one of them away"),
        ({"num_workers": -1}, "num_workers must be >= 0, got -1"),
    ],
)
def test_a_wrong_setting_is_refused_and_nothing_is_left(tmp_path, cases, settings, message):
    with pytest.raises(ValueError, match=message):
        run(cases, tmp_path / "out", **settings)
    if "image_leaky" in settings.values():  # whether the folds are possible is known when the images are
        return
    assert not [p for p in tmp_path.glob("out/*") if p.is_dir()]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cases: [], "the list of cases is empty"),
        (lambda cases: edit(cases, 0, name="../x"), r"the case name '\.\./x' may hold"),
        (lambda cases: edit(cases, 0, name="case01"), "its case name Case01 is also that of .*Case00.mhd"),
        (lambda cases: edit(cases, 0, part="training"), "the part must be one of train, val, test or None"),
        (lambda cases: edit(cases, 0, part="train"), "Case01.mhd is in no official part, others are"),
    ],
)
def test_wrong_cases_are_refused(tmp_path, cases, change, message):
    with pytest.raises(ValueError, match=message):
        run(change(cases), tmp_path / "out")


def test_a_fault_in_the_middle_of_the_cases_leaves_nothing(tmp_path, cases):
    data = tmp_path / "raw" / "Case03.raw"
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"Case03\.raw is truncated") as error:
        run(cases, tmp_path / "out")
    # Raised by a raise statement of this package, also out of a thread: that is how the one-line message is told.
    last = error.traceback[-1]
    assert (last.path.name, str(last.statement).split()[0]) == ("metaimage.py", "raise")
    assert [p.name[:5] for p in (tmp_path / "out").iterdir()] == [".toy-"]
    assert not [p for p in (tmp_path / "out").iterdir() if p.is_dir()]


def test_a_prepared_folder_without_its_json_or_with_a_broken_one_is_refused(tmp_path, cases):
    prepared = run(cases, tmp_path / "out")
    with pytest.raises(ValueError, match=r"fold must be 0 to 2, got 5; the data set has 3 split\(s\)"):
        PreparedDataset(prepared.root, fold=5, num_folds=3)
    path = prepared.root / "dataset.json"
    record = path.read_text()
    path.write_text(record.replace(f'"format": {FORMAT}', '"format": 2'))
    with pytest.raises(ValueError, match="by another version of this bundle; delete it and prepare it again"):
        PreparedDataset(prepared.root)
    path.write_text(json.dumps([json.loads(record)]))
    with pytest.raises(ValueError, match="was prepared by another version"):
        PreparedDataset(prepared.root)
    path.write_text("{")
    with pytest.raises(ValueError, match=r"dataset\.json is not readable JSON; delete .* and prepare it again"):
        PreparedDataset(prepared.root)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"dataset\.json does not exist"):
        PreparedDataset(prepared.root)


EDITS = {
    "a key left out": lambda record: record.pop("training"),
    "another kind of value": lambda record: record.update(cases={}),
    "channels": lambda record: record.update(in_channels=3),
    "white": lambda record: record.update(intensity_max=1),
    "the fingerprint": lambda record: record.update(fingerprint="0" * 64),
    "a patient": lambda record: record["cases"][0].update(patient_rank=record["cases"][1]["patient_rank"]),
    "a slice of another case": lambda record: record["training"][0].update(case=record["training"][-1]["case"]),
    "pixel counts": lambda record: record["training"][0]["class_counts"].reverse(),
    "labels turned": lambda record: record.update(labels=dict(enumerate(reversed(record["labels"].values())))),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_dataset_json_that_was_changed_by_hand_is_refused(tmp_path, cases, edit):
    path = run(cases, tmp_path / "out").root / "dataset.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record))  # other blanks change nothing
    PreparedDataset(path.parent)
    edit(record)
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"dataset\.json was changed since .* prepared; delete .*correct"):
        run(cases, tmp_path / "out")


def swap(first, second):
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


def end_early(path):
    """Leave the upper half of a PNG's pixels, every check sum of its own right: Pillow takes it without a word."""
    with Image.open(path) as picture:
        size, rows = picture.size, np.asarray(picture)
    header, *_ = path.read_bytes().split(b"IDAT", 1)
    stream = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in rows[: size[1] // 2])
    half = zlib.compress(stream)
    path.write_bytes(header[:-4] + chunk(b"IDAT", half) + chunk(b"IEND", b""))
    with Image.open(path) as picture:
        assert np.array_equal(np.asarray(picture)[: size[1] // 2], rows[: size[1] // 2])


OTHER_FILES = [
    ("image", "swapped"),  # the masks of a case of these are all alike
    ("image", "of another case"),
    ("image", "ended early"),
    ("label", "of another case"),
    ("label", "ended early"),
]


@pytest.mark.parametrize(("kind", "change"), OTHER_FILES)
def test_a_slice_that_is_not_the_one_that_was_prepared_is_refused(tmp_path, cases, kind, change):
    prepared = run(cases, tmp_path / "out")
    load = LoadSlice(prepared)
    items = prepared.items("train")
    faulty = Path(items[2][kind])
    content = faulty.read_bytes()
    if change == "ended early":
        end_early(faulty)
    else:
        same = change == "swapped"
        others = [Path(item[kind]) for item in items if (item["case"] == items[2]["case"]) == same]
        swap(faulty, next(path for path in others if path.read_bytes() != content))
    with pytest.raises(ValueError, match=rf"{faulty.name} was changed, .* replaced since .* prepared; delete .*again"):
        load(items[2])
    faulty.write_bytes(content)
    load(items[2])


def test_masks_of_two_cases_that_changed_places_are_refused(tmp_path, cases):
    prepared = run(cases, tmp_path / "out")
    first, second = prepared.case_names[:2]
    assert prepared.original_label(first).any()
    swap(prepared.original_label_file(first), prepared.original_label_file(second))
    for name in (first, second):
        with pytest.raises(
            ValueError, match=rf"{name}\.npz was changed, .* replaced since .* prepared; delete .*again"
        ):
            prepared.original_label(name)


def test_no_content_of_unchanged_cases_is_read_again(tmp_path, monkeypatch):
    image, mask = random_volume(0, (16, 16, 1))
    mask[4:8, 4:8] = 1
    raw = tmp_path / "raw"
    write_mhd(raw / "a.mhd", image)
    write_mhd(raw / "m.mhd", mask)
    cases = [Case(f"C{i:04d}", str(raw / f"a{i}.mhd"), str(raw / f"m{i}.mhd"), f"P{i}") for i in range(20)]
    for case in cases:
        shutil.copy(raw / "a.mhd", case.image)
        shutil.copy(raw / "m.mhd", case.label)
    first = run(cases, tmp_path / "out", image_size=16)
    hashed = []
    monkeypatch.setattr(content_hashes, "hash_content", lambda path: hashed.append(path))
    assert run(cases, tmp_path / "out", image_size=16).root == first.root
    assert hashed == []


def prepare_slowly(raw, place):
    save = Image.Image.save

    def save_slowly(*args, **words):
        time.sleep(0.02)
        save(*args, **words)

    Image.Image.save = save_slowly
    words = {"name": "toy", "labels": ["background", "prostate"], "image_size": 32, "num_folds": 3}
    prepare_dataset(find_promise12(raw), **words, prepared_dir=place, num_workers=1)


def test_a_killed_one_is_repeated_with_the_same_bytes(tmp_path):
    raw = write_promise12(tmp_path / "raw", 30)
    place, log = tmp_path / "killed", tmp_path / "log"
    process = start_one(log, prepare_slowly, str(raw), str(place))
    wait_for(lambda: len(list(place.glob(".toy-*.tmp-*/images/*.png"))) >= 50, process, log)
    process.kill()
    process.join()
    assert not list(place.glob("toy-*"))
    cases = find_promise12(raw)
    assert hash_tree(run(cases, place).root) == hash_tree(run(cases, tmp_path / "whole").root)
    assert not list(place.glob(".toy-*.tmp-*"))
