"""Prints what the statistics of a study are worth under given noise, as the tables of docs/statistics.md.

    python -m tests.studies.simulate --patient .03 --run .015 --training .01 --residual .02

The standard deviations are those of one loss; a report gives variances of differences of two losses, which are twice
the squares. Seeded: the same arguments print the same numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from scripts.studies.components import Components
from scripts.studies.power import smallest_difference
from tests.studies.scenarios import coverage, false_positives, familywise, power, predicted_ratio, race, regret
from tests.studies.simulation import Noise, Plan

SIZES = ((50, 3), (100, 3), (200, 5))
PLANNED = ((40, 3), (100, 3), (100, 10), (200, 5))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in vars(Noise()).items():
        parser.add_argument(
            f"--{name}", type=float, default=default, help=f"standard deviation, {default} if not given"
        )
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--data-sets", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    noise = Noise(given.patient, given.run, given.training, given.residual)
    print(f"{noise}, {given.folds} folds, {given.data_sets} data sets a number\n")
    for part in (_methods, _many, _promises, _one_repeat, _planning, _races):
        part(noise, given.folds, given.data_sets, given.seed)


def _methods(noise: Noise, folds: int, data_sets: int, seed: int) -> None:
    print("Two equal losses called different at 5 % (100 patients, 3 repeats), %\n")
    print("| method | fixed folds | new partitions |\n| --- | --- | --- |")
    fixed = false_positives(noise, Plan(100, folds, 3, fixed=True), data_sets, seed)
    new = false_positives(noise, Plan(100, folds, 3), data_sets, seed)
    for name, rate in fixed.items():
        print(f"| {name} | {100 * rate:.1f} | {f'{100 * new[name]:.1f}' if name in new else ''} |")


def _many(noise: Noise, folds: int, data_sets: int, seed: int) -> None:
    print("\nNine equal losses, any claim (100 patients, 3 new partitions), %\n")
    print("| method | equal noise | one loss with 3 times the run noise |\n| --- | --- | --- |")
    plan = Plan(100, folds, 3)
    equal = familywise(noise, plan, data_sets, seed)
    unequal = familywise(noise, plan, data_sets, seed, run_factors=[3.0, *np.ones(8)])
    for name, rate in equal.items():
        print(f"| {name} | {100 * rate:.1f} | {100 * unequal[name]:.1f} |")


def _promises(noise: Noise, folds: int, data_sets: int, seed: int) -> None:
    print("\nWhat the intervals and the regret bound hold, %\n")
    print(
        "| patients, repeats | 95 % interval | a tenth of the runs lost | skewed differences | regret bound, 9 losses |"
    )
    print("| --- | --- | --- | --- | --- |")
    for patients, repeats in SIZES:
        plan = Plan(patients, folds, repeats)
        rates = (
            coverage(noise, plan, data_sets, seed),
            coverage(noise, plan, data_sets, seed, lost=0.1),
            coverage(noise, plan, data_sets, seed, skewed=True),
            regret(noise, plan, data_sets, seed, np.linspace(0, 0.02, 9))["within"],
        )
        print(f"| {patients}, {repeats} | " + " | ".join(f"{100 * rate:.1f}" for rate in rates) + " |")


def _one_repeat(noise: Noise, folds: int, data_sets: int, seed: int) -> None:
    print("\nOne repeat: what the intervals hold, and any claim among nine equal losses, %\n")
    print("| patients | 95 % interval | two-way clustered, Holm | Wilcoxon, Holm |\n| --- | --- | --- | --- |")
    for patients in (50, 200):
        plan = Plan(patients, folds, 1)
        claims = familywise(noise, plan, data_sets // 2, seed)
        rates = (
            coverage(noise, plan, data_sets, seed),
            *(claims[f"{name}, Holm"] for name in ("two-way clustered", "Wilcoxon")),
        )
        print(f"| {patients} | " + " | ".join(f"{100 * rate:.1f}" for rate in rates) + " |")


def _planning(noise: Noise, folds: int, data_sets: int, seed: int) -> None:
    print("\nSmallest difference shown with 80 % power, and the power that it has in the simulation\n")
    print("| patients, repeats | one pair | power, % | Holm over 8 | power, % | standard error predicted / true |")
    print("| --- | --- | --- | --- | --- | --- |")
    training = 2 * (noise.run**2 + noise.training**2)
    components = Components(2 * noise.patient**2, training, 2 * noise.residual**2, folds)
    for patients, repeats in PLANNED:
        plan = Plan(patients, folds, repeats)
        cells = []
        for comparisons in (1, 8):
            difference = smallest_difference(components, patients, repeats, comparisons)
            shown = power(noise, plan, data_sets, seed, difference, comparisons)
            cells.append(f"{difference:.3f} | {100 * shown:.0f}")
        ratio = predicted_ratio(noise, Plan(100, folds, 3), plan, data_sets, seed)
        print(f"| {patients}, {repeats} | " + " | ".join(cells) + f" | {ratio:.2f} |")


def _races(noise: Noise, folds: int, data_sets: int, seed: int) -> None:
    print("\nThe race of nine losses, margin .01, at most 5 repeats (the full grid: 45 loss-repeats)\n")
    print("| patients | true means | loss-repeats | regret within the bound, % | mean regret |")
    print("| --- | --- | --- | --- | --- |")
    truths = {
        "all equal": np.zeros(9),
        "evenly from 0 to .04": np.linspace(0, 0.04, 9),
        "one better by .03": [0.03, *np.zeros(8)],
    }
    for patients in (50, 100, 200):
        for name, effects in truths.items():
            found = race(noise, patients, data_sets, seed, effects, folds=folds)
            print(
                f"| {patients} | {name} | {found['cost']:.0f} | {100 * found['within']:.1f} | {found['regret']:.4f} |"
            )


if __name__ == "__main__":
    main()
