from __future__ import annotations

import shutil

import itk
import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from scripts.datasets import Case, MetaImageReader
from scripts.datasets.pairs import read_pair
from scripts.formats.dicom_image import dicom_depth, read_dicom
from scripts.formats.reading import read_mask
from tests.dicom_files import (
    calibrated_region,
    make_dicom,
    make_series,
    save,
    write_dicom,
    write_frame_segmentation,
    write_segmentation,
    write_series,
)
from tests.synthetic import random_volume

LABELS = ["background", "prostate"]
BYTES = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
RAMP = bytes(range(128)) * 36  # three frames of 48 x 32


def smooth_frames(colour, num_frames=3):
    """Frames that JPEG changes by little: slow ramps, each frame brighter."""
    x, y = np.meshgrid(np.arange(48), np.arange(32))
    frames = np.stack([x * 2 + y * 2 + 20 * f for f in range(num_frames)]).astype(np.uint8)
    return np.stack([frames, frames // 2, 255 - frames], axis=-1) if colour else frames


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("syntax", ["raw", "rle", "jpeg", "jpeg2000", "jpegls"])
def test_frames_of_every_syntax_are_read_x_first_in_rgb(tmp_path, syntax, colour):
    frames = smooth_frames(colour)
    volume = read_dicom(write_dicom(tmp_path / "a.dcm", frames, syntax=syntax))
    expected = np.moveaxis(frames, (0, 1, 2), (2, 1, 0))
    assert volume.array.shape == expected.shape
    tolerance = 6 if syntax == "jpeg" else 0  # the one with loss
    assert np.abs(volume.array.astype(int) - expected).max() <= tolerance
    assert volume.affine is None
    assert [number for _, number in volume.frames] == [1, 2, 3]


def test_lossless_jpeg_is_read_where_gdcm_is_installed(tmp_path):
    gdcm = pytest.importorskip("gdcm")
    frames = smooth_frames(False)
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(write_dicom(tmp_path / "a.dcm", frames)))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(tmp_path / "b.dcm"))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    found = read_dicom(tmp_path / "b.dcm").array
    np.testing.assert_array_equal(np.moveaxis(found, (0, 1, 2), (2, 1, 0)), frames)


def test_spacing_comes_from_the_calibrated_region_or_the_pixel_spacing(tmp_path):
    frames = smooth_frames(False)
    region = write_dicom(tmp_path / "a.dcm", frames, SequenceOfUltrasoundRegions=calibrated_region(0.0125))
    assert read_dicom(region).spacing == pytest.approx((0.125, 0.125))
    assert read_dicom(write_dicom(tmp_path / "b.dcm", frames, PixelSpacing=[0.3, 0.2])).spacing == (0.2, 0.3)
    assert read_dicom(write_dicom(tmp_path / "c.dcm", frames)).spacing is None


def test_where_pixels_of_an_ultrasound_image_have_several_sizes_none_is_taken(tmp_path):
    frames = smooth_frames(False)
    both = [*calibrated_region(0.0125), *calibrated_region(0.01)]
    found = read_dicom(write_dicom(tmp_path / "a.dcm", frames, SequenceOfUltrasoundRegions=both))
    assert found.spacing is None
    assert found.notes == ("its parts have several scales, so that the size of its pixels is unknown",)
    same = write_dicom(tmp_path / "b.dcm", frames, SequenceOfUltrasoundRegions=calibrated_region(0.01) * 2)
    assert read_dicom(same).spacing == pytest.approx((0.1, 0.1))
    uid = "1.2.3"
    for number, delta in enumerate((0.01, 0.02)):
        region = calibrated_region(delta)
        tags = {"SeriesInstanceUID": uid, "InstanceNumber": number + 1, "SequenceOfUltrasoundRegions": region}
        write_dicom(tmp_path / f"series/{number}.dcm", frames[:1], **tags, FrameOfReferenceUID=uid)
    with pytest.raises(ValueError, match=r"1\.dcm: its pixels have another spacing than the first file's"):
        read_dicom(tmp_path / "series")


