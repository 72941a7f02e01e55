"""Small made-up DICOM files as scanners and annotation tools write them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
US, US_MULTI, MR = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1", "1.2.840.10008.5.1.4.1.1.4"
SYNTAXES = {
    "raw": ExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg": JPEGBaseline8Bit,
    "jpeg2000": JPEG2000Lossless,
    "jpegls": JPEGLSLossless,
}


def make_dicom(frames: NDArray[Any], *, syntax: str = "raw", modality: str = US_MULTI, **tags: Any) -> Dataset:
    """Make a data set of frames (F, Y, X) or (F, Y, X, 3); ``tags`` replaces values, None leaves one out."""
    colour = frames.ndim == 4
    bits = frames.dtype.itemsize * 8
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
    ds.SOPClassUID, ds.SOPInstanceUID = modality, generate_uid()
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = (generate_uid() for _ in range(3))
    ds.PatientID, ds.PatientName, ds.Modality, ds.StudyID = "ID", "Name^Some", "US", "1"
    ds.PatientBirthDate = ds.PatientSex = ds.StudyDate = ds.StudyTime = ds.AccessionNumber = ""
    ds.SeriesNumber, ds.InstanceNumber, ds.Manufacturer = 1, 1, "made up"
    ds.Rows, ds.Columns, ds.NumberOfFrames = frames.shape[1], frames.shape[2], frames.shape[0]
    ds.SamplesPerPixel = 3 if colour else 1
    ds.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit, ds.PixelRepresentation = bits - 1, int(frames.dtype.kind == "i")
    if syntax in ("jpeg", "jpeg2000"):
        ds.PixelData = encapsulate([_encode(frame, syntax) for frame in frames])
        ds["PixelData"].VR = "OB"
        ds.PhotometricInterpretation = {(True, "jpeg"): "YBR_FULL_422", (True, "jpeg2000"): "YBR_RCT"}.get(
            (colour, syntax), ds.PhotometricInterpretation
        )
    else:
        data = frames.tobytes()
        ds.PixelData = data + b"\0" * (len(data) % 2)
        ds["PixelData"].VR = "OW" if bits > 8 else "OB"
        if syntax != "raw":
            ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            ds.compress(SYNTAXES[syntax], generate_instance_uid=False)
    for name, value in tags.items():
        if value is None:
            del ds[name]
        else:
            setattr(ds, name, value)
    return ds


def save(ds: Dataset, path: Path) -> Path:
    """Write a data set."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def write_dicom(path: Path, frames: NDArray[Any], **options: Any) -> Path:
    """Write one file; see ``make_dicom``."""
    return save(make_dicom(frames, **options), path)


def make_series(volume: NDArray[Any], *, step: float = 3.0, **tags: Any) -> list[Dataset]:
    """One data set a plane of (X, Y, Z), each with its position; the direction is oblique."""
    axes = np.array([[1.0, 0.0, 0.0], [0.0, 0.8, 0.6]])
    normal = np.cross(*axes)
    series, frame, study = (generate_uid() for _ in range(3))
    planes = []
    for z in range(volume.shape[2]):
        position = np.array([-10.0, 20.0, 5.0]) + normal * step * z
        geometry = {
            "ImagePositionPatient": [f"{v:.6f}" for v in position],
            "ImageOrientationPatient": axes.ravel().tolist(),
            "PixelSpacing": [0.7, 0.5],
            "SliceThickness": step,
            "InstanceNumber": z + 1,
            "SeriesInstanceUID": series,
            "FrameOfReferenceUID": frame,
            "StudyInstanceUID": study,
            "NumberOfFrames": None,
            "Modality": "MR",
        }
        plane = np.ascontiguousarray(volume[:, :, z].T)[np.newaxis]
        planes.append(make_dicom(plane, **({"modality": MR} | geometry | tags)))
    return planes


def write_series(folder: Path, volume: NDArray[Any], *, names: list[str] | None = None, **options: Any) -> Path:
    """Write a series of single planes; the files' names run against the order of the planes."""
    planes = make_series(volume, **options)
    names = names or [f"{len(planes) - z:03d}.dcm" for z in range(len(planes))]
    for plane, name in zip(planes, names, strict=True):
        save(plane, folder / name)
    return folder


