"""Whole patients against random images: by how much is the Dice of an image inflated?

    python -m docs.evidence.leakage.compare                             # the table, from images.csv beside this file
    python -m docs.evidence.leakage.compare --collect WHOLE LEAKY DATA  # images.csv, from the folders of both studies

Both protocols test each image of the same patients once, by networks trained on three fifths of the images. The score
is the mean Dice of the foreground classes of an image, where one of them is in it, averaged over a patient's images.

The difference of a loss is the mean over the folds of whole patients of what their patients gain in the other protocol;
its interval counts the trainings of both as random (Welch and Satterthwaite's degrees of freedom).
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy import stats

from scripts.datasets import find_nifti
from scripts.datasets.pseudonyms import publish

IMAGES = Path(__file__).with_name("images.csv")
COLUMNS = ("protocol", "loss", "fold", "patient", "images", "dice_image")
LOSSES = ("ce", "fl_alpha1", "dfl", "adfl")
FOLDS = range(5)
LEVEL = 0.95


def collect(whole: Path, leaky: Path, data: Path) -> list[tuple[str, str, int, str, int, float]]:
    """Mean over the images of each patient in each run's test part; patients are named as in the first study."""
    cases = find_nifti(data)
    names = [[case.patient for case in publish(cases, folder / "prepared")] for folder in (leaky, whole)]
    as_in_whole = dict(zip(*names, strict=True))
    rows = []
    for protocol, folder in (("whole", whole), ("leaky", leaky)):
        for loss in LOSSES:
            for fold in FOLDS:
                found: dict[str, list[float]] = defaultdict(list)
                table = folder / f"{loss}-r1-f{fold}" / "evaluation" / "test" / "per_image.csv"
                with table.open(encoding="utf-8", newline="") as file:
                    for row in csv.DictReader(file):
                        if row["dice/mean"]:
                            patient = as_in_whole[row["patient"]] if protocol == "leaky" else row["patient"]
                            found[patient].append(float(row["dice/mean"]))
                rows += [(protocol, loss, fold, name, len(dice), sum(dice) / len(dice)) for name, dice in found.items()]
    return rows


def compare(rows: list[dict[str, str]], loss: str) -> dict[str, float]:
    """Both means of a loss, their difference and the half-width of its interval."""
    own = [row for row in rows if row["loss"] == loss]
    fold_of = {row["patient"]: int(row["fold"]) for row in own if row["protocol"] == "whole"}
    whole = {row["patient"]: float(row["dice_image"]) for row in own if row["protocol"] == "whole"}
    leaky = [row for row in own if row["protocol"] == "leaky"]
    images: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for row in leaky:
        images[row["patient"]].append((float(row["dice_image"]), int(row["images"])))
    patients = sorted(whole.keys() & images.keys())
    other = {}
    for name in patients:
        dice, weights = zip(*images[name], strict=True)
        other[name] = np.average(dice, weights=weights)
    gains = [np.mean([other[name] - whole[name] for name in patients if fold_of[name] == fold]) for fold in FOLDS]
    runs = [np.mean([float(row["dice_image"]) for row in leaky if int(row["fold"]) == fold]) for fold in FOLDS]
    parts = [np.var(values, ddof=1) / len(values) for values in (gains, runs)]
    freedom = sum(parts) ** 2 / sum(part**2 / (len(FOLDS) - 1) for part in parts)
    half = stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(sum(parts))
    means = np.mean([whole[name] for name in patients]), np.mean([other[name] for name in patients])
    return {"patients": len(patients), "whole": means[0], "leaky": means[1], "gain": np.mean(gains), "half": half}


def main() -> None:
    """Collect, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collect", nargs=3, type=Path, metavar=("WHOLE", "LEAKY", "DATA"))
    given = parser.parse_args().collect
    if given:
        try:
            found = collect(*given)  # before the file is touched
        except OSError as error:
            raise SystemExit(f"error: {error}") from None
        with IMAGES.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows((*row[:-1], f"{row[-1]:.5f}") for row in found)
    with IMAGES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    print("| loss | whole patients | random images | difference, 95 % interval |\n| --- | --- | --- | --- |")
    for loss in LOSSES:
        found = compare(rows, loss)
        low, high = found["gain"] - found["half"], found["gain"] + found["half"]
        print(
            f"| {loss} | {found['whole']:.3f} | {found['leaky']:.3f} | {found['gain']:+.3f} [{low:+.3f}, {high:+.3f}] |"
        )


if __name__ == "__main__":
    main()