@pytest.mark.parametrize("delta", [1e300, 1e-300])
def test_a_scale_of_ultrasound_beyond_all_measure_is_refused(tmp_path, delta):
    path = write_dicom(tmp_path / "a.dcm", smooth_frames(False), SequenceOfUltrasoundRegions=calibrated_region(delta))
    with pytest.raises(ValueError, match=r"PhysicalDeltaX .* not 1e-06 to 1e\+06 mm"):
        read_dicom(path)


def test_a_series_is_ordered_by_position_and_placed_as_itk_places_it(tmp_path):
    image = random_volume(1)[0].astype(np.uint16)
    folder = write_series(tmp_path / "series", image)
    volume = read_dicom(folder)
    np.testing.assert_array_equal(volume.array, image)
    assert volume.spacing == pytest.approx((0.5, 0.7, 3.0))
    names = itk.GDCMSeriesFileNames.New()
    names.SetDirectory(str(folder))
    reader = itk.ImageSeriesReader[itk.Image[itk.F, 3]].New()
    reader.SetFileNames(names.GetFileNames(names.GetSeriesUIDs()[0]))
    reader.SetImageIO(itk.GDCMImageIO.New())
    reader.Update()
    theirs = reader.GetOutput()
    np.testing.assert_array_equal(itk.array_from_image(theirs).T, image)
    for index in ([0, 0, 0], [7, 3, 4]):
        lps = np.array(theirs.TransformIndexToPhysicalPoint(index))
        np.testing.assert_allclose((volume.affine @ [*index, 1])[:3], lps * [-1, -1, 1], atol=1e-4)


@pytest.mark.parametrize(
    "times",
    [
        {"AcquisitionTime": ["100000.5", "100000.7", "100000.6"]},
        {"InstanceNumber": [1, 3, 2]},
        {"SliceLocation": [-3, 9, 3]},
    ],
)
def test_frames_without_a_position_are_ordered_by_their_own_place_time_or_number(tmp_path, times):
    frames = smooth_frames(False)
    uid = make_dicom(frames).SeriesInstanceUID
    for index in range(3):  # written first, third, second
        tags = {name: values[index] for name, values in times.items()} | {"SeriesInstanceUID": uid}
        frame = frames[[0, 2, 1][index]][np.newaxis]
        write_dicom(tmp_path / f"{index}.dcm", frame, **({"InstanceNumber": None} | tags))
    np.testing.assert_array_equal(np.moveaxis(read_dicom(tmp_path).array, (0, 1, 2), (2, 1, 0)), frames)