def put_bytes(ds: Dataset, name: str, value: bytes, vr: str = "DS") -> None:
    """Put a value into a header as it stands, whatever the standard says of it."""
    tag = pydicom.tag.Tag(name)
    ds[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)


def item(**tags: Any) -> Dataset:
    """An item of a sequence."""
    ds = Dataset()
    for name, value in tags.items():
        setattr(ds, name, value)
    return ds


def make_enhanced(volume: NDArray[Any], *, step: float = 3.0, rescales: Any = (), **tags: Any) -> Dataset:
    """One file of all planes of (X, Y, Z), each with its position and, in ``rescales``, its slope and intercept."""
    groups = []
    for z in range(volume.shape[2]):
        group = item(PlanePositionSequence=[item(ImagePositionPatient=[1.0, 2.0, step * z])])
        if len(rescales):
            slope, intercept = rescales[z]
            value = item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="US")
            group.PixelValueTransformationSequence = [value]
        groups.append(group)
    shared = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelMeasuresSequence=[item(PixelSpacing=[0.7, 0.5], SliceThickness=step)],
    )
    own = {"PerFrameFunctionalGroupsSequence": groups, "SharedFunctionalGroupsSequence": [shared]}
    frames = np.ascontiguousarray(np.moveaxis(volume, (0, 1, 2), (2, 1, 0)))
    return make_dicom(frames, **({"modality": ENHANCED_MR} | own | tags))


def write_segmentation(
    path: Path, mask: NDArray[Any], sources: list[Path], *, kind: str = "BINARY", num_segments: int = 1
) -> Path:
    """Write a mask (X, Y, Z) of segment numbers as DICOM-SEG, without its empty frames, by highdicom."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    images = [pydicom.dcmread(source) for source in sources]
    algorithm = hd.AlgorithmIdentificationSequence(name="a", version="1", family=codes.DCM.ArtificialIntelligence)
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"prostate {number}",
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Prostate,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        for number in range(1, num_segments + 1)
    ]
    segmentation = hd.seg.Segmentation(
        source_images=images,
        pixel_array=np.ascontiguousarray(np.moveaxis(mask, (0, 1, 2), (2, 1, 0))).astype(np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues[kind],
        segment_descriptions=segments,
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="made up",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
        omit_empty_frames=True,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    segmentation.save_as(path)
    return path


def write_frame_segmentation(path: Path, mask: NDArray[Any], source: Path, **tags: Any) -> Path:
    """Write a mask (X, Y, Z) of a file of many frames, which lies nowhere in space, as tools for ultrasound do."""
    image = pydicom.dcmread(source)
    drawn = [z for z in range(mask.shape[2]) if mask[:, :, z].any()]
    groups = []
    for z in drawn:
        group, derivation, reference, segment = Dataset(), Dataset(), Dataset(), Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
        reference.ReferencedFrameNumber = z + 1
        derivation.SourceImageSequence = [reference]
        segment.ReferencedSegmentNumber = 1
        group.DerivationImageSequence, group.SegmentIdentificationSequence = [derivation], [segment]
        groups.append(group)
    frames = np.ascontiguousarray(np.moveaxis(mask[:, :, drawn], (0, 1, 2), (2, 1, 0)))
    bits = np.packbits(frames.ravel() > 0, bitorder="little").tobytes()
    own = {
        "modality": "1.2.840.10008.5.1.4.1.1.66.4",
        "PixelData": bits + b"\0" * (len(bits) % 2),
        "BitsAllocated": 1,
        "BitsStored": 1,
        "HighBit": 0,
        "SegmentationType": "BINARY",
        "PerFrameFunctionalGroupsSequence": groups,
    }
    return write_dicom(path, frames, **(own | tags))


def calibrated_region(delta_cm: float) -> list[Dataset]:
    """A region of an ultrasound image with its scale."""
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1 = region.RegionLocationMaxY1 = 10
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = delta_cm, -delta_cm
    return [region]


def _encode(frame: NDArray[Any], syntax: str) -> bytes:
    buffer = io.BytesIO()
    options: dict[str, Any] = {"format": "JPEG", "quality": 95} if syntax == "jpeg" else {"format": "JPEG2000"}
    if syntax == "jpeg2000":
        options |= {"no_jp2": True, "irreversible": False, "mct": 1 if frame.ndim == 3 else 0}
    Image.fromarray(frame).save(buffer, **options)
    return buffer.getvalue()
