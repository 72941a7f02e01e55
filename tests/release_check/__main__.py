"""``make release-check``: builds a bundle of a small run, unpacks it elsewhere and checks all that a release promises.

    python -m tests.release_check [--folder FOLDER] [--only STEP ...]

Exits with 1 where something is wrong. What could not be looked at here, for want of a network say, is listed last.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.release_check import small_run, supply, unpacked, zoo
from tests.release_check.steps import CommandError, Finding

STEPS: dict[str, Callable[[Path], Finding]] = {
    "files": lambda folder: zoo.check_files(_bundle(folder)),
    "calls": lambda folder: zoo.check_monais_calls(_bundle(folder)),
    "style": lambda folder: zoo.check_code_style(_bundle(folder)),
    "requirements": lambda folder: zoo.check_requirements(_bundle(folder)),
    "commands": lambda folder: unpacked.check_commands(_bundle(folder)),
    "refusals": lambda folder: unpacked.check_refusals(_bundle(folder)),
    "weaknesses": supply.check_weaknesses,
    "sbom": supply.check_sbom,
}


def _bundle(folder: Path) -> Path:
    return folder / "models" / small_run.NAME


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to build; kept, and used again when it is there")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), metavar="STEP", help=" ".join(STEPS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="release-check-") as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        return _check(folder, given.only)


def _check(folder: Path, steps: list[str]) -> int:
    faults, unchecked = [], []
    if not _bundle(folder).is_dir():
        start = time.monotonic()
        try:
            small_run.build(folder)
        except CommandError as error:
            print(f"not built: {error}")
            return 1
        print(f"built from a small run ({time.monotonic() - start:.0f} s): {_bundle(folder)}", flush=True)
    for name in steps:
        start = time.monotonic()
        try:
            finding = STEPS[name](folder)
        except CommandError as error:
            finding = Finding([str(error)])
        print(f"{name}: {finding.state} ({time.monotonic() - start:.0f} s)", flush=True)
        faults += [f"{name}: {fault}" for fault in finding.faults]
        unchecked += [f"{name}: {one}" for one in finding.unchecked]
    for line in [*faults, *(f"not checked here: {one}" for one in unchecked)]:
        print(line)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