def test_frames_of_one_file_are_ordered_by_their_own_positions(tmp_path):
    frames = smooth_frames(False)
    groups = []
    for height in (0.0, 6.0, 3.0):
        group, position = Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, height]
        group.PlanePositionSequence = [position]
        groups.append(group)
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, orientation.ImageOrientationPatient = [0.5, 0.5], [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    tags = {"PerFrameFunctionalGroupsSequence": groups, "SharedFunctionalGroupsSequence": [shared]}
    volume = read_dicom(write_dicom(tmp_path / "a.dcm", frames, **tags))
    np.testing.assert_array_equal(volume.array[:, :, 1], frames[2].T)
    assert volume.spacing == (0.5, 0.5, 3.0)
    # A mask without positions has its frames in the order of the file.
    mask = write_dicom(tmp_path / "m.dcm", frames)
    np.testing.assert_array_equal(read_mask(mask, volume, coloured=False).array, volume.array)


def test_depth_inversion_and_rescaling(tmp_path):
    frames = smooth_frames(False)
    assert dicom_depth(write_dicom(tmp_path / "a.dcm", frames)) == 8
    assert dicom_depth(write_dicom(tmp_path / "b.dcm", frames.astype(np.uint16))) == 16
    path = write_dicom(tmp_path / "c.dcm", frames, RescaleSlope=0.5, RescaleIntercept=-10)
    assert dicom_depth(path) == 16
    np.testing.assert_allclose(read_dicom(path).array, np.moveaxis(frames, (0, 1, 2), (2, 1, 0)) * 0.5 - 10)
    turned = read_dicom(write_dicom(tmp_path / "d.dcm", frames, PhotometricInterpretation="MONOCHROME1")).array
    np.testing.assert_array_equal(turned, np.moveaxis(255 - frames, (0, 1, 2), (2, 1, 0)))


# ---- masks ----------------------------------------------------------------------------------------------------------


def write_nifti(path, array, affine):
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


@pytest.mark.parametrize("kind", ["seg", "dicom", "nifti", "turned nifti", "mhd", "png"])
def test_a_mask_of_every_format_lies_on_its_series(tmp_path, kind):
    image, mask = random_volume(2)
    folder = write_series(tmp_path / "scan", image.astype(np.uint16))
    affine = read_dicom(folder).affine
    if kind == "seg":
        label = write_segmentation(tmp_path / "m.dcm", mask, sorted(folder.iterdir(), reverse=True))
    elif kind == "dicom":
        label = write_series(tmp_path / "m", mask)
    elif kind == "nifti":
        label = write_nifti(tmp_path / "m.nii.gz", mask, affine)
    elif kind == "turned nifti":  # as dcm2niix writes it: rows from the bottom up
        flip = np.diag([1.0, -1.0, 1.0, 1.0])
        flip[1, 3] = mask.shape[1] - 1
        label = write_nifti(tmp_path / "m.nii", mask[:, ::-1], affine @ flip)
    elif kind == "mhd":
        picture = itk.image_from_array(np.ascontiguousarray(mask.T))
        lps = np.diag([-1, -1, 1, 1]) @ affine
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        picture.SetSpacing(spacing.tolist())
        picture.SetOrigin(lps[:3, 3].tolist())
        picture.SetDirection(itk.matrix_from_array(lps[:3, :3] / spacing))
        label = tmp_path / "m.mhd"
        itk.imwrite(picture, str(label))
        MetaImageReader()  # loads ITK's modules
    else:
        from PIL import Image

        label = tmp_path / "m"
        label.mkdir()
        for z in range(mask.shape[2]):
            Image.fromarray(mask[:, :, z].T.copy()).save(label / f"frame_{z}.png")
    pair = read_pair(Case("a", str(folder), str(label), "a"), LABELS, None)
    np.testing.assert_array_equal(pair.label, mask)
    np.testing.assert_array_equal(pair.image[0], image)


def test_a_segmentation_of_a_file_of_many_frames_leaves_out_the_empty_ones(tmp_path):
    frames = smooth_frames(False, num_frames=4)
    mask = np.zeros((48, 32, 4), dtype=np.uint8)
    mask[4:9, 5:20, 1:3] = 1
    image = write_dicom(tmp_path / "a.dcm", frames, PixelSpacing=[0.2, 0.2])
    label = write_frame_segmentation(tmp_path / "m.dcm", mask, image)
    np.testing.assert_array_equal(read_pair(Case("a", str(image), str(label), "a"), LABELS, None).label, mask)


def test_a_segmentation_of_another_image_is_refused(tmp_path):
    frames = smooth_frames(False)
    first, second = (write_dicom(tmp_path / f"{n}.dcm", frames) for n in "ab")
    label = write_frame_segmentation(tmp_path / "m.dcm", np.ones((48, 32, 3), dtype=np.uint8), first)
    with pytest.raises(ValueError, match=r"m\.dcm was drawn on another image"):
        read_pair(Case("a", str(second), str(label), "a"), LABELS, None)


def test_a_segmentation_that_names_no_frame_is_placed_by_position(tmp_path):
    image, mask = random_volume(2)
    folder = write_series(tmp_path / "scan", image.astype(np.uint16))
    path = write_segmentation(tmp_path / "m.dcm", mask, sorted(folder.iterdir(), reverse=True))
    ds = pydicom.dcmread(path)
    for group in ds.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence
    ds.save_as(path)
    np.testing.assert_array_equal(read_pair(Case("a", str(folder), str(path), "a"), LABELS, None).label, mask)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"PerFrameFunctionalGroupsSequence": []}, "has 3 frames and describes 0"),
        (
            {"SegmentationType": "FRACTIONAL", "PixelData": RAMP, "MaximumFractionalValue": 127} | BYTES,
            "holds fractions of a segment, such as 1 of 127; threshold it",
        ),
        ({"Rows": 24, "Columns": 64}, "its size 64 x 24 is not that of its image, 48 x 32"),
    ],
)
def test_a_faulty_segmentation_is_refused(tmp_path, tags, message):
    image = write_dicom(tmp_path / "a.dcm", smooth_frames(False))
    label = write_frame_segmentation(tmp_path / "m.dcm", np.ones((48, 32, 3), dtype=np.uint8), image, **tags)
    with pytest.raises(ValueError, match=message):
        read_pair(Case("a", str(image), str(label), "a"), LABELS, None)


