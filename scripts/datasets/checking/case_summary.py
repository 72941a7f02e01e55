"""What the check notes of a case, and what it finds when it looks at all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..cases import Case
from ..pairs import Pair


@dataclass(frozen=True)
class Facts:
    """A case in a few numbers; none of them tells whom it shows.

    Args:
        case: its name.
        part: its official part, or None.
        size: voxels along x, y, z.
        spacing: millimetres, or None.
        channels: 1 or 3, as in the file.
        kind: the type of its numbers.
        low: the least of its numbers.
        high: the greatest.
        counts: voxels of each class.
        image_hash: equal for equal pixels.
        label_hash: equal for equal classes of the pixels.
        person_hash: equal for equal patients in DICOM headers; None where there is none. Stays in memory.
        notes: what a person should know.
    """

    case: str
    part: str | None
    size: tuple[int, ...]
    spacing: tuple[float, ...] | None
    channels: int
    kind: str
    low: float
    high: float
    counts: tuple[int, ...]
    image_hash: str
    label_hash: str
    person_hash: str | None
    notes: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether the mask holds class 0 alone."""
        return not any(self.counts[1:])


def facts_of(case: Case, pair: Pair, num_classes: int) -> Facts:
    """Note what the check needs of a case; small, whatever the size of the image."""
    array, source = pair.source.array, pair.source
    person = hashlib.sha256(source.patient_id.encode()).hexdigest() if source.patient_id else None
    content = hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16)
    content.update(f"{array.shape} {array.dtype}".encode())
    return Facts(
        case=case.name,
        part=case.part,
        size=array.shape[:3],
        spacing=source.spacing,
        channels=3 if source.coloured else 1,
        kind=array.dtype.name,
        low=float(array.min()),
        high=float(array.max()),
        counts=tuple(np.bincount(pair.label.ravel(), minlength=256)[:num_classes].tolist()),
        image_hash=content.hexdigest(),
        label_hash=hashlib.blake2b(np.ascontiguousarray(pair.label).data, digest_size=16).hexdigest(),
        person_hash=person,
        notes=pair.notes,
    )


def duplicates(facts: Sequence[Facts]) -> list[list[str]]:
    """Groups of cases with equal pixels."""
    groups: dict[str, list[str]] = {}
    for fact in facts:
        groups.setdefault(fact.image_hash, []).append(fact.case)
    return [names for names in groups.values() if len(names) > 1]


def find_warnings(facts: Sequence[Facts]) -> list[str]:
    """What is suspicious in the data set as a whole, one line each."""
    masks = {fact.case: fact.label_hash for fact in facts}
    found = []
    for names in duplicates(facts):
        differ = " with different masks" if len({masks[name] for name in names}) > 1 else ""
        found.append(f"{_few(names)} are the same image{differ}; keep one of them")
    empty = [fact.case for fact in facts if fact.empty]
    if empty:
        found.append(f"{len(empty)} of {len(facts)} masks are empty (class 0 alone): {_few(empty)}")
    for note in sorted({line for fact in facts for line in fact.notes}):
        names = [fact.case for fact in facts if note in fact.notes]
        found.append(f"{len(names)} of {len(facts)} images: {note}: {_few(names)}")
    return found


def find_errors(facts: Sequence[Facts], patients: dict[str, str]) -> list[str]:
    """What is wrong between cases that are sound by themselves, one line each.

    Args:
        facts: of the cases that could be read.
        patients: the patient of each case.
    """
    persons: dict[str, list[str]] = {}
    for fact in facts:
        if fact.person_hash is not None:
            persons.setdefault(fact.person_hash, []).append(fact.case)
    if len(persons) < 2:  # an anonymiser has written one name everywhere
        return []
    return [
        f"{_few(names)} have one PatientID in their headers, but count as "
        f"{len({patients[n] for n in names})} patients, and a split may part them; keep them in one folder"
        for names in persons.values()
        if len({patients[name] for name in names}) > 1
    ]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
