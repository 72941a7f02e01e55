from __future__ import annotations

import numpy as np
import pytest

from scripts.formats.dicom_image import dicom_depth, read_dicom
from scripts.formats.dicom_series import list_series
from scripts.formats.reading import read_image
from tests.dicom_files import make_dicom, make_enhanced, make_series, save


def test_the_series_of_a_folder_are_listed_and_one_is_chosen(tmp_path):
    volumes = [np.random.default_rng(seed).integers(0, 99, (4, 5, 3)).astype(np.uint16) for seed in range(2)]
    for number, (volume, uid) in enumerate(zip(volumes, ["1.2.4", "1.2.3"], strict=True)):
        for z, plane in enumerate(make_series(volume, SeriesInstanceUID=uid, SeriesDescription=f"t{number}")):
            save(plane, tmp_path / f"{z}_{number}.dcm")
    save(make_enhanced(volumes[0], SeriesInstanceUID="1.2.5"), tmp_path / "other/many.dcm")
    report = make_dicom(np.zeros((1, 2, 2), dtype=np.uint8), Rows=None, PixelData=None, SeriesInstanceUID="1.2.6")
    save(report, tmp_path / "other/report.dcm")
    found = list_series(tmp_path)
    assert [(s.uid, s.description, s.num_frames, len(s.files)) for s in found] == [
        ("1.2.3", "t1", 3, 3),
        ("1.2.4", "t0", 3, 3),
        ("1.2.5", "", 3, 1),
    ]
    with pytest.raises(ValueError, match="is of another series than"):
        read_dicom(tmp_path)
    chosen = read_image(tmp_path, series_uid="1.2.3")
    np.testing.assert_array_equal(chosen.array, volumes[1])
    assert len({uid for uid, _ in chosen.frames}) == 3
    with pytest.raises(FileNotFoundError, match=r"holds no file of the series 1\.2\.9"):
        read_dicom(tmp_path, series_uid="1.2.9")


def test_a_series_of_two_patients_and_one_of_shifted_planes_are_refused(tmp_path):
    volume = np.arange(60, dtype=np.uint16).reshape(4, 5, 3)
    planes = make_series(volume)
    planes[1].PatientID = "Somebody else"
    for z, plane in enumerate(planes):
        save(plane, tmp_path / f"patients/{z}.dcm")
    with pytest.raises(ValueError, match=r"1\.dcm: its PatientID is not that of the first file") as error:
        read_dicom(tmp_path / "patients")
    assert "Somebody" not in str(error.value)
    planes = make_series(volume)
    planes[1].ImagePositionPatient[0] += 2
    for z, plane in enumerate(planes):
        save(plane, tmp_path / f"shifted/{z}.dcm")
    with pytest.raises(ValueError, match="its planes are shifted by 2 mm against each other"):
        read_dicom(tmp_path / "shifted")


@pytest.mark.parametrize("name", ["DICOMDIR", "dicomdir", "DICOMDIR;1", "dicomdir."])
def test_the_index_of_a_medium_is_no_slice(tmp_path, name):
    volume = np.arange(60, dtype=np.uint16).reshape(4, 5, 3)
    for z, plane in enumerate(make_series(volume)):
        save(plane, tmp_path / f"{z}.dcm")
    save(make_dicom(np.zeros((1, 2, 2), dtype=np.uint8), Rows=None, PixelData=None), tmp_path / name)
    np.testing.assert_array_equal(read_dicom(tmp_path).array, volume)