# ---- faults ---------------------------------------------------------------------------------------------------------


def test_a_file_cut_anywhere_is_refused_in_one_line_with_its_name(tmp_path):
    whole = write_dicom(tmp_path / "whole.dcm", smooth_frames(False)).read_bytes()
    path = tmp_path / "cut.dcm"
    for length in [0, 10, 131, 132, 200, 300, *range(400, len(whole) - 1, 400), len(whole) - 2]:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut\.dcm") as error:
            read_dicom(path)
        assert "\n" not in str(error.value)


def cut(*names):
    return lambda planes: [delattr(plane, name) for plane in planes for name in names]


def assign(index, **tags):
    return lambda planes: [setattr(planes[index], name, value) for name, value in tags.items()]


def lose_a_number(planes):
    for number, plane in enumerate(planes):
        del plane.ImagePositionPatient
        plane.InstanceNumber = number + 1 + (number > 2)


def narrow(planes):
    uid = planes[0].SeriesInstanceUID
    planes[4] = make_series(random_volume(0)[0][:20].astype(np.uint16), SeriesInstanceUID=uid)[4]


@pytest.mark.parametrize(
    ("spoil_planes", "message"),
    [
        (
            lambda planes: planes.pop(2),
            "slices are missing or unevenly spaced, 6 mm after slice 2 where 3 mm are usual",
        ),
        (
            assign(3, SeriesInstanceUID="1.2.3"),
            "3.dcm is of another series than the first file beside it; keep one series a folder",
        ),
        (lambda planes: planes.append(planes[0]), "two of its slices lie in one place"),
        (narrow, "4.dcm: its Columns is 20, that of the first file is 40"),
        (assign(1, ImageOrientationPatient=[1, 0, 0, 0, 1, 0]), "its planes differ in direction or spacing"),
        (cut("PixelSpacing"), "0.dcm has a position but no PixelSpacing"),
        (assign(0, PixelSpacing=[0, 0.5]), r"0.dcm: PixelSpacing \(0028,0030\) is '0.0\\0.5', not > 0"),
        (assign(1, PixelSpacing=["1e300", "1e300"]), r"1.dcm: PixelSpacing .* not 1e-06 to 1e\+06 mm"),
        (assign(1, SliceThickness="1e300"), r"1.dcm: SliceThickness .* not 1e-06 to 1e\+06 mm"),
        (assign(1, ImagePositionPatient=["1e15", 0, 0]), r"1.dcm: ImagePositionPatient .* beyond 1e\+09 mm"),
        (lose_a_number, r"1 frame\(s\) are missing, InstanceNumber 4"),
        (cut("ImagePositionPatient", "InstanceNumber"), "its frames have neither position nor a time or number"),
    ],
)
def test_a_faulty_series_is_refused(tmp_path, spoil_planes, message):
    planes = make_series(random_volume(0)[0].astype(np.uint16))
    spoil_planes(planes)
    for number, plane in enumerate(planes):
        save(plane, tmp_path / f"{number}.dcm")
    with pytest.raises(ValueError, match=message):
        read_dicom(tmp_path)


