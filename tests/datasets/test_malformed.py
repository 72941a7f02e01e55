"""Every way that we know of in which data are subtly or grossly wrong: one line with file, fault and remedy at once."""

from __future__ import annotations

import gzip
import json
import resource
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.configuration.error_report import user_message
from scripts.datasets import (
    find_camvid,
    find_cityscapes,
    find_folder,
    find_nifti,
    find_promise12,
    find_trus,
    nifti_labels,
    prepare_dataset,
)
from scripts.formats.reading import read_image
from tests.dicom_files import make_series, save, write_dicom, write_frame_segmentation
from tests.synthetic import (
    random_picture,
    random_volume,
    write_camvid,
    write_cityscapes,
    write_decathlon,
    write_folder,
    write_mhd,
    write_nifti,
    write_picture,
    write_promise12,
)

TWO = ["background", "prostate"]
STREET = list("abcdefghijk")


def write_trus(folder: Path) -> Path:
    """Three patients with a file of many frames each, their masks DICOM-SEG."""
    for index in range(3):
        image, mask = random_volume(index)
        frames = np.ascontiguousarray(np.moveaxis(image, (0, 1, 2), (2, 1, 0)) // 8).astype(np.uint8)
        scan = write_dicom(folder / f"patient{index}" / "scan.dcm", frames, PatientID=f"P{index}")
        write_frame_segmentation(folder / f"patient{index}" / "scan_segmentation.dcm", mask, scan)
    return folder


BASES = {
    "promise12": (lambda root: write_promise12(root, 4), find_promise12, {"labels": TWO}),
    "folder": (write_folder, find_folder, {"labels": TWO, "in_channels": 3}),
    "nifti": (write_decathlon, find_nifti, {"labels": TWO}),
    "trus": (write_trus, find_trus, {"labels": TWO}),
    "camvid": (write_camvid, find_camvid, {"labels": STREET, "in_channels": 3, "ignore_index": 255}),
    "cityscapes": (write_cityscapes, find_cityscapes, {"labels": list(map(str, range(19))), "in_channels": 3}),
}


def header(name, **values):
    """Write Case01 again with other header lines."""

    def spoil(root):
        image, mask = random_volume(1)
        write_mhd(root / f"{name}.mhd", mask if "segmentation" in name else image, **values)

    return spoil


def truncate(name, length):
    def spoil(root):
        path = root / name
        data = path.read_bytes()
        path.write_bytes(data[:length])

    return spoil


def append(name):
    return lambda root: (root / name).write_bytes((root / name).read_bytes() + b"more")


def remove(name):
    return lambda root: (root / name).unlink()


def replace(name, text):
    return lambda root: (root / name).write_text(text)


def picture(name, make):
    return lambda root: write_picture(root / name, make())


def nifti(name, make, affine=None):
    return lambda root: write_nifti(root / name, make(), affine)


def volume(dtype, value):
    def make():
        array = random_volume(1)[0].astype(dtype)
        array[3, 3, 3] = value
        return array

    return make


def soft_mask(root):
    """A mask that was enlarged with interpolation."""
    mask = (
        Image.fromarray(random_picture(1)[1] * 200)
        .resize((10, 8), Image.Resampling.BICUBIC)
        .resize((40, 32), Image.Resampling.BICUBIC)
    )
    mask.save(root / "masks" / "p1.png")


def transparent():
    array = np.full((32, 40, 4), 128, dtype=np.uint8)
    array[0, 0, 3] = 0
    return array


def turned_by_exif(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    (root / "images" / "p1.png").unlink()
    Image.fromarray(random_picture(1)[0]).save(root / "images" / "p1.jpg", exif=exif)


def two_pages(root):
    page = Image.fromarray(random_picture(1)[0])
    page.save(root / "images" / "p1.png", save_all=True, append_images=[page.rotate(180)])


def unlike_pages(root):
    (root / "images" / "p1.png").unlink()
    page = Image.fromarray(random_picture(1)[0])
    page.save(root / "images" / "p1.tif", save_all=True, append_images=[page.resize((20, 16))])


def cmyk(root):
    (root / "images" / "p1.png").unlink()
    Image.new("CMYK", (40, 32)).save(root / "images" / "p1.jpg")


def palette_mask(root):
    mask = Image.fromarray(random_picture(1)[1] * 7)
    mask.putpalette(bytes(range(256)) * 3)
    mask.save(root / "masks" / "p1.png")


def nifti_header(offset, value):
    """Change bytes of an image's header."""

    def spoil(root):
        path = root / "imagesTr" / "v_001.nii.gz"
        data = bytearray(gzip.decompress(path.read_bytes()))
        data[offset : offset + len(value)] = value
        path.write_bytes(gzip.compress(bytes(data)))

    return spoil


def shorten_nifti(change):
    def spoil(root):
        path = root / "imagesTr" / "v_001.nii.gz"
        path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))

    return spoil


