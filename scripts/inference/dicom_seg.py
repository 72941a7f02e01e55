"""A mask as a DICOM segmentation: binary, a segment a class, each frame with the instance that it was drawn on."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sr.codedict import codes
from pydicom.valuerep import DA, TM

from ..errors import UserError
from ..formats.dicom_file import find_dicoms, open_header
from ..formats.volume import Volume
from ..palette import as_rgb, class_colours, has_background
from ..runs.provenance import bundle_version
from .inputs import Input
from .segment_codes import Code, codes_of

NAME = "dual_focal_loss_segmentation"
# What a segmentation takes over from its image, and may be empty; images of research often lack some.
_MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_TEXTS = {"PatientID", "PatientName", "StudyID", "AccessionNumber", "ReferringPhysicianName", "StudyDescription"}
_PARSED = {"DA": DA, "TM": TM}
_SERIES_STEP = 9000  # added to the number of the image's series


def why_no_segmentation(volume: Volume) -> str:
    """Why a DICOM image can't have a DICOM segmentation; empty where it can."""
    if volume.affine is None:
        return "its frames have no place in the patient, which a DICOM segmentation needs"
    if not volume.frame_of_reference:
        return "it has no frame of reference, which a DICOM segmentation needs"
    if len(set(volume.frames)) < len(volume.frames) or not all(uid for uid, _ in volume.frames):
        return "its slices have no SOPInstanceUID of their own, by which a DICOM segmentation names them"
    return ""


def write_segmentation(path: Path, mask: NDArray[np.uint8], case: Input, volume: Volume, labels: Sequence[str]) -> None:
    """Write a mask as a DICOM segmentation of its image's study, with the image's patient.

    Args:
        path: the file.
        mask: (X, Y, Z), class indices; the class of background becomes no segment.
        case: where the image is from.
        volume: the image, DICOM with a frame of reference.
        labels: class names, index = class value.

    Raises:
        ValueError: the image's header lacks what a segmentation must take over from it.
    """
    first = int(has_background(labels))
    try:
        sources, planes = _sources(case, volume)
        frames = np.ascontiguousarray(mask.transpose(2, 1, 0)[planes]) + np.uint8(1 - first)  # (X, Y, Z) -> (Z, Y, X)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values in the image's header that the standard does not know
            segmentation = hd.seg.Segmentation(
                source_images=sources,
                pixel_array=frames,
                segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
                segment_descriptions=[_describe(i, label, labels) for i, label in enumerate(labels[first:], start=1)],
                series_instance_uid=hd.UID(),
                series_number=int(sources[0].get("SeriesNumber") or 0) + _SERIES_STEP,
                sop_instance_uid=hd.UID(),
                instance_number=1,
                manufacturer=NAME,
                manufacturer_model_name=NAME,
                software_versions=bundle_version(),
                device_serial_number="1",
                content_label="SEGMENTATION",
                series_description="Segmentation by a network, not reviewed",
                omit_empty_frames=bool(mask.any()) or not first,
            )
            segmentation.save_as(path)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise UserError(
            f"can't be written as a DICOM segmentation ({said}); set --output_format mhd", path=case.path
        ) from error


def _sources(case: Input, volume: Volume) -> tuple[list[Dataset], list[int]]:
    """The image's headers, and for each of their frames in order the plane of the mask."""
    wanted = {uid for uid, _ in volume.frames}
    step = 1.0 if volume.affine is None else float(np.linalg.norm(volume.affine[:3, 2]))
    files = [case.path] if case.path.is_file() else find_dicoms(case.path)
    chosen = {uid: path for path in files if (uid := open_header(path).text("SOPInstanceUID")) in wanted}
    if len(wanted) == 1 and len(volume.frames) > 1:
        numbers = [number for _, number in volume.frames]
        return [_header(next(iter(chosen.values())), step)], [numbers.index(n) for n in range(1, len(numbers) + 1)]
    return [_header(chosen[uid], step) for uid, _ in volume.frames], list(range(len(volume.frames)))


def _header(path: Path, step: float) -> Dataset:
    """A header with what a segmentation takes over brought into the standard's form: what has none is left empty.

    Args:
        path: of the image.
        step: millimetres from plane to plane, where the image does not say how thick they are.
    """
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    for name in _NEEDED:
        if not dataset.get(name):
            raise ValueError(f"the image has no {name}")
    for name in _MAY_BE_EMPTY:
        if name not in dataset or not _is_of_its_form(dataset[name].VR, dataset[name].value):
            setattr(dataset, name, "")
    if dataset.PatientSex not in ("M", "F", "O", "", None):
        dataset.PatientSex = ""
    if not re.fullmatch(r"[+-]?\d{1,9}", str(dataset.get("SeriesNumber", ""))):
        dataset.SeriesNumber = None
    if dataset.get("SpecificCharacterSet", "ISO_IR 100") not in ("ISO_IR 100", "ISO_IR 192"):
        for name in _TEXTS & set(dataset.dir()):
            setattr(dataset, name, str(dataset[name].value or ""))  # decoded by the character set that it had
        dataset.SpecificCharacterSet = "ISO_IR 192"
    _fill_thickness(dataset, step)
    return dataset


def _is_of_its_form(vr: str, value: Any) -> bool:
    """Whether a value is one that highdicom takes: a single one, and a date or time of the standard's form."""
    if value is None or value == "":
        return True
    try:
        return not isinstance(value, MultiValue) and (vr not in _PARSED or bool(_PARSED[vr](str(value))))
    except ValueError:
        return False


def _fill_thickness(dataset: Dataset, step: float) -> None:
    groups = [*dataset.get("SharedFunctionalGroupsSequence", ()), *dataset.get("PerFrameFunctionalGroupsSequence", ())]
    measures = [each for group in groups for each in group.get("PixelMeasuresSequence", ())]
    for level in measures or [dataset]:
        if not (level.get("SliceThickness") or 0) > 0:
            level.SliceThickness = f"{step:.6g}"


def _describe(number: int, label: str, labels: Sequence[str]) -> Any:
    category, kind = codes_of(label)
    colour = hd.color.CIELabColor.from_rgb(*as_rgb(class_colours(labels)[labels.index(label)]))
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=label[:64],
        segmented_property_category=_concept(category),
        segmented_property_type=_concept(kind),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=NAME, version=bundle_version(), family=codes.DCM.ArtificialIntelligence
        ),
        display_color=colour,
    )


def _concept(code: Code) -> Any:
    return hd.sr.CodedConcept(code.value, "SCT", code.meaning)
