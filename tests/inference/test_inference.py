"""Segmenting many images by one command: what is bad is told, the others are done, and nothing is lost."""

from __future__ import annotations

import csv
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import highdicom as hd
import itk
import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image

from scripts.configuration.error_report import user_message
from scripts.formats.dicom_segmentation import read_segmentation
from scripts.formats.reading import read_image
from scripts.runs.lock import holder
from scripts.runs.provenance import file_sha256
from tests.dicom_files import make_enhanced, make_series, save, write_dicom, write_series
from tests.inference.images import bright_object, segment
from tests.inference.stub_run import write_run
from tests.synthetic import write_mhd, write_picture

TRUTH, IMAGE = bright_object()


def rows(folder: Path, name: str = "cases") -> dict[str, dict[str, str]]:
    with (folder / "out" / "report" / f"{name}.csv").open() as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def refused(folder: Path, source: Path, **overrides: Any) -> str:
    with pytest.raises((RuntimeError, ValueError)) as info:
        segment(folder, source, **overrides)
    message = user_message(info.value)
    assert message is not None, f"not a message for the user: {info.value!r}"
    assert "\n" not in message
    return message


def written(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder / "out").as_posix() for p in (folder / "out").rglob("*") if p.is_file())


def one_of_each_format(source: Path) -> dict[str, str]:
    """An image of each format that inference reads, and the mask that is to be written for each."""
    write_mhd(source / "a.mhd", IMAGE)
    itk.imwrite(itk.image_from_array(np.ascontiguousarray(IMAGE.T)), str(source / "b.mha"))
    nib.save(nib.Nifti1Image(IMAGE, np.diag([-0.5, 0.7, 3, 1])), source / "a.nii.gz")
    write_series(source / "series", IMAGE)
    save(make_enhanced(IMAGE), source / "enhanced.dcm")
    write_dicom(source / "sub" / "clip.dcm", np.ascontiguousarray(IMAGE.T.astype(np.uint16)))
    gray = np.where(TRUTH, 250, 10).astype(np.uint8).T
    for name in ("photo.png", "photo2.jpg", "photo3.tif"):
        Image.fromarray(gray[2]).save(source / name)
    Image.fromarray(gray[0]).save(source / "pages.tif", save_all=True, append_images=[*map(Image.fromarray, gray[1:])])
    write_mhd(source / "a_segmentation.mhd", TRUTH)  # a mask, no image
    return {
        "a_mhd": ".mhd",
        "b": ".mha",
        "a_nii_gz": ".nii.gz",
        "series": ".dcm",
        "enhanced": ".dcm",
        "sub/clip": ".mhd",
        "photo": ".png",
        "photo2": ".png",
        "photo3": ".png",
        "pages": "",
    }


