from __future__ import annotations

import numpy as np
import pytest

from scripts.formats.dicom_image import dicom_depth, read_dicom
from tests.dicom_files import item, make_enhanced, make_series, put_bytes, save

SLOPES = [(1.0, 0.0), (2.0, -4.0), (0.5, -8.0), (4.0, 0.0)]


def truth():
    """A volume (X, Y, Z) of whole numbers divisible by 4, from 0 to 400, each plane with another greatest number."""
    volume = np.random.default_rng(0).integers(5, 80, (6, 5, 4)) * 4
    volume[0, 0] = [0, 400, 0, 380]
    return volume


def stored(volume, *, signed, inverted, rescales):
    """What a scanner stores of a volume with 12 bits."""
    low, high = (-2048, 2047) if signed else (0, 4095)
    wanted = volume.astype(float)
    if inverted:
        wanted = (low + high if not len(rescales) else 800) - wanted
    for z, (slope, intercept) in enumerate(rescales):
        wanted[:, :, z] = (wanted[:, :, z] - intercept) / slope
    assert low <= wanted.min()
    assert wanted.max() <= high
    assert (wanted == wanted.round()).all()
    return wanted.astype(np.int16 if signed else np.uint16)


@pytest.mark.parametrize("rescaled", [False, True])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("layout", ["series", "enhanced", "shared"])
def test_a_volume_is_the_same_however_it_is_written(tmp_path, layout, inverted, signed, rescaled):
    rescales = ([SLOPES[1]] * 4 if layout == "shared" else SLOPES) if rescaled else []
    volume = truth()
    numbers = stored(volume, signed=signed, inverted=inverted, rescales=rescales)
    tags = {"BitsStored": 12, "HighBit": 11, "PhotometricInterpretation": "MONOCHROME1" if inverted else "MONOCHROME2"}
    if layout == "series":
        planes = make_series(numbers, **tags)
        for z, (slope, intercept) in enumerate(rescales):
            planes[z].RescaleSlope, planes[z].RescaleIntercept = slope, intercept
        for name, z in zip("abcd", [2, 0, 3, 1], strict=True):
            save(planes[z], tmp_path / f"{name}.dcm")
        path = tmp_path
    else:
        ds = make_enhanced(numbers, rescales=rescales if layout == "enhanced" else (), **tags)
        if rescaled:  # what all frames share counts where a frame has none of its own, the file's top comes last
            slope, intercept = rescales[0] if layout == "shared" else (100, 7)
            value = item(RescaleSlope=slope, RescaleIntercept=intercept)
            ds.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence = [value]
            ds.RescaleSlope, ds.RescaleIntercept = 100, 7  # overruled
        path = save(ds, tmp_path / "a.dcm")
    found = read_dicom(path)
    if inverted and rescaled:  # turned against a constant of the headers: the same but for that
        low, high = (-2048, 2047) if signed else (0, 4095)
        ends = [end * slope + intercept for slope, intercept in rescales for end in (low, high)]
        volume = volume + (min(ends) + max(ends) - 800)
    np.testing.assert_array_equal(found.array, volume)
    assert found.spacing == pytest.approx((0.5, 0.7, 3.0))
    assert [frame for _, frame in found.frames] == ([1] * 4 if layout == "series" else [1, 2, 3, 4])


def test_equal_tissue_stays_equal_where_another_slice_of_a_monochrome1_series_holds_air(tmp_path):
    volume = np.full((6, 5, 3), 100, dtype=np.uint16)
    volume[0, 0, 1] = 0
    for z, plane in enumerate(make_series(4095 - volume, PhotometricInterpretation="MONOCHROME1")):
        plane.BitsStored, plane.HighBit = 12, 11
        save(plane, tmp_path / f"{z}.dcm")
    np.testing.assert_array_equal(read_dicom(tmp_path).array, volume)


def test_signed_numbers_of_monochrome1_do_not_wrap(tmp_path):
    ends = np.array([-32768, 32767, 0, -1], dtype=np.int16).reshape(2, 2, 1)
    ds = make_series(ends, PhotometricInterpretation="MONOCHROME1")[0]
    found = read_dicom(save(ds, tmp_path / "a.dcm")).array
    np.testing.assert_array_equal(found.ravel(), [32767, -32768, -1, 0])


