"""Every number of a picture as its file has it, or one line that refuses it."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from scripts.formats.pictures import picture_depth, read_picture, read_picture_folder
from tests.picture_files import chunk, write_png, write_tiff

RNG = np.random.default_rng(0)


def numbers(bits, *shape, low=0):
    return RNG.integers(low, 2**bits, (20, 30, *shape))


def read(path, **options):
    return np.swapaxes(read_picture(path, **options).array[:, :, 0], 0, 1)


@pytest.mark.parametrize(
    ("colour", "channels"), [("gray", ()), ("rgb", (3,)), ("gray+alpha", (2,)), ("rgb+alpha", (4,))]
)
@pytest.mark.parametrize("bits", [8, 16])
def test_a_png_keeps_every_number(tmp_path, bits, colour, channels):
    array = numbers(bits, *channels)
    if "alpha" in colour:
        array[..., -1] = 2**bits - 1
    path = write_png(tmp_path / "a.png", array, bits, colour)
    opaque = array[..., :-1] if "alpha" in colour else array
    np.testing.assert_array_equal(read(path), opaque[..., 0] if opaque.shape[2:] == (1,) else opaque)
    assert picture_depth(path) == bits


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_png_of_few_bits_keeps_every_number_and_its_white(tmp_path, bits):
    array = numbers(bits)
    volume = read_picture(write_png(tmp_path / "a.png", array, bits))
    np.testing.assert_array_equal(volume.array[:, :, 0].T, array)
    assert volume.full_scale == 2**bits - 1


def test_an_interlaced_png_keeps_every_number(tmp_path):
    """Adam7 with the rows of each pass written by hand; 7 x 5 pixels leave two of the passes short."""
    array = RNG.integers(0, 256, (5, 7))
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = b"".join(b"\0" + bytes(row.tolist()) for x, y, dx, dy in passes for row in array[y::dy, x::dx] if row.size)
    size = struct.pack(">IIBBBBB", 7, 5, 8, 0, 0, 0, 1)
    chunks = ((b"IHDR", size), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*item) for item in chunks))
    np.testing.assert_array_equal(read(path), array)


def test_gamma_and_profile_change_no_number(tmp_path):
    array = numbers(8, 3)
    extra = [(b"gAMA", struct.pack(">I", 100_000)), (b"iCCP", b"x\0\0" + zlib.compress(b"no profile"))]
    np.testing.assert_array_equal(read(write_png(tmp_path / "a.png", array, 8, "rgb", extra=extra)), array)


@pytest.mark.parametrize(
    ("bits", "colour", "channels", "clear"),
    [(2, "gray", (), b"\0\1"), (8, "gray", (), b"\0\7"), (16, "gray", (), b"\1\7"), (8, "rgb", (3,), b"\0\1\0\2\0\3")],
)
def test_a_transparent_number_is_refused_in_an_image_and_not_in_an_index_mask(tmp_path, bits, colour, channels, clear):
    array = numbers(bits, *channels)
    opaque = [(b"tRNS", clear)]
    value = np.frombuffer(clear, ">u2")
    array[(array == value).reshape(20, 30, -1).all(2)] = 0
    np.testing.assert_array_equal(read(write_png(tmp_path / "a.png", array, bits, colour, extra=opaque)), array)
    array[3, 4] = value if channels else value[0]
    path = write_png(tmp_path / "b.png", array, bits, colour, extra=opaque)
    with pytest.raises(ValueError, match=r"b\.png is partly transparent"):
        read(path)
    if not channels:
        np.testing.assert_array_equal(read(path, palette="indices"), array)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_is_indices_in_a_mask_and_colours_in_an_image(tmp_path, bits):
    array, palette = numbers(bits), RNG.integers(0, 256, (2**bits, 3))
    path = write_png(tmp_path / "a.png", array, bits, "palette", extra=[(b"PLTE", bytes(palette.ravel().tolist()))])
    np.testing.assert_array_equal(read(path, palette="indices", exact=True), array)
    volume = read_picture(path)
    np.testing.assert_array_equal(np.swapaxes(volume.array[:, :, 0], 0, 1), palette[array])
    assert volume.full_scale == 255


@pytest.mark.parametrize(("name", "known"), [("a.png", 0), ("a.png", 3), ("a.bmp", 3)])
def test_a_number_that_a_palette_has_no_colour_for_is_refused_in_an_image(tmp_path, name, known):
    array, path = numbers(8) % 5, tmp_path / name
    colours = bytes(range(1, 1 + 3 * known))
    if name == "a.bmp":
        picture = Image.frombytes("P", array.shape[::-1], array.astype(np.uint8).tobytes())
        picture.putpalette(colours)
        picture.save(path)
    else:
        write_png(path, array, 8, "palette", extra=[(b"PLTE", colours)] if known else [])
    np.testing.assert_array_equal(read(path, palette="indices", exact=True), array)
    with pytest.raises(ValueError, match="has numbers that its palette has no colour for; export it again"):
        read(path)


@pytest.mark.parametrize(
    ("bits", "sample_format", "full_scale"),
    [(1, 1, 1), (2, 1, 3), (4, 1, 15), (8, 1, 255), (8, 2, None), (16, 1, None), (16, 2, None), (32, 1, None),
     (32, 2, None), (32, 3, None)],
)  # fmt: skip
def test_a_gray_tiff_keeps_every_number(tmp_path, bits, sample_format, full_scale):
    low = -(2 ** (bits - 1)) if sample_format > 1 else 0
    array = RNG.integers(low, low + 2**bits, (20, 30)) if sample_format < 3 else RNG.normal(0, 1e9, (20, 30))
    array = array.astype(np.float32) if sample_format == 3 else array
    volume = read_picture(write_tiff(tmp_path / "a.tif", array, bits, sample_format=sample_format))
    np.testing.assert_array_equal(volume.array[:, :, 0].T, array)
    assert volume.full_scale == full_scale


@pytest.mark.parametrize("bits", [8, 16])
def test_a_coloured_tiff_keeps_every_number(tmp_path, bits):
    array = numbers(bits, 3)
    np.testing.assert_array_equal(read(write_tiff(tmp_path / "a.tif", array, bits, photometric=2)), array)


def test_a_tiled_and_packed_tiff_keeps_every_number(tmp_path):
    array = RNG.integers(0, 2**16, (200, 300)).astype(np.uint16)
    Image.fromarray(array).save(tmp_path / "a.tif", compression="tiff_lzw", tiffinfo={322: 64, 323: 64})
    np.testing.assert_array_equal(read(tmp_path / "a.tif", exact=True), array)


@pytest.mark.parametrize(
    ("bits", "options", "channels"),
    [
        (8, {"photometric": 0}, ()),  # 0 is white: Pillow turns 8 bits and leaves 16
        (16, {"photometric": 0}, ()),
        (64, {"sample_format": 3}, ()),
        (16, {"photometric": 2, "planes": True}, (3,)),
        (16, {"photometric": 5}, (4,)),
        (8, {"photometric": 5}, (4,)),
        (8, {"photometric": 6}, (3,)),
    ],
)
def test_a_tiff_that_is_not_read_number_for_number_is_refused_by_name(tmp_path, bits, options, channels):
    array = RNG.normal(0, 1, (20, 30)) if bits == 64 else numbers(bits, *channels)
    path = write_tiff(tmp_path / "a.tif", array, bits, **options)
    with pytest.raises(ValueError, match=r"a\.tif is (a|one of|damaged).*export"):
        read(path)


@pytest.mark.parametrize(("photometric", "channels", "kept"), [(1, 2, 1), (2, 4, 3), (2, 5, 3), (2, 6, 3)])
def test_a_tiff_of_which_channels_would_be_left_out_is_refused(tmp_path, photometric, channels, kept):
    path = write_tiff(tmp_path / "a.tif", numbers(8, channels), 8, photometric=photometric, beside=channels - kept)
    with pytest.raises(ValueError, match=rf"a\.tif has {channels} numbers per pixel, of which {kept} would be read"):
        read(path)


@pytest.mark.parametrize("mode", ["1", "P", "L", "RGB"])
def test_a_bmp_keeps_every_number(tmp_path, mode):
    picture = Image.fromarray(RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)).convert(mode)
    picture.save(tmp_path / "a.bmp")
    expected = np.asarray(picture).astype(np.uint8)
    np.testing.assert_array_equal(read(tmp_path / "a.bmp", palette="indices"), expected)


@pytest.mark.parametrize(("bits", "ramp"), [(16, None), (4, 16)])
def test_a_bmp_whose_numbers_pillow_changes_is_refused(tmp_path, bits, ramp):
    """16 bits are three colours of 5 bits; 4 bits with a ramp of grays are read as bytes."""
    palette = b"".join(bytes([n, n, n, 0]) for n in range(ramp or 0))
    row = -(-bits * 32 // 32) * 4
    place = 54 + len(palette)
    header = struct.pack(
        "<2sIHHIIiiHHIIiiII", b"BM", place + 8 * row, 0, 0, place, 40, 32, 8, 1, bits, 0, 8 * row, 0, 0, ramp or 0, 0
    )
    (tmp_path / "a.bmp").write_bytes(header + palette + bytes(range(1, 9)) * row)
    with pytest.raises(ValueError, match=rf"a\.bmp is a BMP of {bits} bits"):
        read(tmp_path / "a.bmp")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.png", "JPEG", "is a JPEG by its content, its name says PNG; give it its own ending"),
        ("a.jpg", "PNG", "is a PNG by its content, its name says JPEG"),
        ("a.tif", "PNG", "is a PNG by its content, its name says TIFF"),
        ("a.png", "GIF", "is damaged or no picture"),
        ("a.png", "PPM", "is damaged or no picture"),
        ("a.png", "EPS", "is damaged or no picture"),
    ],
)
def test_a_format_is_told_by_content_and_must_be_that_of_the_name(tmp_path, monkeypatch, name, content, message):
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was started"))
    Image.new("RGB", (30, 20), "red").save(tmp_path / name, format=content)
    with pytest.raises(ValueError, match=rf"{name} {message}"):
        read(tmp_path / name)


def test_a_mask_is_never_of_a_format_with_loss(tmp_path):
    picture = Image.fromarray(numbers(8).astype(np.uint8))
    picture.save(tmp_path / "a.jpg")
    picture.save(tmp_path / "a.tif", compression="jpeg")
    for name in ("a.jpg", "a.tif"):
        assert read(tmp_path / name).shape == (20, 30)
        with pytest.raises(ValueError, match=rf"{name} is a (JPEG|TIFF) packed with loss"):
            read(tmp_path / name, exact=True)


def spoilt(kind):
    def spoil(data):
        place = data.index(kind) - 4
        return data[: place + 9] + bytes([data[place + 9] ^ 1]) + data[place + 10 :]

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-12],  # no end
        lambda data: data[:-30],
        lambda data: data[:200],
        spoilt(b"IDAT"),
        spoilt(b"IHDR"),
        lambda data: data[:8] + data[33:],  # no header
    ],
)
def test_a_png_that_is_not_whole_is_refused(tmp_path, spoil):
    path = write_png(tmp_path / "a.png", numbers(8), 8)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=r"a\.png is damaged"):
        read(path)


@pytest.mark.parametrize("bits", [1, 8, 16])
def test_a_png_whose_pixels_end_early_is_refused(tmp_path, bits):
    for rows in (0, 19):
        path = write_png(tmp_path / "a.png", numbers(bits), bits, rows=rows)
        with pytest.raises(ValueError, match=r"a\.png is damaged: its pixels end early"):
            read(path)


@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.bmp"])
def test_other_pictures_that_end_early_are_refused(tmp_path, name):
    Image.fromarray(numbers(8, 3).astype(np.uint8)).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(ValueError, match=rf"{name} is (damaged|a damaged TIFF)"):
        read(tmp_path / name)


def test_a_picture_that_unpacks_to_gigabytes_is_refused_by_its_header(tmp_path):
    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", size), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*item) for item in chunks))
    with pytest.raises(ValueError, match=r"a\.png (has 60000 x 60000 pixels|is damaged)"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_pages_of_a_tiff_are_planes_number_by_number(tmp_path, dtype):
    pages = np.random.default_rng(0).integers(0, 250, (4, 6, 5)).astype(dtype)  # (Z, Y, X)
    first, *further = map(Image.fromarray, pages)
    first.save(tmp_path / "a.tif", save_all=True, append_images=further, compression="tiff_deflate")
    found = read_picture(tmp_path / "a.tif", palette="indices", exact=True)
    assert found.array.dtype == dtype
    np.testing.assert_array_equal(found.array, pages.transpose(2, 1, 0))


def test_a_folder_of_frames_takes_no_file_of_several_pages(tmp_path):
    page = Image.fromarray(np.zeros((6, 5), np.uint8))
    page.save(tmp_path / "1.tif")
    page.save(tmp_path / "2.tif", save_all=True, append_images=[page])
    with pytest.raises(ValueError, match=r"2\.tif holds 2 pages; one picture per frame is expected"):
        read_picture_folder(tmp_path)