def planes(path: Path) -> NDArray[Any]:
    """A mask (X, Y) of a picture, or (X, Y, Z) of a folder of pictures, as Pillow reads it."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = [np.asarray(Image.open(file)).T for file in files]
    return np.stack(found, axis=-1) if path.is_dir() else found[0]


def test_a_folder_with_one_of_each_format_is_segmented_by_one_command(tmp_path: Path, capsys: Any) -> None:
    expected = one_of_each_format(tmp_path / "in")
    assert segment(tmp_path, tmp_path / "in") == 0
    found = rows(tmp_path)
    assert set(found) == set(expected)
    assert {row["status"] for row in found.values()} == {"new"}
    out = tmp_path / "out"
    for name, suffix in expected.items():
        path = out / f"{name}_segmentation{suffix}"
        assert path.exists(), name
        if suffix in {".mhd", ".mha", ".nii.gz"}:
            np.testing.assert_array_equal(itk.array_from_image(itk.imread(str(path))).T, TRUTH)
        elif suffix == ".dcm":
            assert pydicom.dcmread(path).SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.4"
            assert hd.seg.segread(path).number_of_segments == 1
            image = tmp_path / "in" / {"series": "series", "enhanced": "enhanced.dcm"}[name]
            np.testing.assert_array_equal(read_segmentation(path, read_image(image)), TRUTH)
        else:
            np.testing.assert_array_equal(planes(path), TRUTH if path.is_dir() else TRUTH[..., 2])
    np.testing.assert_array_equal(np.asarray(nib.load(out / "a_nii_gz_segmentation.nii.gz").dataobj), TRUTH)
    said = capsys.readouterr().out
    assert f"Segmented {len(expected)} of {len(expected)}: {out}" in said
    assert str(out / "report" / "index.html") in said
    page = (out / "report" / "index.html").read_text()
    assert all((out / "report" / f"overlays/{name}.png").is_file() and name in page for name in found)
    weights = next((tmp_path / "runs").rglob("model.pt"))
    assert f"Network: {weights.parent.name} (weights&#39; SHA-256 {file_sha256(weights)[:12]})" in page
    volume = rows(tmp_path, "classes")["a_nii_gz"]
    assert float(volume["volume_ml"]) == pytest.approx(TRUTH.sum() * 0.5 * 0.7 * 3 / 1000, rel=1e-5)
    assert volume["components"] == "1"


@pytest.mark.parametrize("fault", ["nan", "constant", "truncated", "coloured"])
def test_a_bad_image_is_told_and_the_others_are_done(tmp_path: Path, capsys: Any, fault: str) -> None:
    source = tmp_path / "in"
    for name in ("A", "C"):
        write_mhd(source / f"{name}.mhd", IMAGE)
    bad, said = source / "B.mhd", {"nan": "NaN", "constant": "constant", "truncated": "truncated"}.get(fault)
    if fault == "coloured":
        bad, said = source / "B.png", "coloured"
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(bad)
    else:
        odd = IMAGE.astype(np.float32)
        odd[3, 3, 3] = np.nan if fault == "nan" else odd[3, 3, 3]
        odd = np.ones_like(odd) if fault == "constant" else odd
        raw = write_mhd(bad, odd).with_suffix(".raw")
        if fault == "truncated":
            raw.write_bytes(raw.read_bytes()[:-4])
    assert segment(tmp_path, source) == 3
    found = rows(tmp_path)
    assert [found[name]["status"] for name in "ABC"] == ["new", "failed", "new"]
    assert said in found["B"]["error"]
    assert "B." in found["B"]["error"]
    assert not list((tmp_path / "out").glob("B*"))
    captured = capsys.readouterr()
    assert f"not segmented: {found['B']['error']}" in captured.err
    assert "Segmented 2 of 3" in captured.out
    look = next(line for line in captured.out.splitlines() if line.startswith("Look at "))
    assert look.partition(": ")[0] in ("Look at 1 not segmented", "Look at 2 with a flag and 1 not segmented")


def test_finished_ones_are_skipped_and_what_changed_is_done_again(tmp_path: Path, capsys: Any) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    for name in ("A", "B"):
        nib.save(
            nib.Nifti1Image(IMAGE, np.eye(4)), (source / f"{name}.nii") if source.exists() else _made(source, name)
        )
    assert segment(tmp_path, source) == 0
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.nii.gz")}
    os.utime(source / "B.nii", ns=(1, 1))
    assert segment(tmp_path, source) == 0
    assert {name: row["status"] for name, row in rows(tmp_path).items()} == {"A": "before", "B": "new"}
    assert "Segmented 1 of 2, 1 done before" in capsys.readouterr().out
    assert (out / "A_segmentation.nii.gz").stat().st_mtime_ns == before[out / "A_segmentation.nii.gz"]
    assert segment(tmp_path, source, min_component_voxels=3, output_format="mhd") == 0  # other settings: all again
    assert {row["status"] for row in rows(tmp_path).values()} == {"new"}
    assert segment(tmp_path, source) == 0  # the files of the first call are still known to be inference's own
    assert not [path for path in out.rglob("*") if "tmp" in path.name]


def _made(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True)
    return folder / f"{name}.nii"


def test_masks_drawn_by_hand_are_never_overwritten(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    write_mhd(source / "A.mhd", IMAGE)
    write_mhd(source / "A_segmentation.mhd", TRUTH)
    assert "a folder of the inputs" in refused(tmp_path, source, output_dir=str(source))
    drawn = write_mhd(out / "A_segmentation.mhd", TRUTH)
    before = drawn.read_bytes()
    assert segment(tmp_path, source) == 3
    assert "inference did not write it" in rows(tmp_path)["A"]["error"]
    assert drawn.read_bytes() == before
    for path in out.glob("A_*"):
        path.unlink()
    assert segment(tmp_path, source) == 0
    with drawn.open("ab") as file:  # corrected by hand afterwards
        file.write(b"\n")
    before = drawn.read_bytes()
    assert segment(tmp_path, source) == 3
    assert "was changed since" in rows(tmp_path)["A"]["error"]
    assert drawn.read_bytes() == before


def test_a_killed_process_leaves_nothing_that_stops_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mhd(tmp_path / "in" / "A.mhd", IMAGE)
    segment(tmp_path, tmp_path / "in")
    out = tmp_path / "out"
    (out / "A_segmentation.mhd").unlink()  # as if it had ended between the moves of numbers and header
    assert segment(tmp_path, tmp_path / "in") == 0
    assert rows(tmp_path)["A"]["status"] == "new"
    assert (out / "A_segmentation.mhd").is_file()


HOLDS = """
import fcntl, os, sys, time
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.lockf(lock, fcntl.LOCK_EX)
os.write(lock, b"process 7 on somewhere")
print("held", flush=True)
time.sleep(1000)
"""


def test_a_folder_that_another_process_writes_into_is_refused_and_what_it_left_when_killed_removed(
    tmp_path: Path,
) -> None:
    write_mhd(tmp_path / "in" / "A.mhd", IMAGE)
    left = tmp_path / "out" / "sub" / ".inference.tmp-abc"
    left.mkdir(parents=True)
    (tmp_path / "out" / "report" / "records").mkdir(parents=True)
    line = [sys.executable, "-c", HOLDS, str(tmp_path / "out" / "report" / ".lock")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        try:
            said = refused(tmp_path, tmp_path / "in")
            assert "out is in use by process 7 on somewhere; wait for it, or" in said
            assert said.endswith("; wait for it, or choose another --output_dir")
            assert left.is_dir()
            assert not list((tmp_path / "out").glob("A*"))
        finally:
            other.kill()
    assert segment(tmp_path, tmp_path / "in") == 0
    assert not left.exists()
    assert holder(tmp_path / "out" / "report") is None


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nib_file = tmp_path / "in" / "A.nii"
    nib_file.parent.mkdir()
    nib.save(nib.Nifti1Image(IMAGE, np.eye(4)), nib_file)

    def full(image: Any, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    write_run(tmp_path / "runs")
    monkeypatch.setattr("scripts.inference.geometry_files.nib.save", full)
    assert "No space left on device" in refused(tmp_path, nib_file.parent)
    assert [name for name in written(tmp_path) if not name.startswith("report/overlays")] == ["report/.lock"]
    assert holder(tmp_path / "out" / "report") is None


def test_an_output_folder_that_cant_be_written_is_one_line(tmp_path: Path) -> None:
    write_mhd(tmp_path / "in" / "A.mhd", IMAGE)
    (tmp_path / "out").write_text("a file")
    assert "is a file" in refused(tmp_path, tmp_path / "in")
    assert "out" in refused(tmp_path, tmp_path / "in", output_dir=str(tmp_path / "out" / "below"))


def test_weights_that_are_not_finite_stop_it_before_anything_is_written(tmp_path: Path) -> None:
    write_mhd(tmp_path / "in" / "A.mhd", IMAGE)
    write_run(tmp_path / "runs", level=float("nan"))
    assert "finite (level)" in refused(tmp_path, tmp_path / "in")
    assert not (tmp_path / "out").exists()


def test_logits_that_are_not_finite_are_that_images_fault(tmp_path: Path) -> None:
    write_mhd(tmp_path / "in" / "A.mhd", IMAGE)
    write_run(tmp_path / "runs", level=3e38)  # finite, and 100 times it is not
    assert segment(tmp_path, tmp_path / "in") == 3
    error = rows(tmp_path)["A"]["error"]
    assert "A.mhd" in error
    assert "not finite" in error
    assert not list((tmp_path / "out").glob("A*"))


def test_what_the_run_says_is_taken_and_what_differs_is_refused(tmp_path: Path) -> None:
    write_mhd(tmp_path / "in" / "A.mhd", IMAGE)
    write_run(tmp_path / "runs", labels=["background", "nerve", "vessel"])
    assert "image_size is 64, of" in refused(tmp_path, tmp_path / "in", image_size=64)
    assert "pixel_spacing is 0.5, of" in refused(tmp_path, tmp_path / "in", pixel_spacing=0.5)
    assert segment(tmp_path, tmp_path / "in", image_size=16) == 0
    with (tmp_path / "out" / "report" / "classes.csv").open() as file:
        assert [row["class"] for row in csv.DictReader(file)] == ["nerve", "vessel"]


def test_wrong_names_and_weights_are_refused_in_one_line(tmp_path: Path) -> None:
    write_mhd(tmp_path / "in" / "A.mhd", IMAGE)
    run = write_run(tmp_path / "runs")
    assert "no run 'other'" in refused(tmp_path, tmp_path / "in", run_name="other")
    assert "does not exist" in refused(tmp_path, tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "no image under" in refused(tmp_path, tmp_path / "empty")
    assert "output_format must be one of" in refused(tmp_path, tmp_path / "in", output_format="jpg")
    torch.save({"weight": torch.zeros(1)}, run / "model.pt")
    assert "weights of another network" in refused(tmp_path, tmp_path / "in")
    (run / "model.pt").unlink()
    assert "no validation has taken place yet" in refused(tmp_path, tmp_path / "in")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("flips", "maybe", "flips must be true or false, got 'maybe'"),
        ("probabilities", 1, "probabilities must be true or false, got 1"),
        ("min_component_voxels", -3, "min_component_voxels must be a whole number >= 0, got -3"),
        ("min_component_voxels", 2.5, "min_component_voxels must be a whole number >= 0, got 2.5"),
        ("min_confidence", "x", "min_confidence must be a number from 0 to 1, got 'x'"),
        ("channel", "x", "channel must be null or a whole number >= 0, got 'x'"),
        ("channel", -1, "channel must be null or a whole number >= 0, got -1"),
        ("min_confidence", 75, "min_confidence must be a number from 0 to 1, got 75"),
    ],
)
def test_an_option_that_means_nothing_is_refused_before_anything_is_written(
    tmp_path: Path, option: str, value: Any, message: str
) -> None:
    write_mhd(tmp_path / "in" / "A.mhd", IMAGE)
    assert message in refused(tmp_path, tmp_path / "in", **{option: value})
    assert not (tmp_path / "out").exists()


def test_several_series_in_a_folder_are_listed_and_one_or_all_can_be_asked_for(tmp_path: Path) -> None:
    source = tmp_path / "in" / "scan"
    write_series(source, IMAGE, names=[f"a{z}.dcm" for z in range(5)])
    write_series(source, np.flip(IMAGE, 0), names=[f"b{z}.dcm" for z in range(5)])
    assert segment(tmp_path, source.parent) == 3
    error = rows(tmp_path)["scan"]["error"]
    assert "holds 2 series" in error
    assert "--series all" in error
    uids = [word.strip(",:") for word in error.replace("(", " ").split() if word.count(".") > 4 and "/" not in word]
    assert len(uids) == 2
    assert segment(tmp_path, source.parent, series="all", output_dir=str(tmp_path / "all")) == 0
    assert len(list((tmp_path / "all").glob("scan_*_segmentation.dcm"))) == 2
    assert segment(tmp_path, source.parent, series=uids[0], output_dir=str(tmp_path / "one")) == 0
    assert len(list((tmp_path / "one").glob("scan_*_segmentation.dcm"))) == 1
    assert "no DICOM series 1.2.3" in refused(tmp_path, source.parent, series="1.2.3", output_dir=str(tmp_path / "x"))


def test_runs_that_vote_have_the_mean_of_their_probabilities(tmp_path: Path) -> None:
    write_mhd(tmp_path / "in" / "A.mhd", IMAGE)
    for name, level in (("low", 0.2), ("high", 0.95)):
        write_run(tmp_path / "runs", name, level=level)
    write_run(tmp_path / "runs", "small", size=32)
    write_run(tmp_path / "runs", "spaced", pixel_spacing=0.5)
    assert segment(tmp_path, tmp_path / "in", run_name="low", ensemble=["high"], probabilities=True) == 0
    image = nib.load(tmp_path / "out" / "A_probabilities.nii.gz")
    found = np.asarray(image.dataobj)
    assert found.shape == (16, 16, 5, 2)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(found[..., 1][TRUTH == 0], 0, atol=1e-5)
    assert np.abs(found[..., 1][TRUTH == 1] - 0.5).min() < 0.01  # dim parts of the object: one run's vote of two
    assert "an ensemble is of runs that differ in" in refused(
        tmp_path, tmp_path / "in", run_name="low", ensemble=["small"]
    )
    assert "pixel_spacing of spaced is 0.5, of low None" in refused(
        tmp_path, tmp_path / "in", run_name="low", ensemble=["spaced"]
    )


def test_the_pixel_spacing_of_a_run_is_taken_and_may_be_given_again(tmp_path: Path) -> None:
    write_mhd(tmp_path / "in" / "A.mhd", np.pad(IMAGE, ((8, 8), (4, 4), (0, 0))))  # of 0.5 mm
    write_run(tmp_path / "runs", size=24, pixel_spacing=[0.5, 0.5])
    for given in ({}, {"pixel_spacing": [0.5, 0.5]}):
        assert segment(tmp_path, tmp_path / "in", **given) == 0
        mask = itk.array_from_image(itk.imread(str(tmp_path / "out" / "A_segmentation.mhd"))).T
        np.testing.assert_array_equal(mask, np.pad(TRUTH, ((8, 8), (4, 4), (0, 0))))


def test_a_published_model_brings_its_settings_and_another_ones_are_refused(tmp_path: Path) -> None:
    write_mhd(tmp_path / "in" / "A.mhd", IMAGE)
    run = write_run(tmp_path / "runs", labels=["background", "gland"])
    models = tmp_path / "models"
    models.mkdir()
    (models / "model.pt").write_bytes((run / "model.pt").read_bytes())
    settings = yaml.safe_load((run / "config.yaml").read_text())
    record = {
        "settings": settings,
        "sha256": file_sha256(models / "model.pt"),
        "training_shares": {"gland": [0.5, 0.6]},
    }
    (models / "model.json").write_text(json.dumps(record))
    given = {"run_name": None, "checkpoint": str(models / "model.pt")}
    assert segment(tmp_path, tmp_path / "in", **given) == 0
    assert rows(tmp_path, "classes")["A"]["class"] == "gland"
    assert "50.00% to 60.00% in the training" in rows(tmp_path)["A"]["flags"]
    torch.save({"level": torch.tensor(0.4)}, models / "model.pt")
    assert "is of other weights" in refused(tmp_path, tmp_path / "in", **given)


def test_names_that_no_mask_can_have_and_unread_formats_are_told(tmp_path: Path, capsys: Any) -> None:
    source = tmp_path / "in"
    for name in ("A", "x" * 232, "y" * 231):
        write_picture(source / f"{name}.png", (IMAGE[..., 2].T // 5).astype(np.uint8))
    for name in ("B.webp", "C.NRRD", "D_segmentation.webp", "notes.txt"):
        (source / name).write_bytes(b"x")
    assert segment(tmp_path, source) == 3
    found = rows(tmp_path)
    assert {name[:1]: row["status"] for name, row in found.items()} == {
        "A": "new", "x": "failed", "y": "new", "B": "failed", "C": "failed",
    }  # fmt: skip
    said = capsys.readouterr().err
    assert "x.png has a name of 232 bytes, too long for that of a mask; rename it" in said
    assert "B.webp is of a format that is not read; convert it" in said


def test_names_that_are_not_utf_8_or_move_a_terminal_are_reported(tmp_path: Path, capfd: Any) -> None:
    source = tmp_path / "in"
    write_picture(source / "A.png", (IMAGE[..., 2].T // 5).astype(np.uint8))
    (source / "A.png").rename(source / os.fsdecode(b"\xff\xfe.png"))
    (source / "B\x1b[31m.png").write_bytes(b"x")
    assert segment(tmp_path, source) == 3
    assert (tmp_path / "out" / os.fsdecode(b"\xff\xfe_segmentation.png")).is_file()
    assert sorted(rows(tmp_path)) == ["B\x1b[31m", "\\udcff\\udcfe"]
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert 'src="overlays/%FF%FE.png"' in page
    said = capfd.readouterr().err
    assert "\\x1b[31m.png is damaged" in said
    assert "\x1b[31m" not in said


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"files": [1]}',
        '{"files": null}',
        '{"files": {"a": 1}, "earlier": 5}',
        '{"earlier": {"A_segmentation.png": 5}}',
        '{"result": null}',
    ],
)
def test_a_record_that_is_none_is_as_if_there_were_none(tmp_path: Path, capsys: Any, text: str) -> None:
    source = tmp_path / "in"
    write_picture(source / "A.png", (IMAGE[..., 2].T // 5).astype(np.uint8))
    assert segment(tmp_path, source) == 0
    (tmp_path / "out" / "report" / "records" / "A.json").write_text(text)
    assert segment(tmp_path, source) == 3
    assert "A_segmentation.png exists and inference did not write it" in capsys.readouterr().err
    (tmp_path / "out" / "A_segmentation.png").unlink()
    assert segment(tmp_path, source) == 0


def test_axes_that_are_not_at_right_angles_get_no_metaimage(tmp_path: Path, capsys: Any) -> None:
    source = tmp_path / "in"
    planes = make_series(np.clip(IMAGE, 0, None).astype(np.uint16), FrameOfReferenceUID="")
    for z, plane in enumerate(planes):  # a tilted gantry
        plane.ImageOrientationPatient, plane.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0.8 * z, 3.0 * z]
        save(plane, source / "scan" / f"{z}.dcm")
    assert segment(tmp_path, source) == 0
    written = tmp_path / "out" / "scan_segmentation.nii.gz"
    np.testing.assert_array_equal(np.asarray(nib.load(written).dataobj), TRUTH)
    np.testing.assert_allclose(nib.load(written).affine, read_image(source / "scan").affine, atol=1e-4)
    assert segment(tmp_path, source, output_dir=str(tmp_path / "other"), output_format="mhd") == 3
    assert "its axes are not at right angles, which MetaImage can't tell" in capsys.readouterr().err