def test_padding_becomes_the_least_number_that_is_none(tmp_path):
    volume = np.arange(10, 22, dtype=np.int16).reshape(2, 2, 3)
    volume[0, 0] = -2000
    tags = {"PixelPaddingValue": -2000, "RescaleSlope": 2, "RescaleIntercept": 1}
    folder = tmp_path / "series"
    for z, plane in enumerate(make_series(volume, **tags)):
        save(plane, folder / f"{z}.dcm")
    found = read_dicom(folder).array
    assert found[0, 0].tolist() == [27.0, 27.0, 27.0]  # 13 * 2 + 1
    np.testing.assert_array_equal(found[1], volume[1] * 2 + 1)
    # In a mask no number is padding.
    assert read_dicom(folder, is_mask=True).array[0, 0].tolist() == [-3999.0] * 3


@pytest.mark.parametrize(
    ("stored", "bits", "told"),
    [
        (63536, 16, (np.int16, -2000)),  # unsigned numbers, and padding written as a signed one of the same bits
        (-2000, 16, (np.uint16, 63536)),
        (-2000, 12, (np.uint16, 63536)),
        (-2000, 12, (np.uint16, 2096)),  # the bits that are stored
    ],
)
def test_padding_is_known_however_its_sign_is_written(tmp_path, stored, bits, told):
    volume = np.arange(10, 22, dtype=np.int16 if stored < 0 else np.uint16).reshape(2, 2, 3)
    volume[0, 0] = stored
    for z, plane in enumerate(make_series(volume, BitsStored=bits, HighBit=bits - 1)):
        put_bytes(plane, "PixelPaddingValue", told[0](told[1]).tobytes(), "SS" if told[0] is np.int16 else "US")
        save(plane, tmp_path / f"{z}.dcm")
    found = read_dicom(tmp_path).array
    assert found[0, 0].tolist() == [13, 13, 13]
    np.testing.assert_array_equal(found[1], volume[1])


def test_padding_of_monochrome1_is_dark(tmp_path):
    volume = np.array([0, 10, 20, 30], dtype=np.uint8).reshape(2, 2, 1)
    ds = make_series(volume, PixelPaddingValue=0, PhotometricInterpretation="MONOCHROME1")[0]
    assert read_dicom(save(ds, tmp_path / "a.dcm")).array.ravel().tolist() == [225, 245, 235, 225]


def test_the_depth_counts_every_file_of_a_series(tmp_path):
    planes = make_series(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
    for z, plane in enumerate(planes):
        save(plane, tmp_path / f"{z}.dcm")
    assert dicom_depth(tmp_path) == 8
    planes[2].RescaleSlope, planes[2].RescaleIntercept = 2, 0
    save(planes[2], tmp_path / "2.dcm")
    assert dicom_depth(tmp_path) == 16


def test_what_would_change_the_scale_between_frames_unseen_is_refused(tmp_path):
    volume = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    ds = make_enhanced(volume)
    for z, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
        mapping = item(RealWorldValueSlope=1.0 + z, RealWorldValueIntercept=0.0)
        group.RealWorldValueMappingSequence = [mapping]
    with pytest.raises(ValueError, match="only its RealWorldValueMappingSequence, which is not read"):
        read_dicom(save(ds, tmp_path / "a.dcm"))
    for z, plane in enumerate(make_series(volume)):
        plane.RealWorldValueMappingSequence = [item(RealWorldValueSlope=1.0 + z, RealWorldValueIntercept=0.0)]
        save(plane, tmp_path / f"mapped/{z}.dcm")
    with pytest.raises(ValueError, match="mapped: only its RealWorldValueMappingSequence, which is not read"):
        read_dicom(tmp_path / "mapped")
    planes = make_series(volume, RescaleSlope=1, RescaleIntercept=0, RescaleType="HU")
    planes[1].RescaleType = "US"
    for z, plane in enumerate(planes):
        save(plane, tmp_path / f"series/{z}.dcm")
    with pytest.raises(ValueError, match="RescaleType differs between its frames, HU and US"):
        read_dicom(tmp_path / "series")


def test_a_series_that_mixes_photometric_interpretations_is_refused(tmp_path):
    planes = make_series(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
    planes[1].PhotometricInterpretation = "MONOCHROME1"
    for z, plane in enumerate(planes):
        save(plane, tmp_path / f"{z}.dcm")
    with pytest.raises(
        ValueError, match=r"1\.dcm: its PhotometricInterpretation is MONOCHROME1, that of the first file"
    ):
        read_dicom(tmp_path)
