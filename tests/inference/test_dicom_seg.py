"""DICOM segmentations: valid by dciodvfy, and read back by highdicom, dcmqi and our own reader voxel by voxel."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import highdicom as hd
import itk
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.sr.codedict import codes

from scripts.formats.dicom_segmentation import read_segmentation
from scripts.formats.reading import read_image
from scripts.inference import load_segmenter
from scripts.inference.segment_codes import every_code
from scripts.runs.provenance import bundle_version
from tests.dicom_files import make_enhanced, make_series, put_bytes, save, write_dicom, write_series
from tests.inference.images import bright_object, segment
from tests.inference.stub_run import write_run
from tests.workflows import ROOT

TRUTH, IMAGE = bright_object()
LABELS = ["background", "prostate", "left kidney"]


@pytest.fixture(params=["series", "enhanced", "one slice"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "enhanced":
        return save(make_enhanced(IMAGE), tmp_path / "enhanced.dcm")
    return write_series(tmp_path / "series", IMAGE if request.param == "series" else IMAGE[..., 2:3])


def written(tmp_path: Path, source: Path) -> tuple[Path, NDArray[np.uint8]]:
    """A segmentation that the stub network has made, and its mask (X, Y, Z)."""
    mask = load_segmenter(write_run(tmp_path / "runs", labels=LABELS))(source)
    return mask.save(tmp_path / "mask.dcm"), mask.array


def test_our_reader_gives_back_the_mask(tmp_path: Path, image: Path) -> None:
    path, mask = written(tmp_path, image)
    assert mask.any()
    np.testing.assert_array_equal(mask, TRUTH if mask.shape == TRUTH.shape else TRUTH[..., 2:3])
    np.testing.assert_array_equal(read_segmentation(path, read_image(image)), mask)


def test_each_segment_says_what_it_is_and_each_frame_what_it_was_drawn_on(tmp_path: Path, image: Path) -> None:
    path, mask = written(tmp_path, image)
    segmentation = hd.seg.segread(path)
    assert segmentation.SegmentationType == "BINARY"
    segments = [segmentation.get_segment_description(number) for number in (1, 2)]
    assert [each.SegmentLabel for each in segments] == LABELS[1:]
    assert [each.segmented_property_type.value for each in segments] == ["41216001", "64033007"]
    files = [image] if image.is_file() else sorted(image.iterdir())
    sources = {pydicom.dcmread(file).SOPInstanceUID: file for file in files}
    named = {uid for _, _, uid in segmentation.get_source_image_uids()}
    assert named <= set(sources)
    if image.is_dir():
        found = segmentation.get_pixels_by_source_instance(sorted(sources), combine_segments=True)
        volume = read_image(image)
        order = [uid for uid, _ in volume.frames]
        for plane, uid in zip(found, sorted(sources), strict=True):
            np.testing.assert_array_equal(plane.T, mask[..., order.index(uid)])
    one = pydicom.dcmread(files[0])
    for name in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert segmentation[name].value == one[name].value
    assert segmentation.SeriesInstanceUID != one.SeriesInstanceUID


def test_dciodvfy_finds_no_error(tmp_path: Path, image: Path) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy of Debian's dicom3tools is not installed")
    path, _ = written(tmp_path, image)
    done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False, timeout=60)
    assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")] == []


def test_an_empty_mask_is_a_valid_segmentation(tmp_path: Path) -> None:
    series = write_series(tmp_path / "series", IMAGE)
    mask = load_segmenter(write_run(tmp_path / "runs", level=2.0))(series)
    path = mask.save(tmp_path / "mask.dcm")
    assert not mask.array.any()
    assert not read_segmentation(path, read_image(series)).any()


def _dcmqi() -> Path:
    tool = shutil.which("segimage2itkimage") or shutil.which("segimage2itkimage", path=str(Path(sys.executable).parent))
    if tool is None:
        pytest.skip("segimage2itkimage of dcmqi is not installed (pip install dcmqi)")
    return Path(tool)


def read_by_dcmqi(path: Path, folder: Path) -> list[tuple[str, Any]]:
    """Each segment's label and its image, as dcmqi reads them."""
    folder.mkdir()
    line = [str(_dcmqi()), "--inputDICOM", str(path), "--outputDirectory", str(folder), "--outputType", "nrrd"]
    subprocess.run(line, check=True, capture_output=True, timeout=60)
    meta = json.loads((folder / "meta.json").read_text())
    segments = [segment for group in meta["segmentAttributes"] for segment in group]
    return [(each["SegmentLabel"], itk.imread(str(folder / f"{each['labelID']}.nrrd"), itk.UC)) for each in segments]


