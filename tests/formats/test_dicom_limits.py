"""Small files that unpack to much more than they declare, or declare more than is read."""

from __future__ import annotations

import io
import resource
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from scripts.formats import dicom_file, limits
from scripts.formats.codestream import CodestreamSize, codestream_size, rle_bytes
from scripts.formats.dicom_image import read_dicom
from tests.dicom_files import make_dicom, put_bytes, save

FRAMES = np.arange(2 * 8 * 16, dtype=np.uint8).reshape(2, 8, 16)


@pytest.fixture
def bounded():
    """Fails where reading needs 300 MB more than before."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


def deflated(path, **tags):
    ds = make_dicom(FRAMES, **tags)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return save(ds, path)


def body_of(path):
    """Where the deflated body starts, and what it holds."""
    whole = path.read_bytes()
    start = 144 + struct.unpack_from("<I", whole, 140)[0]
    return whole[:start], zlib.decompress(whole[start:], -15)


def pack(head, parts):
    deflater = zlib.compressobj(1, zlib.DEFLATED, -15)
    return head + b"".join(deflater.compress(part) for part in parts) + deflater.flush()


def test_a_deflated_file_is_read(tmp_path):
    found = read_dicom(deflated(tmp_path / "a.dcm")).array
    np.testing.assert_array_equal(np.moveaxis(found, (0, 1, 2), (2, 1, 0)), FRAMES)


def test_a_deflated_file_is_cut_short_or_damaged(tmp_path):
    path = deflated(tmp_path / "a.dcm")
    whole = path.read_bytes()
    for length in (len(whole) - 20, len(whole) - 150, 400):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"a\.dcm"):
            read_dicom(path)


@pytest.mark.parametrize("where", ["before", "behind"])
def test_a_deflated_body_of_much_more_than_it_declares_is_refused_in_little_memory(tmp_path, bounded, where):
    path = deflated(tmp_path / "a.dcm")
    head, body = body_of(path)
    size = 640 * 2**20
    private = (b"\x09\x00\x10\x10OB\0\0" if where == "before" else b"\xfc\xff\xfc\xffOB\0\0") + struct.pack("<I", size)
    at = body.index(b"\x10\x00\x10\x00") if where == "before" else len(body)
    zeros = (bytes(2**20) for _ in range(size // 2**20))
    path.write_bytes(pack(head, [body[:at], private, *zeros, body[at:]]))
    assert path.stat().st_size < 5_000_000
    with pytest.raises(ValueError, match=r"a\.dcm.* unpacks to more than"):
        read_dicom(path)


def test_an_rle_frame_of_much_more_than_it_declares_is_refused_in_little_memory(tmp_path, bounded):
    ds = make_dicom(FRAMES[:1])
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x00" * 4_000_000  # each two bytes become 128
    ds.PixelData = encapsulate([frame])
    ds.file_meta.TransferSyntaxUID = RLELossless
    with pytest.raises(ValueError, match="frame 1 unpacks to more than its size"):
        read_dicom(save(ds, tmp_path / "a.dcm"))


def test_the_bytes_of_rle_are_counted_as_pydicom_unpacks_them():
    from pydicom.pixels.decoders.rle import _rle_decode_segment

    segment = np.random.default_rng(0).integers(0, 256, 1_100_000).astype(np.uint8).tobytes()
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + segment
    unpacked = len(_rle_decode_segment(segment))
    counted = rle_bytes(frame, stop_beyond=2**26)
    assert 0 <= counted - unpacked <= 256  # of a last run that the frame does not hold whole
    assert rle_bytes(frame, stop_beyond=1000) > 1000


@pytest.mark.parametrize("syntax", ["jpeg", "jpeg2000", "jpegls"])
def test_a_compressed_frame_tells_its_size_and_must_have_that_of_the_header(tmp_path, syntax):
    ds = make_dicom(FRAMES, syntax=syntax)
    ds.Rows, ds.Columns = 16, 8
    with pytest.raises(ValueError, match=r"frame 1 is 16 x 8 with 1 sample\(s\) in its compressed image, 8 x 16"):
        read_dicom(save(ds, tmp_path / "a.dcm"))


def test_the_size_of_a_jpeg_of_huge_size_is_read_from_its_header_alone():
    buffer = io.BytesIO()
    Image.fromarray(FRAMES[0]).save(buffer, format="JPEG")
    data = bytearray(buffer.getvalue())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = b"\xff\xff\xff\xff"
    assert codestream_size(bytes(data)) == CodestreamSize(65535, 65535, 1)
    assert codestream_size(b"\xff\xd8\xff") is None
    assert codestream_size(b"nothing") is None


def test_a_large_file_is_refused_by_its_size(tmp_path, monkeypatch):
    path = save(make_dicom(FRAMES), tmp_path / "a.dcm")
    monkeypatch.setattr(dicom_file, "MAX_BYTES", 10)
    monkeypatch.setattr(dicom_file, "MAX_HEADER_BYTES", 10)
    with pytest.raises(ValueError, match=r"a\.dcm has \d+ bytes, at most 10 are read"):
        read_dicom(path)


def test_a_series_is_measured_as_a_whole(tmp_path, monkeypatch):
    for z in range(3):
        ds = make_dicom(FRAMES[:1], InstanceNumber=z + 1, SeriesInstanceUID="1.2.3")
        save(ds, tmp_path / f"{z}.dcm")
    assert read_dicom(tmp_path).array.shape == (16, 8, 3)
    monkeypatch.setattr(limits, "MAX_BYTES", 2 * 8 * 16 * 4)
    with pytest.raises(ValueError, match="says its size is 16 x 8 x 3 x 1 of 8 bits"):
        read_dicom(tmp_path)


def test_a_private_value_that_is_no_dicom_does_no_harm(tmp_path):
    ds = make_dicom(FRAMES)
    put_bytes(ds, "SeriesDescription", b"\xff\xfe\x81", "LO")
    assert read_dicom(save(ds, tmp_path / "a.dcm")).array.shape == (16, 8, 2)