def test_a_report_beside_the_slices_is_left_out_and_a_slice_without_its_size_is_not(tmp_path):
    volume = np.arange(60, dtype=np.uint16).reshape(4, 5, 3)
    planes = make_series(volume)
    for z, plane in enumerate(planes):
        save(plane, tmp_path / f"{z}.dcm")
    report = make_dicom(np.zeros((1, 2, 2), dtype=np.uint8), Rows=None, Columns=None, PixelData=None)
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.22"
    save(report, tmp_path / "report.dcm")
    np.testing.assert_array_equal(read_dicom(tmp_path).array, volume)
    assert dicom_depth(tmp_path) == 16
    with pytest.raises(ValueError, match=r"report\.dcm has no Rows"):
        read_dicom(tmp_path / "report.dcm")
    del planes[2].Rows
    save(planes[2], tmp_path / "2.dcm")
    with pytest.raises(ValueError, match=r"2\.dcm has no Rows: it is cut short"):
        read_dicom(tmp_path)


def test_a_plane_without_a_position_among_others_is_refused(tmp_path):
    planes = make_series(np.arange(60, dtype=np.uint16).reshape(4, 5, 3))
    del planes[1].ImagePositionPatient
    for z, plane in enumerate(planes):
        save(plane, tmp_path / f"{z}.dcm")
    with pytest.raises(ValueError, match="1 of its 3 planes have no position"):
        read_dicom(tmp_path)


def test_an_ultrasound_volume_is_ordered_by_its_own_space_and_lies_nowhere_in_the_patient(tmp_path):
    volume = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    ds = make_enhanced(volume)
    for group, z in zip(ds.PerFrameFunctionalGroupsSequence, [0, 2, 1], strict=True):
        position = group.PlanePositionSequence[0]
        del group.PlanePositionSequence, position.ImagePositionPatient
        position.ImagePositionVolume = [0, 0, z * 2.0]
        group.PlanePositionVolumeSequence = [position]
    shared = ds.SharedFunctionalGroupsSequence[0]
    orientation = shared.PlaneOrientationSequence[0]
    orientation.ImageOrientationVolume = orientation.ImageOrientationPatient
    del shared.PlaneOrientationSequence, orientation.ImageOrientationPatient
    shared.PlaneOrientationVolumeSequence = [orientation]
    found = read_dicom(save(ds, tmp_path / "a.dcm"))
    np.testing.assert_array_equal(found.array, volume[:, :, [0, 2, 1]])
    assert found.affine is None
    assert found.spacing == (0.5, 0.7, 2.0)


def test_real_series_are_placed_and_read_as_itk_reads_them(real_data):
    import itk

    folders = sorted(real_data.glob("prostatex/*/dicom"))
    if not folders:
        pytest.skip("no real data: prostatex is not there")
    for folder in folders:
        ours = read_dicom(folder)
        names = itk.GDCMSeriesFileNames.New()
        names.SetDirectory(str(folder))
        reader = itk.ImageSeriesReader[itk.Image[itk.F, 3]].New()
        reader.SetFileNames(names.GetFileNames(names.GetSeriesUIDs()[0]))
        reader.SetImageIO(itk.GDCMImageIO.New())
        reader.Update()
        theirs = reader.GetOutput()
        np.testing.assert_array_equal(ours.array, itk.array_from_image(theirs).T)
        corner = np.array(theirs.TransformIndexToPhysicalPoint([5, 4, 3])) * [-1, -1, 1]
        np.testing.assert_allclose((ours.affine @ [5, 4, 3, 1])[:3], corner, atol=1e-3)


def test_real_ultrasound_is_read_in_its_frames_colours_and_scale(real_data):
    files = sorted((real_data / "us_dicom").glob("*.dcm"))
    if not files:
        pytest.skip("no real data: us_dicom is not there")
    found = {path.name: read_dicom(path) for path in files}
    shapes = {"OBXXXX1A_2frame.dcm": (800, 600, 2, 3), "US1_J2KR.dcm": (640, 480, 1, 3)}
    shapes |= {"US1_UNCI.dcm": (640, 480, 1, 3), "examples_ybr_color.dcm": (320, 240, 30, 3)}
    assert {name: volume.array.shape for name, volume in found.items()} == shapes
    assert found["examples_ybr_color.dcm"].spacing == pytest.approx((0.51, 0.51), abs=0.005)