@pytest.mark.parametrize("kind", ["series", "enhanced"])
def test_dcmqi_reads_identical_voxels_in_identical_places(tmp_path: Path, kind: str) -> None:
    source = write_series(tmp_path / "series", IMAGE) if kind == "series" else tmp_path / "enhanced.dcm"
    if kind == "enhanced":
        save(make_enhanced(IMAGE), source)
    path, mask = written(tmp_path, source)
    compare_with_dcmqi(path, tmp_path / "dcmqi", mask, read_image(source).affine)


def compare_with_dcmqi(path: Path, folder: Path, mask: NDArray[np.uint8], affine: NDArray[np.float64] | None) -> None:
    """Compare where the voxels of the first segment lie; dcmqi may leave empty slices out and turn axes round."""
    assert affine is not None
    label, found = next(item for item in read_by_dcmqi(path, folder) if item[0] == "prostate")
    indices = np.argwhere(itk.array_from_image(found).T > 0)
    points = np.array([found.TransformIndexToPhysicalPoint([int(i) for i in index]) for index in indices])
    expected = (np.c_[np.argwhere(mask == 1), np.ones((mask == 1).sum())] @ affine.T)[:, :3] * [-1, -1, 1]
    assert label == "prostate"
    assert len(points) == len(expected)
    ours, theirs = (each[np.lexsort(np.round(each, 2).T)] for each in (points, expected))
    np.testing.assert_allclose(ours, theirs, atol=2e-2)


@pytest.mark.parametrize("case", ["ProstateX-0000", "ProstateX-0001"])
def test_a_real_series_gets_a_valid_segmentation_in_its_place(real_data: Path, tmp_path: Path, case: str) -> None:
    series = real_data / "prostatex" / case / "dicom"
    volume = read_image(series)
    mask = load_segmenter(write_run(tmp_path / "runs", size=list(volume.array.shape[:2])))(series)
    path = mask.save(tmp_path / "mask.dcm")
    np.testing.assert_array_equal(read_segmentation(path, volume), mask.array)
    if shutil.which("dciodvfy"):
        done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False, timeout=60)
        assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")] == []


def test_what_can_have_no_segmentation_gets_another_format_and_a_line_why(tmp_path: Path, capsys: Any) -> None:
    source = tmp_path / "in"
    write_dicom(source / "clip.dcm", np.ascontiguousarray(IMAGE.T.astype(np.uint16)))
    write_series(source / "scan", IMAGE)
    for number, plane in enumerate(make_series(IMAGE, FrameOfReferenceUID=None)):
        save(plane, source / "lost" / f"{number}.dcm")
    assert segment(tmp_path, source) == 0
    out = tmp_path / "out"
    assert sorted(path.name for path in out.glob("*_segmentation.*") if path.suffix != ".zraw") == [
        "clip_segmentation.mhd",
        "lost_segmentation.mhd",
        "scan_segmentation.dcm",
    ]
    said = capsys.readouterr().out
    assert "clip: written as MetaImage: its frames have no place in the patient" in said
    assert "lost: written as MetaImage: it has no frame of reference" in said
    assert segment(tmp_path, source / "clip.dcm", output_format="dicom_seg", output_dir=str(tmp_path / "o")) == 3


def change_series(folder: Path, change: Any) -> Path:
    for z, plane in enumerate(make_series(IMAGE)):
        change(plane, z)
        save(plane, folder / f"{z}.dcm")
    return folder


