"""What docs/evidence computes beside the reports of its studies."""

from __future__ import annotations

import csv

import pytest

from docs.evidence.leakage.compare import FOLDS, IMAGES, LOSSES, compare

PATIENTS = [f"p{number}" for number in range(20)]


def rows(gain: float, luck: float = 0.0) -> list[dict[str, str]]:
    """Scores of a loss, where every patient gains the same by leakage and the first leaky run is lucky."""
    found = []
    for number, patient in enumerate(PATIENTS):
        whole = 0.5 + 0.01 * number
        found.append({"protocol": "whole", "fold": number % 5, "patient": patient, "images": 10, "dice_image": whole})
        found += [
            {
                "protocol": "leaky",
                "fold": fold,
                "patient": patient,
                "images": 2,
                "dice_image": whole + gain + luck * (fold == 0),
            }
            for fold in FOLDS
        ]
    return [{"loss": "ce", **{key: str(value) for key, value in row.items()}} for row in found]


def test_leakage_is_what_every_patient_gains() -> None:
    found = compare(rows(0.02, luck=1e-6), "ce")
    assert found["patients"] == len(PATIENTS)
    assert found["gain"] == pytest.approx(0.02, abs=1e-5)
    assert found["leaky"] - found["whole"] == pytest.approx(0.02, abs=1e-5)
    assert found["half"] < 1e-5


def test_trainings_that_differ_make_the_interval_wider() -> None:
    found = compare(rows(0.02, luck=0.05), "ce")
    assert found["gain"] == pytest.approx(0.03)  # a fifth of the images gains 0.05 more
    assert found["half"] > 0.01  # the variance of five runs, over five, by t with 4 degrees of freedom: 0.028
    assert found["half"] == pytest.approx(0.0278, abs=1e-4)


def test_the_scores_of_both_protocols_are_there() -> None:
    with IMAGES.open(encoding="utf-8", newline="") as file:
        saved = list(csv.DictReader(file))
    for loss in LOSSES:
        assert compare(saved, loss)["patients"] == 200