def spoil(path, **tags):
    return write_dicom(path, smooth_frames(False), **tags)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"Rows": None}, "has no Rows: it is cut short in its header, or no image"),
        ({"Rows": 40}, "is truncated: its size 48 x 40 x 3 with 8 bits needs 5760 bytes, PixelData has 4608"),
        ({"Rows": 30}, "is too long: its size 48 x 30 x 3 with 8 bits needs 4320 bytes, PixelData has 4608"),
        ({"NumberOfFrames": 4}, "is truncated: its size 48 x 32 x 4"),
        ({"NumberOfFrames": 2_000_000}, "more than 2147483648 bytes; correct it"),
        ({"NumberOfFrames": "-3"}, "NumberOfFrames must be >= 1"),
        ({"BitsAllocated": 64}, r"has 1 sample\(s\) of 64 bits per pixel"),
        ({"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}, "is truncated"),
        ({"BitsStored": 9}, r"BitsStored \(0028,0101\) is '9', not from 1 to BitsAllocated, 8"),
        ({"BitsStored": 0}, "BitsStored .* is '0', not from 1"),
        ({"BitsStored": 6, "HighBit": 7}, "HighBit .* is '7', not BitsStored - 1, 5"),
        ({"PixelRepresentation": 2}, "PixelRepresentation .* is '2', neither 0"),
        ({"PhotometricInterpretation": "MONOCHROME3"}, "PhotometricInterpretation .* is 'MONOCHROME3', none of"),
        ({"PhotometricInterpretation": "RGB"}, "SamplesPerPixel .* is '1', not what RGB has"),
        ({"RescaleSlope": 0, "RescaleIntercept": 3}, r"RescaleSlope \(0028,1053\) is '0.0', zero"),
        ({"RescaleSlope": "1e300", "RescaleIntercept": 0}, "RescaleSlope .* so great that numbers of 32 bits"),
        ({"RescaleSlope": "", "RescaleIntercept": 0}, "RescaleSlope .* empty"),
        ({"ModalityLUTSequence": [Dataset()]}, "ModalityLUTSequence .* a table of intensities, which is not read"),
        ({"PresentationLUTShape": "INVERSE"}, "PresentationLUTShape .* is 'INVERSE', against MONOCHROME2"),
        ({"PixelPresentation": "COLOR"}, "PixelPresentation .* colours laid over gray"),
        ({"PerFrameFunctionalGroupsSequence": [Dataset()] * 2}, "has 3 frames and describes 2"),
        ({"NumberOfFrames": 1_000_000_000}, "more than 2147483648 bytes; correct it"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.30"}, "is a parametric map"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.7"}, "is a DICOM segmentation where an image is meant"),
        ({"PixelData": None}, "has no PixelData"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"}, "is a DICOM segmentation where an image is meant"),
    ],
)
def test_a_faulty_file_is_refused(tmp_path, tags, message):
    with pytest.raises(ValueError, match=message):
        read_dicom(spoil(tmp_path / "a.dcm", **tags))


@pytest.mark.parametrize("syntax", ["rle", "jpeg", "jpeg2000", "jpegls"])
def test_damaged_compressed_frames_are_refused(tmp_path, syntax):
    ds = make_dicom(smooth_frames(False), syntax=syntax)
    data = bytearray(ds.PixelData)
    ds.NumberOfFrames = 5
    with pytest.raises(ValueError, match=r"a\.dcm: (its image|NumberOfFrames)"):
        read_dicom(save(ds, tmp_path / "a.dcm"))
    ds.NumberOfFrames = 3
    start = data.index(b"\xfe\xff\x00\xe0", 8) + 8  # the first frame, behind the table of offsets
    data[start : start + 40] = b"\0" * 40
    ds.PixelData = bytes(data)
    with pytest.raises(ValueError, match=r"b\.dcm: (its image|NumberOfFrames)"):
        read_dicom(save(ds, tmp_path / "b.dcm"))


def test_a_folder_without_dicom_and_a_text_file_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no DICOM file"):
        read_dicom(tmp_path)
    (tmp_path / "a.dcm").write_text("not DICOM")
    with pytest.raises(ValueError, match=r"a\.dcm is no DICOM file"):
        read_dicom(tmp_path / "a.dcm")
    with pytest.raises(FileNotFoundError, match=r"b\.dcm does not exist"):
        read_dicom(tmp_path / "b.dcm")


def test_several_files_of_many_frames_in_a_folder_are_refused(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", smooth_frames(False))
    shutil.copy(path, tmp_path / "b.dcm")
    with pytest.raises(ValueError, match=r"a\.dcm holds several frames and has other files beside it"):
        read_dicom(tmp_path)
