"""What a class is in the words of DICOM and SNOMED CT, for segmentations that other programs read."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """A code of SNOMED CT.

    Args:
        value: its number.
        meaning: its text.
    """

    value: str
    meaning: str


ANATOMY, ABNORMAL = Code("91723000", "Anatomical Structure"), Code("49755003", "Morphologically Abnormal Structure")
TISSUE = Code("85756007", "Tissue")
# By a word of the class's name; the first that is found counts. Every value is in pydicom's dictionary (a test looks).
_ANATOMY = {
    "prostate": Code("41216001", "Prostate"),
    "hippocampus": Code("5366008", "Hippocampus"),
    "vessel": Code("59820001", "Blood Vessel"),
    "bladder": Code("89837001", "Bladder"),
    "rectum": Code("34402009", "Rectum"),
    "liver": Code("10200004", "Liver"),
    "kidney": Code("64033007", "Kidney"),
    "spleen": Code("78961009", "Spleen"),
    "pancreas": Code("15776009", "Pancreas"),
    "thyroid": Code("69748006", "Thyroid"),
    "brain": Code("12738006", "Brain"),
}
_ABNORMAL = {
    "tumor": Code("108369006", "Neoplasm"),
    "tumour": Code("108369006", "Neoplasm"),
    "cyst": Code("367643001", "Cyst"),
    "lesion": Code("52988006", "Lesion"),
}


def codes_of(label: str) -> tuple[Code, Code]:
    """Category and type of a class; tissue and tissue where its name holds no known word.

    >>> codes_of("prostate lesion")[1].meaning, codes_of("left kidney")[1].meaning, codes_of("nerve")[1].meaning
    ('Lesion', 'Kidney', 'Tissue')
    """
    words = label.casefold().replace("_", " ").split()
    for category, table in ((ABNORMAL, _ABNORMAL), (ANATOMY, _ANATOMY)):
        for word, code in table.items():
            if word in words:
                return category, code
    return TISSUE, TISSUE


def every_code() -> list[Code]:
    """All codes of the table."""
    return [ANATOMY, ABNORMAL, TISSUE, *_ANATOMY.values(), *_ABNORMAL.values()]
