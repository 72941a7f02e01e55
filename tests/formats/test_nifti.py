from __future__ import annotations

import gzip
import struct

import nibabel as nib
import numpy as np
import pytest

from scripts.formats.nifti import nifti_depth, read_nifti
from tests.synthetic import random_volume, write_nifti

SLOPE, INTERCEPT = 112, 116  # places in the header


def with_header(path, place, value):
    data = bytearray(gzip.decompress(path.read_bytes()))
    data[place : place + len(value)] = value
    path.write_bytes(gzip.compress(bytes(data)))
    return path


@pytest.mark.parametrize("tail", [(1,), (1, 1), (1, 1, 1)])
@pytest.mark.parametrize("channel", [None, 0])
def test_axes_of_length_one_are_dropped(tmp_path, tail, channel):
    image = random_volume(0)[0]
    path = write_nifti(tmp_path / "a.nii.gz", image.reshape(*image.shape, *tail))
    np.testing.assert_array_equal(read_nifti(path, channel).array, image)


def test_a_channel_is_taken_where_there_are_several(tmp_path):
    image = random_volume(0)[0]
    path = write_nifti(tmp_path / "a.nii.gz", np.stack([image, image + 1], axis=-1))
    np.testing.assert_array_equal(read_nifti(path, 1).array, image + 1)
    for channel in (-1, 2):
        with pytest.raises(ValueError, match=rf"has 2 channels, channel {channel} is asked for"):
            read_nifti(path, channel)
    with pytest.raises(ValueError, match="has 2 channels, none is chosen; choose one by --cases::channel 0 to 1"):
        read_nifti(path)
    with pytest.raises(ValueError, match="has 1 channels, channel 1 is asked for"):
        read_nifti(write_nifti(tmp_path / "b.nii.gz", image[..., np.newaxis]), 1)


def test_a_plane_is_a_volume_of_one_slice(tmp_path):
    plane = random_volume(0)[0][:, :, 0]
    np.testing.assert_array_equal(read_nifti(write_nifti(tmp_path / "a.nii", plane)).array[:, :, 0], plane)


@pytest.mark.parametrize(("place", "value"), [(SLOPE, np.inf), (INTERCEPT, np.nan), (INTERCEPT, np.inf)])
def test_a_scaling_that_is_no_number_is_refused(tmp_path, place, value):
    path = with_header(write_nifti(tmp_path / "a.nii.gz", random_volume(0)[0]), SLOPE, struct.pack("<ff", 2.0, 1.0))
    path = with_header(path, place, struct.pack("<f", value))
    for read in (read_nifti, nifti_depth):
        with pytest.raises(
            ValueError, match=r"a\.nii\.gz (has an infinite slope or|is no NIfTI file, or its header is damaged)"
        ):
            read(path)


def test_the_depth_is_that_of_the_numbers_and_16_where_they_are_scaled(tmp_path):
    path = write_nifti(tmp_path / "a.nii.gz", random_volume(0)[1])
    assert nifti_depth(path) == 8
    assert nifti_depth(with_header(path, SLOPE, struct.pack("<ff", 0.5, 0.0))) == 16


@pytest.mark.parametrize("steps", [(1e30, 1, 1), (1e-30, 1, 1)])
def test_a_spacing_beyond_all_measure_is_refused(tmp_path, steps):
    image = nib.Nifti1Image(random_volume(0)[0], None)
    image.header["pixdim"][1:4] = steps
    image.header["sform_code"] = image.header["qform_code"] = 0
    nib.save(image, tmp_path / "a.nii.gz")
    with pytest.raises(ValueError, match=r"a\.nii\.gz has (a spacing of|no spacing|an affine)"):
        read_nifti(tmp_path / "a.nii.gz")


def test_an_origin_beyond_all_measure_is_refused(tmp_path):
    affine = np.diag([0.5, 0.5, 3.0, 1.0])
    affine[0, 3] = 1e20
    with pytest.raises(ValueError, match="an origin beyond all measure"):
        read_nifti(write_nifti(tmp_path / "a.nii.gz", random_volume(0)[0], affine))


def test_scaled_numbers_count_as_the_eight_bytes_that_they_become(tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.formats.limits.MAX_BYTES", 40 * 32 * 5 * 4)
    path = write_nifti(tmp_path / "a.nii.gz", random_volume(0)[0])
    assert read_nifti(path).array.shape == (40, 32, 5)
    with pytest.raises(ValueError, match="says its size is 40 x 32 x 5 of 64 bits"):
        read_nifti(with_header(path, SLOPE, struct.pack("<ff", 2.0, 1.0)))


def changed(path, name, value):
    """A NIfTI file of 2 x 3 x 4 numbers and a spacing of 0.5 x 0.7 x 3 mm, one field of its header changed."""
    nib.save(nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.diag([0.5, 0.7, 3, 1])), path)
    raw = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    header = nib.Nifti1Header(raw[:348].tobytes(), check=False)
    header[name] = value
    path.write_bytes(header.binaryblock + raw[348:].tobytes())
    return path


@pytest.mark.parametrize(("code", "unit"), [(1, "metres"), (3, "micrometres"), (1 + 8, "metres")])
def test_other_units_than_millimetres_are_refused(tmp_path, code, unit):
    with pytest.raises(ValueError, match=f"tells its geometry in {unit}; write it in millimetres"):
        read_nifti(changed(tmp_path / "a.nii", "xyzt_units", code))


@pytest.mark.parametrize("code", [0, 2, 2 + 8])
def test_unknown_units_are_millimetres(tmp_path, code):
    found = read_nifti(changed(tmp_path / "a.nii", "xyzt_units", code))
    assert found.spacing == pytest.approx((0.5, 0.7, 3))


def test_two_spacings_that_differ_are_refused_and_rounding_is_not(tmp_path):
    path = changed(tmp_path / "a.nii", "pixdim", [1, 1, 1, 3, 0, 0, 0, 0])
    with pytest.raises(ValueError, match=r"tells two spacings, 1 x 1 x 3 mm \(pixdim\) and 0.5 x 0.7 x 3 mm \(sform\)"):
        read_nifti(path)
    for codes, refused in (((1, 1), True), ((0, 2), True), ((1, 2), False), ((1, 4), False)):
        image = nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), None)
        image.set_qform(np.diag([1, 1, 3, 1]), codes[0])
        image.set_sform(np.diag([0.5, 0.7, 3, 1]), codes[1])  # from 2 on fitted to another image, where qform stays
        nib.save(image, tmp_path / "two.nii")
        if refused:
            with pytest.raises(ValueError, match="tells two spacings"):
                read_nifti(tmp_path / "two.nii")
        else:
            assert read_nifti(tmp_path / "two.nii").spacing == pytest.approx((0.5, 0.7, 3))
    rounded = changed(tmp_path / "b.nii", "pixdim", [1, 0.501, 0.7, 3, 0, 0, 0, 0])
    assert read_nifti(rounded).spacing == pytest.approx((0.5, 0.7, 3))
    plane = nib.Nifti1Image(np.arange(6, dtype=np.int16).reshape(2, 3), np.diag([0.5, 0.7, 3, 1]))
    plane.header["pixdim"][3] = 9  # of an axis that is not there
    nib.save(plane, tmp_path / "c.nii")
    assert read_nifti(tmp_path / "c.nii").spacing == pytest.approx((0.5, 0.7, 3))