def scan(**tags):
    """Write the scan of patient 1 again with other tags."""

    def spoil(root):
        frames = np.ascontiguousarray(np.moveaxis(random_volume(1)[0], (0, 1, 2), (2, 1, 0)) // 8).astype(np.uint8)
        write_dicom(root / "patient1" / "scan.dcm", frames, **tags)

    return spoil


def colour_scan(root):
    frames = np.random.default_rng(0).integers(0, 256, (5, 32, 40, 3), dtype=np.uint8)
    path = write_dicom(root / "patient1" / "scan.dcm", frames)
    write_frame_segmentation(root / "patient1" / "scan_segmentation.dcm", random_volume(1)[1], path)


def series(spoil_planes):
    """Replace the scan of patient 1 by a series of single frames."""

    def spoil(root):
        (root / "patient1" / "scan.dcm").unlink()
        (root / "patient1" / "scan_segmentation.dcm").unlink()
        write_mhd(root / "patient1" / "scan_segmentation.mhd", random_volume(1)[1])
        planes = make_series(random_volume(1)[0].astype(np.uint16))
        spoil_planes(planes)
        for number, plane in enumerate(planes):
            save(plane, root / "patient1" / "scan" / f"{number}.dcm")

    return spoil


def frames_missing(root):
    path = root / "patient1" / "scan_segmentation.dcm"
    path.unlink()
    for z in (0, 1, 3, 4):
        write_picture(path.with_suffix("") / f"{z}.png", random_volume(1)[1][:, :, z].T)


def foreign_segmentation(root):
    shutil.copy(root / "patient0" / "scan_segmentation.dcm", root / "patient1" / "scan_segmentation.dcm")


def one_person_in_two_folders(root):
    for index in (0, 1):
        image, mask = random_volume(index)
        frames = np.ascontiguousarray(np.moveaxis(image, (0, 1, 2), (2, 1, 0)) // 8).astype(np.uint8)
        path = write_dicom(root / f"patient{index}" / "scan.dcm", frames, PatientID="SAME")
        write_frame_segmentation(root / f"patient{index}" / "scan_segmentation.dcm", mask, path)


def split(content):
    return lambda root: (root / "split.json").write_text(content if isinstance(content, str) else json.dumps(content))


NAMES = [f"p{i}" for i in range(4)]
CITY = "cityscapes", "leftImg8bit/val/lindau/lindau_000000_000019_leftImg8bit.png"
GT = "gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png"

FAULTS = {
    # base, what is done, words of the message: file, fault, remedy
    "raw truncated": ("promise12", truncate("Case01.raw", 100), ["Case01.raw is truncated", "copy it again"]),
    "raw too long": ("promise12", append("Case01.raw"), ["Case01.raw is too long", "copy it again"]),
    "raw missing": ("promise12", remove("Case01.raw"), ["Case01.raw does not exist", "copy it"]),
    "zraw damaged": ("promise12", truncate("Case01_segmentation.zraw", 30), ["Case01_segmentation.zraw is truncated"]),
    "element type wrong": ("promise12", header("Case01", ElementType="MET_FLOAT"), ["Case01.raw is truncated"]),
    "element type unknown": ("promise12", header("Case01", ElementType="MET_X"), ["Case01.mhd", "convert it"]),
    "no spacing": ("promise12", header("Case01", ElementSpacing=None), ["Case01.mhd has no ElementSpacing", "write"]),
    "data file outside": ("promise12", header("Case01", ElementDataFile="../Case01.raw"), ["Case01.mhd", "leaves"]),
    "data file absolute": ("promise12", header("Case01", ElementDataFile="/etc/passwd"), ["Case01.mhd", "leaves"]),
    "absurd DimSize": (
        "promise12",
        header("Case01", DimSize="99999 99999 9999"),
        ["Case01.mhd says its size", "correct its header"],
    ),
    "header is binary": ("promise12", lambda r: (r / "Case01.mhd").write_bytes(b"\0" * 99), ["Case01.mhd is not a"]),
    "header is empty": ("promise12", truncate("Case01.mhd", 0), ["Case01.mhd has no NDims", "write"]),
    "mask of other spacing": (
        "promise12",
        header("Case01_segmentation", ElementSpacing="0.5 0.5 4"),
        ["Case01_segmentation.mhd: its spacing", "export"],
    ),
    "mask of other origin": (
        "promise12",
        header("Case01_segmentation", Offset="0 0 9"),
        ["Case01_segmentation.mhd: its origin", "export"],
    ),
    "mask of other direction": (
        "promise12",
        header("Case01_segmentation", TransformMatrix="1 0 0 0 0.8 0.6 0 -0.6 0.8"),
        ["Case01_segmentation.mhd: its direction", "export"],
    ),
    "mask missing": ("promise12", remove("Case01_segmentation.mhd"), ["Case01.mhd has no mask", "add it"]),
    "image missing": ("promise12", remove("Case01.mhd"), ["Case01_segmentation.mhd has no image", "add it"]),
    "no case": ("promise12", lambda r: [p.unlink() for p in r.iterdir()], ["no PROMISE12 case", "docs/datasets.md"]),
    "NaN in MHD": ("promise12", lambda r: write_mhd(r / "Case01.mhd", volume("float32", np.nan)()), ["NaN", "repair"]),
    "constant image": (
        "promise12",
        lambda r: write_mhd(r / "Case01.mhd", np.ones((40, 32, 5), dtype=np.int16)),
        ["Case01.mhd is constant", "replace"],
    ),
    "label outside the table": (
        "promise12",
        lambda r: write_mhd(r / "Case01_segmentation.mhd", random_volume(1)[1] * 3),
        ["Case01_segmentation.mhd holds the value(s) 3", "correct"],
    ),
    "all masks empty": (
        "promise12",
        lambda r: write_promise12(r, 4, empty=(0, 1, 2, 3)),
        ["no mask of toy holds the class 1 (prostate)", "correct"],
    ),
    "PNG truncated": ("folder", truncate("images/p1.png", 900), ["images/p1.png is damaged", "copy"]),
    "PNG empty": ("folder", truncate("images/p1.png", 0), ["images/p1.png", "copy"]),
    "PNG is text": ("folder", replace("masks/p1.png", "hello"), ["masks/p1.png is damaged or no picture", "copy"]),
    "mask truncated": ("folder", truncate("masks/p1.png", 60), ["masks/p1.png is damaged", "copy"]),
    "mask interpolated": ("folder", soft_mask, ["masks/p1.png", "interpolated", "export it unsmoothed"]),
    "mask is 0 and 255": (
        "folder",
        picture("masks/p1.png", lambda: random_picture(1)[1] * 255),
        ["masks/p1.png holds the value(s) 255", "correct the mask"],
    ),
    "mask is coloured": (
        "folder",
        picture("masks/p1.png", lambda: random_picture(1)[0]),
        ["masks/p1.png is coloured", "give a table of its colours"],
    ),
    "mask of 16 bits": (
        "folder",
        picture("masks/p1.png", lambda: random_picture(1)[1].astype(np.uint16) * 300),
        ["masks/p1.png holds the value(s) 300"],
    ),
    "mask with other palette indices": ("folder", palette_mask, ["masks/p1.png holds the value(s) 7"]),
    "mask of other size": (
        "folder",
        picture("masks/p1.png", lambda: random_picture(1, (32, 40))[1]),
        ["masks/p1.png: its size 32 40 1 is not that of its image, 40 32 1", "export"],
    ),
    "mask is JPEG": (
        "folder",
        lambda r: (r / "masks" / "p1.png").rename(r / "masks" / "p1.jpg"),
        ["masks/p1.jpg is a JPEG", "export the mask as PNG"],
    ),
    "picture without mask": ("folder", remove("masks/p1.png"), ["images/p1.png has no mask", "add it"]),
    "mask without picture": ("folder", remove("images/p1.png"), ["masks/p1.png has no image", "add it"]),
    "one stem twice": ("folder", picture("images/p1.tif", lambda: random_picture(9)[0]), ["p1.tif", "keep one"]),
    "no masks folder": ("folder", lambda r: shutil.rmtree(r / "masks"), ["masks is not a folder", "docs/datasets.md"]),
    "no images folder": ("folder", lambda r: shutil.rmtree(r / "images"), ["images is not a folder", "docs"]),
    "transparent": ("folder", picture("images/p1.png", transparent), ["images/p1.png is partly transparent", "export"]),
    "turned by EXIF": ("folder", turned_by_exif, ["images/p1.jpg is turned by its EXIF orientation", "save it again"]),
    "several pages": ("folder", two_pages, ["images/p1.png holds 2 pictures", "write one per file"]),
    "unlike pages": ("folder", unlike_pages, ["images/p1.tif: page 2 differs from the first in size or kind"]),
    "CMYK": ("folder", cmyk, ["images/p1.jpg is a picture of mode CMYK", "export it as gray or RGB"]),
    "picture constant": (
        "folder",
        picture("images/p1.png", lambda: np.full((32, 40), 9, dtype=np.uint8)),
        ["images/p1.png is constant", "replace"],
    ),
    "NIfTI truncated": (
        "nifti",
        truncate("imagesTr/v_001.nii.gz", 700),
        ["v_001.nii.gz is truncated", "copy it again"],
    ),
    "NIfTI short inside": ("nifti", shorten_nifti(lambda d: d[:-50]), ["v_001.nii.gz is truncated", "copy it again"]),
    "NIfTI long inside": ("nifti", shorten_nifti(lambda d: d + b"x"), ["v_001.nii.gz is too long", "copy it again"]),
    "NIfTI cut in header": ("nifti", shorten_nifti(lambda d: d[:200]), ["v_001.nii.gz is no NIfTI", "copy"]),
    "NIfTI is text": ("nifti", replace("imagesTr/v_001.nii.gz", "hi"), ["v_001.nii.gz is no NIfTI", "copy"]),
    "NIfTI absurd size": ("nifti", nifti_header(42, b"\xff\x7f" * 3), ["v_001.nii.gz says its size", "correct"]),
    "NIfTI other type": ("nifti", nifti_header(70, b"\x10\x00\x20\x00"), ["v_001.nii.gz is truncated", "copy"]),
    "NIfTI without spacing": ("nifti", nifti_header(80, b"\0" * 12), ["v_001.nii.gz has no spacing", "write it"]),
    "NIfTI of complex numbers": (
        "nifti",
        nifti("imagesTr/v_001.nii.gz", lambda: random_volume(1)[0].astype(np.complex64)),
        ["v_001.nii.gz holds numbers of type complex64", "convert"],
    ),
    "NIfTI with channels": (
        "nifti",
        nifti("imagesTr/v_001.nii.gz", lambda: np.stack([random_volume(1)[0]] * 2, axis=-1)),
        ["v_001.nii.gz has 2 channels", "choose one by --cases::channel"],
    ),
    "NIfTI with NaN": ("nifti", nifti("imagesTr/v_001.nii.gz", volume("float32", np.nan)), ["NaN", "repair"]),
    "NIfTI mask interpolated": (
        "nifti",
        nifti("labelsTr/v_001.nii.gz", lambda: np.linspace(0, 1, 6400, dtype=np.float32).reshape(40, 32, 5)),
        ["labelsTr/v_001.nii.gz", "interpolated", "export it unsmoothed"],
    ),
    "NIfTI mask elsewhere": (
        "nifti",
        nifti("labelsTr/v_001.nii.gz", lambda: random_volume(1)[1], np.diag([0.5, 0.5, 4, 1])),
        ["labelsTr/v_001.nii.gz: its spacing", "export"],
    ),
    "NIfTI mask missing": ("nifti", remove("labelsTr/v_001.nii.gz"), ["imagesTr/v_001.nii.gz has no mask", "add it"]),
    "dataset.json broken": ("nifti", replace("dataset.json", "{"), ["dataset.json is no readable JSON", "remove it"]),
    "dataset.json lists more": (
        "nifti",
        replace("dataset.json", '{"labels": {"0": "a", "1": "b"}, "training": ["./imagesTr/none.nii.gz"]}'),
        ["none.nii.gz is listed in dataset.json", "copy it"],
    ),
    "dataset.json with odd labels": (
        "nifti",
        replace("dataset.json", '{"labels": {"a": "b"}}'),
        ["dataset.json: 'labels' must map values to names", "correct"],
    ),
    "DICOM cut in header": ("trus", truncate("patient1/scan.dcm", 500), ["patient1/scan.dcm", "cut short", "copy"]),
    "DICOM cut in pixels": ("trus", truncate("patient1/scan.dcm", 4000), ["patient1/scan.dcm", "truncated", "copy"]),
    "DICOM empty": ("trus", truncate("patient1/scan.dcm", 0), ["patient1/scan.dcm is no DICOM file", "copy"]),
    "DICOM frames missing": ("trus", scan(NumberOfFrames=9), ["patient1/scan.dcm is truncated", "copy"]),
    "DICOM absurd frames": ("trus", scan(NumberOfFrames=9_000_000), ["patient1/scan.dcm says its size", "correct"]),
    "DICOM coloured": ("trus", colour_scan, ["patient1/scan.dcm is coloured", "set --in_channels 3"]),
    "DICOM slice missing": ("trus", series(lambda p: p.pop(2)), ["patient1/scan: slices are missing", "copy"]),
    "DICOM mixed series": (
        "trus",
        series(lambda p: setattr(p[2], "SeriesInstanceUID", "1.2.3")),
        ["patient1/scan/2.dcm is of another series", "keep one series a folder"],
    ),
    "DICOM two time points": (
        "trus",
        series(lambda p: p.append(p[0])),
        ["scan: two of its slices", "keep one"],
    ),
    "DICOM-SEG of another image": (
        "trus",
        foreign_segmentation,
        ["patient1/scan_segmentation.dcm was drawn on another image"],
    ),
    "DICOM-SEG cut": ("trus", truncate("patient1/scan_segmentation.dcm", 600), ["scan_segmentation.dcm", "cut short"]),
    "mask frame missing": ("trus", frames_missing, ["scan_segmentation has no picture of frame 2", "add it"]),
    "scan without mask": ("trus", remove("patient1/scan_segmentation.dcm"), ["scan.dcm has no mask", "add it"]),
    "mask without scan": ("trus", remove("patient1/scan.dcm"), ["scan_segmentation.dcm has no scan", "add it"]),
    "one person in two folders": ("trus", one_person_in_two_folders, ["one PatientID", "keep them in one folder"]),
    "CamVid mask of another table": (
        "camvid",
        picture("valannot/0016E5_val1.png", lambda: random_picture(1, (48, 36), 13)[1]),
        ["valannot/0016E5_val1.png holds the value(s) 12", "correct"],
    ),
    "CamVid mask missing": ("camvid", remove("valannot/0016E5_val1.png"), ["0016E5_val1.png has no mask", "add it"]),
    "CamVid no train part": (
        "camvid",
        lambda r: [shutil.rmtree(r / name) for name in ("train", "trainannot")],
        ["no case is in the official part 'train'", "check"],
    ),
    "CamVid same image in two parts": (
        "camvid",
        lambda r: shutil.copy(r / "train" / "0016E5_train0.png", r / "val" / "0016E5_val1.png"),
        ["the same image is in several parts", "keep it in one"],
    ),
    "Cityscapes mask missing": ("cityscapes", remove(GT), ["_leftImg8bit.png has no mask: expected", "add it"]),
    "Cityscapes image missing": ("cityscapes", remove(CITY[1]), ["_labelIds.png has no image: expected", "add it"]),
    "Cityscapes without gtFine": ("cityscapes", lambda r: shutil.rmtree(r / "gtFine"), ["is not a folder", "docs"]),
    "Cityscapes colour mask": (
        "cityscapes",
        picture(GT, lambda: random_picture(1, (136, 68))[0]),
        ["_labelIds.png is coloured", "an index mask"],
    ),
    "split is no JSON": ("folder", split("{"), ["split.json is no readable JSON", "write"]),
    "split names a stranger": ("folder", split({"train": [*NAMES, "q"]}), ["split.json: 'q' is neither", "correct"]),
    "split forgets one": ("folder", split({"train": NAMES[:3]}), ["split.json forgets the case 'p3'", "put"]),
    "split names one twice": ("folder", split({"train": NAMES, "val": ["p0"]}), ["'p0' stands in it twice", "leave"]),
    "split of other parts": ("folder", split({"training": NAMES}), ["split.json: a split has the parts", "correct"]),
    "split trains on nothing": ("folder", split({"val": NAMES}), ["split.json: its part 'train' is empty", "put"]),
}


@pytest.fixture(scope="module", autouse=True)
def _itk_is_loaded(tmp_path_factory):
    """Its modules take seconds, once in a process, whatever is read."""
    path = write_mhd(tmp_path_factory.mktemp("itk") / "a.mhd", random_volume(0)[0])
    read_image(path)


def test_there_are_more_than_sixty():
    assert len(FAULTS) >= 60


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_the_fault_is_told_in_one_line_at_once_and_leaves_nothing(tmp_path, fault):
    base, spoil, words = FAULTS[fault]
    write, find, settings = BASES[base]
    root = write(tmp_path / "data")
    spoil(root)
    settings = {"name": "toy", "image_size": 32, "num_folds": 3, "prepared_dir": tmp_path / "out"} | settings
    if base == "cityscapes":
        settings["ignore_index"] = 255
    if (root / "split.json").is_file():
        settings["split_file"] = root / "split.json"
    memory, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        prepare_dataset(find(root), **settings)
    assert time.process_time() - start < 30  # it takes a tenth of a second; the limit is for slow machines
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 100_000  # kB
    message = user_message(error.value)
    assert message is not None, "a user would see a traceback"
    assert message == str(error.value), "more than one line"
    for word in words:
        assert word in message
    assert not [path for path in tmp_path.glob("out/*") if path.is_dir()]


def test_a_broken_image_in_the_middle_of_many_is_named(tmp_path):
    root = write_folder(tmp_path / "data", 120)
    path = root / "images" / "p60.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"images/p60\.png is damaged"):
        prepare_dataset(
            find_folder(root), name="toy", labels=TWO, image_size=32, in_channels=3, prepared_dir=tmp_path / "out"
        )


def test_labels_can_not_be_counted_in_a_mask_that_is_none(tmp_path):
    root = write_decathlon(tmp_path)
    write_nifti(root / "labelsTr" / "v_001.nii.gz", random_volume(1)[0])
    with pytest.raises(ValueError, match=r"v_001\.nii\.gz is no mask"):
        nifti_labels(root)


def test_without_a_fault_each_of_them_is_prepared(tmp_path):
    for base, (write, find, settings) in BASES.items():
        root = write(tmp_path / base)
        extra = {"ignore_index": 255} if base == "cityscapes" else {}
        settings = (
            {"name": "toy", "image_size": 136, "num_folds": 3, "prepared_dir": tmp_path / "out"} | settings | extra
        )
        assert prepare_dataset(find(root), **settings).case_names
