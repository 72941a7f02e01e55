"""Writing what was segmented: each file whole or not there, in the format and the geometry of its image."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.transforms.transform import Transform
from numpy.typing import NDArray

from ..errors import UserError
from ..formats.volume import Volume
from ..runs.provenance import file_sha256
from ..storage.atomic_files import flush
from .dicom_seg import why_no_segmentation, write_segmentation
from .geometry_files import write_metaimage, write_nifti, write_pictures
from .inputs import MASK, Input
from .records import PROBABILITIES, TEMPORARY, CaseRecords

FORMATS = {"mhd": ".mhd", "mha": ".mha", "nifti": ".nii.gz", "png": ".png", "dicom_seg": ".dcm"}


class WriteOutputs(Transform):  # type: ignore[misc]  # MONAI has no types
    """Write a mask, and the probabilities where they were kept, and record them.

    Args:
        records: of the folder of the outputs.
        labels: class names, index = class value.
        output_format: "mhd", "mha", "nifti", "png" or "dicom_seg"; None takes that of the image.

    Raises:
        ValueError: there is no such format.
    """

    def __init__(self, records: CaseRecords, labels: Sequence[str], output_format: str | None = None) -> None:
        if output_format is not None and output_format not in FORMATS:
            raise UserError(f"output_format must be one of {', '.join(FORMATS)}, got {output_format!r}")
        self.records = records
        self.labels = list(labels)
        self.output_format = output_format

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Write ``pred``, the mask (X, Y, Z); ``result`` gets ``outputs``, paths below the folder of the outputs."""
        case, volume, result = data["case"], data["volume"], data["result"]
        kind, reason = choose_format(case, volume, self.output_format)
        notes = [reason] if reason else []
        folder, stem = (self.records.output_dir / case.name).parent, Path(case.name).name
        folder.mkdir(parents=True, exist_ok=True)

        def fill(temporary: Path) -> None:
            try:
                _write(temporary / (stem + MASK + FORMATS[kind]), data["pred"], case, volume, self.labels)
            except UserError as error:
                if kind != "dicom_seg" or self.output_format is not None:
                    raise
                instead, name = other_than_dicom(volume)
                notes.append(f"written as {name}: it {error.fault.split('; set --output_format')[0]}")
                _write(temporary / (stem + MASK + FORMATS[instead]), data["pred"], case, volume, self.labels)
            if result["probabilities"] is not None:
                write_nifti(temporary / f"{stem}{PROBABILITIES}.nii.gz", result["probabilities"], case, volume)

        kept = {key: value for key, value in result.items() if key not in ("probabilities", "confidence")}

        def record(hashes: Mapping[str, str]) -> None:
            files = {(Path(case.name).parent / name).as_posix(): sha256 for name, sha256 in hashes.items()}
            kept.update(outputs=list(files), notes=notes)
            self.records.write(case, files, kept)

        write_together(folder, fill, record)
        return {**data, "result": kept}


def choose_format(case: Input, volume: Volume, wanted: str | None) -> tuple[str, str]:
    """The format of a mask, and where that is not its image's own, why.

    Raises:
        ValueError: a DICOM segmentation is asked for, and there can be none.
    """
    missing = why_no_segmentation(volume) if case.kind == "dicom" else "it is no DICOM image"
    if wanted == "dicom_seg" and missing:
        raise UserError(f"gets no DICOM segmentation: {missing}; set another --output_format", path=case.path)
    sheared = volume.affine is not None and not _is_rectangular(volume.affine)
    if wanted in ("mhd", "mha") and sheared:
        raise UserError(
            ": its axes are not at right angles, which MetaImage can't tell; set --output_format nifti", path=case.path
        )
    if wanted is not None:
        return wanted, ""
    if case.kind == "dicom" and missing:
        kind, name = other_than_dicom(volume)
        return kind, f"written as {name}: {missing}"
    if case.kind == "dicom":
        return "dicom_seg", ""
    return {"nifti": "nifti", "picture": "png"}.get(case.kind) or case.path.suffix.lower()[1:], ""


def other_than_dicom(volume: Volume) -> tuple[str, str]:
    """Format of the mask of a DICOM image that can't have a DICOM segmentation, and its name."""
    sheared = volume.affine is not None and not _is_rectangular(volume.affine)
    return ("nifti", "NIfTI") if sheared else ("mhd", "MetaImage")


def _is_rectangular(affine: NDArray[np.float64]) -> bool:
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return np.allclose(axes.T @ axes, np.eye(3), atol=1e-3)


def write_mask(path: Path, mask: NDArray[np.uint8], case: Input, volume: Volume, labels: Sequence[str]) -> Path:
    """Write one mask in the format of its name, which must not exist; see ``Mask.save``."""
    if path.exists():
        raise UserError(f"{path} exists; move it or choose another name")
    wanted = [kind for kind, ending in FORMATS.items() if path.name.endswith(ending)]
    if not wanted:
        raise UserError(f"{path} must end in {', '.join(FORMATS.values())}; choose another name")
    choose_format(case, volume, wanted[0])
    write_together(path.parent, lambda temporary: _write(temporary / path.name, mask, case, volume, labels))
    return path


def _write(path: Path, mask: NDArray[np.uint8], case: Input, volume: Volume, labels: Sequence[str]) -> None:
    """Write a mask in the format of its name; several planes as PNG become a folder of that name without its ending."""
    if path.suffix == ".dcm":
        write_segmentation(path, mask, case, volume, labels)
    elif path.name.endswith(".nii.gz"):
        write_nifti(path, mask, case, volume)
    elif path.suffix == ".png":
        write_pictures(path if mask.shape[2] == 1 else path.with_suffix(""), mask, labels, plane_numbers(volume))
    else:
        write_metaimage(path, mask, case, volume)


def plane_numbers(volume: Volume) -> list[int]:
    """A number for each plane: that of its frame in a file of many, else its place in the stack, from 1."""
    one_file = len({uid for uid, _ in volume.frames}) == 1
    return [number for _, number in volume.frames] if one_file else list(range(1, volume.array.shape[2] + 1))


def write_together(
    folder: Path, fill: Callable[[Path], None], announce: Callable[[Mapping[str, str]], None] | None = None
) -> None:
    """Let ``fill`` write files into a temporary folder, flush them, and then move them into ``folder``.

    Headers (.mhd) come last, so that none names numbers that are not there.

    Args:
        folder: where they shall be.
        fill: writes files, or folders of files, into the folder that it is given.
        announce: called with the hash of each file by its path below ``folder``, just before they are moved.
    """
    temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=folder))
    try:
        fill(temporary)
        made = sorted(temporary.iterdir(), key=lambda path: (path.suffix == ".mhd", path.name))
        files = [file for path in made for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
        for file in files:
            flush(file)
        if announce is not None:
            announce({file.relative_to(temporary).as_posix(): file_sha256(file) for file in files})
        for path in made:
            target = folder / path.name
            if path.is_dir() and target.is_dir():
                shutil.rmtree(target)
            path.replace(target)
        flush(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
