"""NIfTI volumes in the layout of the Medical Segmentation Decathlon.

Expected tree::

    <dataset_dir>/imagesTr/<name>.nii.gz
    <dataset_dir>/labelsTr/<name>.nii.gz
    <dataset_dir>/dataset.json             labels and list of cases, used where it is there

Labels: those of ``dataset.json``, or one class for each value that the masks hold, 0 to the greatest.
Licence: each task's own, CC BY-SA 4.0 for the ten of the Decathlon (http://medicaldecathlon.com).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import UserError
from ...formats.label_table import Key, LabelTable, whole_numbers
from ...formats.nifti import is_nifti, read_nifti
from ..cases import Case
from ..threads import run_in_threads
from .decathlon_json import check_cases_listed, labels_of, read_record
from .trees import files_by_stem, open_root, patient_of, refuse_lone

_TREE = "imagesTr and labelsTr"


def find_nifti(
    dataset_dir: str | Path,
    channel: int | None = None,
    patient_pattern: str | None = None,
    keep_names: bool = False,
    values: Sequence[Key | Sequence[Key]] | None = None,
) -> list[Case]:
    """Find every volume in ``imagesTr`` with the mask of the same name in ``labelsTr``.

    Args:
        dataset_dir: folder in the layout above.
        channel: which channel of volumes with four axes, such as 0 for T2 in Task05.
        patient_pattern: regular expression whose one group finds the patient in a name; None where every volume shows
            another patient.
        keep_names: call cases by their files' names instead of salted hashes.
        values: for each class its value in the masks, or a list of values, such as [0, 1, 2, 4]; None takes those of
            ``dataset.json``, or a class's place in ``labels``.

    Raises:
        FileNotFoundError: a folder is missing or empty, a volume or a mask lacks its twin, or one that ``dataset.json``
            lists is not there.
        ValueError: ``dataset.json`` can't be read, or its list of cases is not what is there.
    """
    root = open_root(dataset_dir, _TREE)
    images, masks = (files_by_stem(root / name, is_nifti) for name in ("imagesTr", "labelsTr"))
    refuse_lone(images, masks)
    record = read_record(root)
    check_cases_listed(root, record, images)
    if values is None and record:
        values = sorted(labels_of(root, record))
    table = None if values is None or list(values) == list(range(len(values))) else LabelTable.of(values)
    return [
        Case(
            stem,
            str(image),
            str(masks[stem]),
            patient_of(stem, patient_pattern),
            table=table,
            channel=channel,
            private=not keep_names,
        )
        for stem, image in images.items()
    ]


def nifti_labels(dataset_dir: str | Path) -> list[str]:
    """Names of the classes: from ``dataset.json``, or "class 1" and so on, as many as the masks hold.

    Counting reads every mask; name the labels in the configuration to be spared that.

    Raises:
        FileNotFoundError, ValueError: see ``find_nifti``; a mask is damaged or holds other than whole numbers; the
            masks leave out a number, so that no one can tell whether it is a class.
    """
    root = open_root(dataset_dir, _TREE)
    record = read_record(root)
    if record:
        labels = labels_of(root, record)
        return [labels[value] for value in sorted(labels)]
    masks = list(files_by_stem(root / "labelsTr", is_nifti).values())
    found = sorted(set().union(*run_in_threads(_values, masks, title="counting the labels")) | {0})
    if found != list(range(len(found))):
        shown = ",".join(map(str, found))
        names = ",".join(
            ["background", *(f"class_{value}" for value in found[1:])]
        )  # without spaces, as the command line reads it
        raise UserError(
            f"the masks under {root / 'labelsTr'} hold the values {shown}, which are not 0 to {len(found) - 1}; name "
            f'the classes and their values: --labels "[{names}]" --cases::values "[{shown}]"'
        )
    return ["background", *(f"class {value}" for value in found[1:])]


def _values(path: Path) -> set[int]:
    values = np.unique(whole_numbers(read_nifti(path).array))
    if values[0] < 0 or values[-1] > 254 or (values != np.rint(values)).any():
        raise UserError("is no mask: its values must be whole numbers from 0 to 254; correct it", path=path)
    return set(values.astype(int).tolist())
