from __future__ import annotations

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian

from scripts.formats.dicom_image import read_dicom
from tests.dicom_files import make_dicom, save

CHANNELS = ("Red", "Green", "Blue")
INDICES = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)


def make_palette(indices, tables, *, first=0, bits=16, order="<", **tags):
    """A file of indices whose three tables have these entries, words or bytes by the type of their array."""
    ds = make_dicom(indices, PhotometricInterpretation="PALETTE COLOR")
    for channel, table in zip(CHANNELS, tables, strict=True):
        setattr(ds, f"{channel}PaletteColorLookupTableDescriptor", [len(table) % 2**16, first, bits])
        content = table.astype(f"{order}u2").tobytes() if table.dtype == np.uint16 else table.tobytes()
        if order == ">" and table.dtype == np.uint8:
            content = np.frombuffer(content, dtype="<u2").astype(">u2").tobytes()
        setattr(ds, f"{channel}PaletteColorLookupTableData", content + b"\0" * (len(content) % 2))
        ds[f"{channel}PaletteColorLookupTableData"].VR = "OW"
    for name, value in tags.items():
        setattr(ds, name, value)
    return ds


def save_big_endian(ds, path):
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    ds.save_as(path, implicit_vr=False, little_endian=False, enforce_file_format=True)
    return path


def ramps(dtype, count=256, factor=1):
    return [((np.arange(count) * 7 + 50 * offset) % 256 * factor).astype(dtype) for offset in range(3)]


def colours_of(places):
    """What the ramps hold there, worked without a table; (1, Y, X) gives (X, Y, 1, 3)."""
    colours = [(places.astype(int) * 7 + 50 * offset) % 256 for offset in range(3)]
    return np.moveaxis(np.stack(colours, axis=-1), (0, 1, 2), (2, 1, 0))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("dtype", "factor", "bits"),
    [
        (np.uint16, 257, 16),  # the upper byte is the colour
        (np.uint16, 256, 16),
        (np.uint16, 1, 8),  # entries of 8 bits, each in a word
        (np.uint16, 1, 16),  # the same, called 16: black by its upper bytes
        (np.uint8, 1, 8),
        (np.uint8, 1, 16),
    ],
)
def test_indices_become_their_colours_however_the_table_is_written(tmp_path, dtype, factor, bits, order):
    ds = make_palette(INDICES, ramps(dtype, factor=factor), bits=bits, order=order)
    path = save(ds, tmp_path / "a.dcm") if order == "<" else save_big_endian(ds, tmp_path / "a.dcm")
    found = read_dicom(path).array
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, colours_of(INDICES))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_indices_of_16_bits_find_colours_of_8_bits(tmp_path, dtype):
    indices = np.array([[[0, 255, 256, 300], [511, 700, 1023, 4000]]], dtype=np.uint16)
    found = read_dicom(save(make_palette(indices, ramps(dtype, 1024)), tmp_path / "a.dcm")).array
    np.testing.assert_array_equal(found, colours_of(np.minimum(indices, 1023)))


def test_indices_beside_the_table_take_its_first_or_last_entry(tmp_path):
    ds = make_palette(INDICES, ramps(np.uint8, 5), first=3)  # an odd number of bytes, filled up
    found = read_dicom(save(ds, tmp_path / "a.dcm")).array
    np.testing.assert_array_equal(found, colours_of(np.clip(INDICES.astype(int) - 3, 0, 4)))


def spoil(**tags):
    return lambda ds: [delattr(ds, name) if value is None else setattr(ds, name, value) for name, value in tags.items()]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil(RescaleSlope=2, RescaleIntercept=-1000), "RescaleSlope .* given for colours, which have no scale"),
        (spoil(GreenPaletteColorLookupTableDescriptor=[128, 0, 16]), "not that of red or blue; export it as RGB"),
        (spoil(RedPaletteColorLookupTableDescriptor=[256, 0]), "not the three numbers of a table; export it as RGB"),
        (spoil(BluePaletteColorLookupTableData=bytes(500)), "500 bytes, no table of 256 entries of 8 or 16 bits"),
        (spoil(RedPaletteColorLookupTableData=None), "0 bytes, no table of 256 entries"),  # as of a segmented one
    ],
)
def test_a_palette_that_is_none_is_refused(tmp_path, change, message):
    ds = make_palette(INDICES, ramps(np.uint16, factor=256))
    change(ds)
    with pytest.raises(ValueError, match=message) as error:
        read_dicom(save(ds, tmp_path / "a.dcm"))
    assert "\n" not in str(error.value)