@pytest.mark.parametrize(
    ("name", "value", "vr"),
    [
        ("StudyDate", b"2020-01-01", "DA"),
        ("StudyDate", b"20201340", "DA"),
        ("StudyTime", b"12:30:00", "TM"),
        ("PatientBirthDate", b"1960", "DA"),
        ("PatientName", b"Some\\One", "PN"),
        ("SeriesNumber", b"x", "IS"),
        ("SeriesNumber", b"1\\2", "IS"),
        ("SpecificCharacterSet", b"", "CS"),
        ("SpecificCharacterSet", b"nonsense", "CS"),
        ("SliceThickness", b"", "DS"),
        ("SliceThickness", b"-3", "DS"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # of pydicom's, about the values
def test_an_odd_value_in_the_images_header_is_left_empty_in_a_segmentation_that_lies_in_its_place(
    tmp_path: Path, name: str, value: bytes, vr: str
) -> None:
    series = change_series(tmp_path / "series", lambda plane, _: put_bytes(plane, name, value, vr))
    path, mask = written(tmp_path, series)
    np.testing.assert_array_equal(read_segmentation(path, read_image(series)), mask)
    np.testing.assert_array_equal(mask, TRUTH)
    segmentation = hd.seg.segread(path)  # which refuses values that are not of the standard's form
    if name != "SliceThickness":
        assert not segmentation.get(name) or name in ("SeriesNumber", "SpecificCharacterSet")


def test_a_slice_without_a_thickness_is_as_thick_as_the_next_is_away(tmp_path: Path) -> None:
    def thin(header: Any) -> None:
        for group in [*header.SharedFunctionalGroupsSequence, *header.PerFrameFunctionalGroupsSequence]:
            for measures in group.get("PixelMeasuresSequence", ()):
                del measures[pydicom.tag.Tag("SliceThickness")]

    enhanced = make_enhanced(IMAGE)
    thin(enhanced)
    series = change_series(tmp_path / "series", lambda plane, _: plane.pop("SliceThickness"))
    for source in (save(enhanced, tmp_path / "enhanced.dcm"), series):
        path = load_segmenter(write_run(tmp_path / source.stem))(source).save(tmp_path / f"{source.stem}_mask.dcm")
        (measures,) = hd.seg.segread(path).SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
        assert float(measures.SliceThickness) == pytest.approx(3.0)


def test_a_name_in_a_character_set_of_japan_is_the_same_in_the_segmentation(tmp_path: Path) -> None:
    def japanese(plane: Any, _: int) -> None:
        plane.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        plane.PatientName = "Yamada^Tarou=山田^太郎"

    series = change_series(tmp_path / "series", japanese)
    assert pydicom.dcmread(next(series.iterdir())).PatientName == "Yamada^Tarou=山田^太郎"
    path, _ = written(tmp_path, series)
    assert pydicom.dcmread(path).PatientName == "Yamada^Tarou=山田^太郎"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda plane, _: setattr(plane, "SOPInstanceUID", "1.2.3"), "have no SOPInstanceUID of their own"),
        (lambda plane, z: z in (1, 3) and setattr(plane, "SOPInstanceUID", "1.2.3"), "no SOPInstanceUID of their own"),
        (lambda plane, _: plane.pop("SOPInstanceUID"), "have no SOPInstanceUID of their own"),
        (lambda plane, _: setattr(plane, "StudyInstanceUID", ""), "the image has no StudyInstanceUID"),
        (lambda plane, _: plane.pop("StudyInstanceUID"), "the image has no StudyInstanceUID"),
        (
            lambda plane, z: z == 2 and setattr(plane, "StudyInstanceUID", "1.2.3"),
            "must all be part of the same series",
        ),
        (lambda plane, _: setattr(plane, "SOPClassUID", "1.2.3"), "can't be written as a DICOM segmentation"),
    ],
)
def test_an_image_whose_names_make_no_segmentation_gets_another_format_and_a_line_why(
    tmp_path: Path, capsys: Any, change: Any, why: str
) -> None:
    source = change_series(tmp_path / "in", change)
    assert segment(tmp_path, source) == 0
    assert why in capsys.readouterr().out
    (mask,) = (tmp_path / "out").glob("*_segmentation.mhd")
    np.testing.assert_array_equal(itk.array_from_image(itk.imread(str(mask))).T, TRUTH)
    assert not list((tmp_path / "out").glob("*.dcm"))
    assert segment(tmp_path, source, output_format="dicom_seg", output_dir=str(tmp_path / "o")) == 3


def test_every_code_is_in_pydicoms_dictionary() -> None:
    known = {getattr(codes.SCT, name).value for name in codes.SCT.dir()}
    assert {code.value for code in every_code()} <= known
    assert bundle_version() == json.loads((ROOT / "configs" / "metadata.json").read_text())["version"]
