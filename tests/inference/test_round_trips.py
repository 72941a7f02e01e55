"""Identical voxels in identical places: through every orientation and format, where the network keeps the size."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import itk
import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation

from scripts.formats.reading import read_image
from scripts.inference import Segmenter, load_segmenter
from tests.dicom_files import US_MULTI, calibrated_region, make_enhanced, save, write_dicom, write_series
from tests.inference.images import bright_object
from tests.inference.stub_run import write_run

OBLIQUE = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])  # a rotation
ORIENTATIONS = ["".join(axes) for axes in itertools.product("LR", "PA", "IS")]
PERMUTED = ["SLP", "AIR", "PSL"]


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    return load_segmenter(write_run(tmp_path_factory.mktemp("runs")))


def world(mask: NDArray[Any], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the foreground's voxels lie in millimetres, in order."""
    points = nib.affines.apply_affine(affine, np.argwhere(mask))
    return points[np.lexsort(np.round(points, 3).T)]


def itk_affine(path: Path) -> NDArray[np.float64]:
    """Voxel indices to millimetres in RAS, as ITK reads the file."""
    image = itk.imread(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(image.GetDirection()) @ np.diag(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


@pytest.mark.parametrize("axes", [*ORIENTATIONS, *PERMUTED])
def test_a_volume_of_any_orientation_comes_back_in_its_place(stub: Segmenter, tmp_path: Path, axes: str) -> None:
    truth, image = bright_object((16, 16, 16))
    affine = np.eye(4)
    affine[:3, :3] = OBLIQUE @ np.diag([0.5, 0.7, 3.0])
    affine[:3, 3] = [12.25, -7.5, 101.0]
    turn = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(axes))
    turned_truth, turned_image = (nib.orientations.apply_orientation(each, turn) for each in (truth, image))
    source = nib.Nifti1Image(turned_image, affine @ nib.orientations.inv_ornt_aff(turn, image.shape))
    nib.save(source, tmp_path / "case.nii.gz")
    mask = stub(tmp_path / "case.nii.gz")
    np.testing.assert_array_equal(mask.array, turned_truth)
    for ending in (".nii.gz", ".mhd", ".mha"):
        saved = mask.save(tmp_path / f"mask{ending}")
        found = itk.array_from_image(itk.imread(str(saved))).T
        np.testing.assert_array_equal(found, turned_truth)
        np.testing.assert_allclose(itk_affine(saved), source.affine, atol=1e-4)
        np.testing.assert_allclose(world(found, itk_affine(saved)), world(truth, affine), atol=1e-3)


def test_a_niftis_geometry_is_kept_number_by_number(stub: Segmenter, tmp_path: Path) -> None:
    truth, image = bright_object()
    qform, sform = np.diag([-0.7, 0.7, 3.3, 1]), np.eye(4) * [1.1, 0.9, 2, 1]
    source = nib.Nifti1Image(image, None)
    source.set_qform(qform, 1)
    source.set_sform(sform, 2)
    source.header["descrip"] = b"Doe^Jane"
    nib.save(source, tmp_path / "case.nii")
    saved = nib.load(stub(tmp_path / "case.nii").save(tmp_path / "mask.nii.gz"))
    source = nib.load(tmp_path / "case.nii")
    for key in ("qform_code", "sform_code", "quatern_b", "qoffset_x", "srow_x", "srow_y", "srow_z", "pixdim"):
        np.testing.assert_array_equal(saved.header[key], source.header[key], err_msg=key)
    np.testing.assert_array_equal(np.asarray(saved.dataobj), truth)
    assert saved.get_data_dtype() == np.uint8
    assert b"Doe" not in saved.header.binaryblock


@pytest.mark.parametrize("ending", [".nii.gz", ".mhd"])
def test_one_slice_keeps_its_third_dimension_and_a_plane_its_two(stub: Segmenter, tmp_path: Path, ending: str) -> None:
    truth, image = bright_object((16, 16, 1))
    for dimensions, array in ((3, image), (2, image[..., 0])):
        path = tmp_path / f"case{dimensions}{ending}"
        if ending == ".mhd":
            written = itk.image_from_array(np.ascontiguousarray(array.T.astype(np.float32)))
            written.SetSpacing([0.5, 0.7, 3.0][:dimensions])
            itk.imwrite(written, str(path))
        else:
            nib.save(nib.Nifti1Image(array, np.diag([0.5, 0.7, 3.0, 1.0])), path)
        saved = stub(path).save(tmp_path / f"mask{dimensions}{ending}")
        shape = itk.array_from_image(itk.imread(str(saved))).T.shape if ending == ".mhd" else nib.load(saved).shape
        assert shape == truth.shape[:dimensions]
        if ending == ".mhd":
            np.testing.assert_allclose(list(itk.imread(str(saved)).GetSpacing()), [0.5, 0.7, 3.0][:dimensions])


def test_a_shuffled_oblique_series_comes_back_where_its_files_lie(stub: Segmenter, tmp_path: Path) -> None:
    truth, image = bright_object()
    series = write_series(tmp_path / "series", image, names=["c.dcm", "a.dcm", "e.dcm", "b.dcm", "d.dcm"])
    mask = stub(series)
    np.testing.assert_array_equal(mask.array, truth)
    saved = mask.save(tmp_path / "mask.mhd")
    reader = itk.GDCMSeriesFileNames.New(Directory=str(series))  # ITK's own idea of where the series lies
    volume = itk.imread(list(reader.GetInputFileNames()))
    written = itk.imread(str(saved))
    np.testing.assert_allclose(list(written.GetSpacing()), list(volume.GetSpacing()), rtol=1e-5)
    np.testing.assert_allclose(list(written.GetOrigin()), list(volume.GetOrigin()), atol=1e-4)
    np.testing.assert_allclose(np.asarray(written.GetDirection()), np.asarray(volume.GetDirection()), atol=1e-5)
    np.testing.assert_array_equal(itk.array_from_image(written) == 1, itk.array_from_image(volume) > 500)


@pytest.mark.parametrize("fault", ["doubled", "gap"])
def test_a_series_with_doubled_or_missing_slices_is_refused(stub: Segmenter, tmp_path: Path, fault: str) -> None:
    _, image = bright_object()
    series = write_series(tmp_path / "series", image)
    if fault == "doubled":
        (series / "copy.dcm").write_bytes((series / "002.dcm").read_bytes())
    else:
        (series / "003.dcm").unlink()
    with pytest.raises(ValueError, match="lie in one place|missing"):
        stub(series)


def test_an_enhanced_file_comes_back_in_its_place(stub: Segmenter, tmp_path: Path) -> None:
    truth, image = bright_object()
    path = save(make_enhanced(image), tmp_path / "enhanced.dcm")
    mask = stub(path)
    np.testing.assert_array_equal(mask.array, truth)
    saved = mask.save(tmp_path / "mask.nii.gz")
    np.testing.assert_allclose(nib.load(saved).affine, read_image(path).affine, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(nib.load(saved).dataobj), truth)


def test_ultrasound_frames_come_back_by_their_numbers(stub: Segmenter, tmp_path: Path) -> None:
    truth, image = bright_object()
    frames = np.ascontiguousarray(np.moveaxis(image.astype(np.uint16), (0, 1, 2), (2, 1, 0)))
    regions = calibrated_region(0.05)
    path = write_dicom(tmp_path / "clip.dcm", frames, modality=US_MULTI, SequenceOfUltrasoundRegions=regions)
    mask = stub(path)
    np.testing.assert_array_equal(mask.array, truth)
    written = itk.imread(str(mask.save(tmp_path / "mask.mhd")))
    np.testing.assert_array_equal(itk.array_from_image(written).T, truth)
    np.testing.assert_allclose(list(written.GetSpacing()), [0.5, 0.5, 1.0])
    mask.save(tmp_path / "masks.png")
    for z in range(5):
        with Image.open(tmp_path / "masks" / f"{z + 1:04d}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture).T, truth[..., z])


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif"])
def test_a_pictures_mask_shows_its_classes_in_the_colours_of_the_overlays(
    stub: Segmenter, tmp_path: Path, ending: str
) -> None:
    truth, image = bright_object((16, 16, 1))
    gray = np.where(truth[..., 0], 250, 10).astype(np.uint8)
    Image.fromarray(np.ascontiguousarray(gray.T)).save(tmp_path / f"photo{ending}", quality=100)
    saved = stub(tmp_path / f"photo{ending}").save(tmp_path / "mask.png")
    with Image.open(saved) as picture:
        np.testing.assert_array_equal(np.asarray(picture).T, truth[..., 0])
        shown = np.asarray(picture.convert("RGB")).transpose(1, 0, 2)
    assert {tuple(map(int, colour)) for colour in shown[truth[..., 0] == 1]} == {(0xE6, 0x9F, 0x00)}
    assert image.shape == truth.shape


@pytest.mark.parametrize(("size", "shape"), [(32, (48, 40, 4)), (64, (48, 40, 4)), ([40, 28], (33, 47, 3))])
def test_another_network_size_moves_no_edge_by_more_than_its_own_pixel(
    tmp_path: Path, size: Any, shape: tuple[int, int, int]
) -> None:
    """The resampling error: at most one pixel of the coarser grid, everywhere."""
    truth = np.zeros(shape, dtype=np.uint8)
    truth[shape[0] // 4 : shape[0] // 2, shape[1] // 3 : shape[1] * 3 // 4, 1:] = 1
    image = truth.astype(np.int16) * 1000 + np.random.default_rng(0).integers(0, 20, shape)
    nib.save(nib.Nifti1Image(image.astype(np.int16), np.diag([0.5, 0.5, 3.0, 1.0])), tmp_path / "case.nii.gz")
    found = load_segmenter(write_run(tmp_path / "runs", size=size))(tmp_path / "case.nii.gz").array
    sizes = (size, size) if isinstance(size, int) else size
    for axis in (0, 1):
        error = max(1, shape[axis] / sizes[axis])
        for ours, theirs in zip(_extent(found, axis), _extent(truth, axis), strict=True):
            assert abs(ours - theirs) <= error
    assert not found[..., 0].any()


def _extent(mask: NDArray[np.uint8], axis: int) -> tuple[int, int]:
    places = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
    return int(places[0]), int(places[-1])


@pytest.mark.parametrize("coloured", [False, True])
def test_the_pages_of_a_tiff_come_back_as_a_folder_of_planes(stub: Segmenter, tmp_path: Path, coloured: bool) -> None:
    truth, _ = bright_object()
    gray = [np.ascontiguousarray(np.where(truth[..., z], 250, 10).astype(np.uint8).T) for z in range(5)]
    first, *further = [Image.fromarray(np.repeat(page[..., None], 3, axis=2) if coloured else page) for page in gray]
    first.save(tmp_path / "stack.tif", save_all=True, append_images=further)
    mask = stub(tmp_path / "stack.tif")
    np.testing.assert_array_equal(mask.array, truth)
    mask.save(tmp_path / "masks.png")
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == [f"{z + 1:04d}.png" for z in range(5)]
    for z in range(5):
        with Image.open(tmp_path / "masks" / f"{z + 1:04d}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture).T, truth[..., z])
            assert picture.getpalette()[3:6] == [0xE6, 0x9F, 0x00]


STEPS = (0.5, 0.7, 3.0)


def oblique(shape: tuple[int, ...], folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.float64], Path]:
    """An ellipsoid in an oblique, anisotropic volume: its mask, its affine and its file."""
    x, y, z = (np.arange(n) - n / 2 + 0.5 for n in shape)
    far = (x[:, None, None] * STEPS[0] - 1) ** 2 / 36 + (y[None, :, None] * STEPS[1] + 1) ** 2 / 25
    truth = (far + (z[None, None] * STEPS[2]) ** 2 / 64 < 1).astype(np.uint8)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = OBLIQUE @ np.diag(STEPS), [12.25, -7.5, 101.0]
    image = truth * np.int16(1000) + np.random.default_rng(0).integers(0, 20, shape).astype(np.int16)
    nib.save(nib.Nifti1Image(image, affine), folder / "case.nii.gz")
    return truth, affine, folder / "case.nii.gz"


def test_a_network_of_the_files_own_pixels_gives_identical_voxels_padded_and_cropped(tmp_path: Path) -> None:
    truth, affine, path = oblique((41, 30, 6), tmp_path)
    run = write_run(tmp_path / "runs", size=[34, 48], pixel_spacing=list(STEPS[:2]))  # 34 of 41, 48 around 30
    mask = load_segmenter(run)(path)
    np.testing.assert_array_equal(mask.array, truth)
    saved = nib.load(mask.save(tmp_path / "mask.nii.gz"))
    np.testing.assert_array_equal(saved.affine, nib.load(path).affine)
    np.testing.assert_allclose(world(np.asarray(saved.dataobj), saved.affine), world(truth, affine), atol=1e-3)


@pytest.mark.parametrize("pixel_spacing", [0.3, 0.6, 1.0, 1.7, [1.3, 0.4]])
@pytest.mark.parametrize("shape", [(40, 30, 6), (53, 47, 4)])
def test_a_pixel_spacing_moves_no_edge_by_more_than_a_pixel_of_the_coarser_grid(
    tmp_path: Path, pixel_spacing: Any, shape: tuple[int, int, int]
) -> None:
    """The resampling error: the mask lies between the object made smaller and greater by one pixel on every side."""
    truth, _, path = oblique(shape, tmp_path)
    run = write_run(tmp_path / "runs", size=128, pixel_spacing=pixel_spacing)
    mask = load_segmenter(run)(path)
    wanted = pixel_spacing if isinstance(pixel_spacing, list) else [pixel_spacing] * 2
    box = [2 * max(1, round(w / s)) + 1 for w, s in zip(wanted, STEPS, strict=False)]
    reach = np.ones((*box, 1), dtype=bool)
    found, inside = mask.array == 1, truth == 1
    assert not (found & ~binary_dilation(inside, reach)).any()
    assert not (~found & ~binary_dilation(~inside, reach)).any()
    assert mask.affine is not None
    np.testing.assert_array_equal(mask.affine, nib.load(path).affine)


def test_what_the_network_does_not_see_is_background_and_told(tmp_path: Path) -> None:
    truth, _, path = oblique((40, 30, 6), tmp_path)
    run = write_run(tmp_path / "runs", size=[16, 30], pixel_spacing=list(STEPS[:2]))  # of 40, from 12 to 28
    mask = load_segmenter(run, probabilities=True)(path)
    np.testing.assert_array_equal(mask.array[12:28], truth[12:28])
    assert truth[:12].any()
    assert not mask.array[:12].any()
    assert not mask.array[28:].any()
    assert mask.probabilities is not None
    assert (mask.probabilities[:12, ..., 0] == 1).all()
    assert "prostate touches the border and first or last slice of the part that the network saw" in mask.flags


def test_an_image_without_a_spacing_is_refused_by_a_network_that_has_one(tmp_path: Path) -> None:
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(tmp_path / "photo.png")
    segmenter = load_segmenter(write_run(tmp_path / "runs", pixel_spacing=0.5))
    with pytest.raises(ValueError, match=r"photo\.png tells no spacing of its pixels, and pixel_spacing is set"):
        segmenter(tmp_path / "photo.png")


@pytest.mark.parametrize("case", ["ProstateX-0000", "ProstateX-0001"])
def test_a_real_series_comes_back_on_its_own_grid(real_data: Path, tmp_path: Path, case: str) -> None:
    series = real_data / "prostatex" / case / "dicom"
    size = read_image(series).array.shape[:2]
    mask = load_segmenter(write_run(tmp_path / "runs", size=list(size)))(series)
    saved = itk.imread(str(mask.save(tmp_path / "mask.mhd")))
    drawn = itk.imread(str(real_data / "prostatex" / case / f"{case}_t2w_segmentation.mhd"), itk.F)
    assert itk.size(saved) == itk.size(drawn)
    np.testing.assert_allclose(list(saved.GetSpacing()), list(drawn.GetSpacing()), rtol=1e-4)
    np.testing.assert_allclose(list(saved.GetOrigin()), list(drawn.GetOrigin()), atol=1e-2)
    np.testing.assert_allclose(np.asarray(saved.GetDirection()), np.asarray(drawn.GetDirection()), atol=1e-4)
    names = itk.GDCMSeriesFileNames.New(Directory=str(series))
    volume = itk.array_from_image(itk.imread(list(names.GetInputFileNames()))).astype(np.float32)
    low, high = np.percentile(volume, (0.5, 99.5))
    np.testing.assert_array_equal(itk.array_from_image(saved) == 1, (volume - low) / (high - low) > 0.5)
