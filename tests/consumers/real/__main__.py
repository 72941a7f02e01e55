"""``make consumers``: runs other people's programs on a built bundle, each in an environment of its own.

    python -m tests.consumers.real [--folder FOLDER] [--bundle BUNDLE] [--only PROGRAM ...]

Ends with a table of versions and of what was seen, and with 1 where something failed. What can't run here is in the
table as "not run", with the reason.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.consumers.real.environments import InstallError, make_environment, versions
from tests.release_check import small_run
from tests.release_check.steps import ROOT, CommandError

PROGRAMS_FOLDER = Path(__file__).with_name("programs")
NOT_RUN = 77  # exit code of a program's script that found out that it can't run here
LIMIT = 1800
STACK = 32 * 2**20  # what Holoscan wants


@dataclass(frozen=True)
class Program:
    """A program, what is installed for it, and the script that runs it.

    Args:
        requirements: with what they need; the first is the program.
        alone: installed without what they need.
        script: in ``programs/``; takes the bundle and a folder.
        shown: packages whose versions are told.
    """

    requirements: tuple[str, ...]
    script: str
    shown: tuple[str, ...]
    alone: tuple[str, ...] = ()


# What the server of MONAI Label imports for volumes in a folder. Not here: torchvision, which is of another build of
# torch, pydicom-seg, which does not take pydicom 3, and what its other models ask for.
LABEL_NEEDS = (
    "expiring_dict", "expiringdict", "timeloop", "cachetools", "watchdog", "schedule", "python-dotenv",
    "pydantic-settings", "fastapi", "uvicorn", "python-multipart", "httpx", "pynrrd", "scikit-image", "einops",
    "shapely", "psutil", "pyjwt", "passlib", "requests-toolbelt", "google-auth", "dicomweb-client", "pynetdicom",
    "girder-client", "SimpleITK",
)  # fmt: skip
PROGRAMS = {
    "nvflare": Program(("nvflare==2.9.0",), "nvflare_job.py", ("nvflare", "monai", "torch")),
    "lightning": Program(("lightning==2.6.6",), "lightning_training.py", ("lightning", "torch")),
    "nnunet": Program(("nnunetv2==2.8.1",), "nnunet_training.py", ("nnunetv2", "torch")),
    "deploy": Program(
        # the SDK asks for the whole of Holoscan; this version still is one package
        ("holoscan-cu13==4.6.0", "tritonclient[all]==2.73.0", "typeguard", "colorama", "holoscan-cli"),
        "deploy_app.py",
        ("monai-deploy-app-sdk", "holoscan-cu13", "monai", "torch"),
        ("monai-deploy-app-sdk==4.0.0", f"monai=={version('monai')}"),  # monai.deploy lies in the folder of monai
    ),
    "label": Program(
        LABEL_NEEDS,
        "label_server.py",
        ("monailabel", "monai", "torch"),
        ("monailabel==0.8.5", "numpymaxflow"),  # which asks for numpy below 2
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="for environments, bundle and results; kept, and used again")
    parser.add_argument("--bundle", type=Path, help="a built bundle; by default one of a small run")
    parser.add_argument("--only", nargs="+", choices=PROGRAMS, default=list(PROGRAMS), metavar="PROGRAM")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="consumers-") as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        bundle = given.bundle or folder / "models" / small_run.NAME
        if not bundle.is_dir():
            try:
                small_run.build(folder)
            except CommandError as error:
                print(f"not built: {error}")
                return 1
        return _report([_row(name, folder, bundle.resolve()) for name in given.only])


def _row(name: str, folder: Path, bundle: Path) -> tuple[str, str, str]:
    start = time.monotonic()
    program, shown = PROGRAMS[name], ""
    try:
        python = make_environment(folder / "environments" / name, program.requirements, alone=program.alone)
        shown = versions(python, program.shown)
        seen = _run(python, program.script, bundle, folder / "seen" / name)
    except InstallError as error:
        shown, seen = program.requirements[0], f"not run: it can't be installed here: {error}"
    print(f"{name} ({time.monotonic() - start:.0f} s): {seen}", flush=True)
    return name, shown, seen


def _run(python: Path, script: str, bundle: Path, work: Path) -> str:
    """Run a script in an empty folder; returns what it has seen, why it could not run, or how it failed."""
    work = Path(tempfile.mkdtemp(prefix="run-", dir=_made(work)))
    kept = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "MLFLOW_TRACKING_URI"}}
    with (work / "log.txt").open("w") as log:
        try:
            done = subprocess.run(
                [str(python), str(PROGRAMS_FOLDER / script), str(bundle), str(work)],
                cwd=work,
                env={
                    **kept,
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "PATH": f"{python.parent}:{kept.get('PATH', '')}",
                    "PROJECT": str(ROOT),
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=LIMIT,
                check=False,
                preexec_fn=_larger_stack,
            ).returncode
        except subprocess.TimeoutExpired:
            return f"FAILED: it has not ended within {LIMIT} s; {work / 'log.txt'}"
    lines = [line for line in (work / "log.txt").read_text(errors="replace").splitlines() if line.strip()]
    told = {0: "seen: ", NOT_RUN: "not run: "}.get(done)
    last = [line for line in lines if told and line.startswith(told)]
    if not last:
        return f"FAILED with {done}: {lines[-1][:200] if lines else 'it said nothing'}; {work / 'log.txt'}"
    return last[-1].removeprefix("seen: ")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _larger_stack() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_STACK)
    if most == resource.RLIM_INFINITY or most >= STACK:
        resource.setrlimit(resource.RLIMIT_STACK, (STACK, most))


def _report(rows: Sequence[tuple[str, str, str]]) -> int:
    print(f"\n| program | versions | seen on {time.strftime('%Y-%m-%d')} |\n| --- | --- | --- |")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    return 1 if any(seen.startswith("FAILED") for _, _, seen in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
