"""Where a run's numbers come from: the code's revision, the versions below it, the configuration's hash."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..configuration.workflow import executed_config
from .resume import comparable_sha256

BUNDLE_ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("monai", "torch", "pytorch-ignite", "numpy")


def software_versions() -> str:
    """Python and the packages that a result depends on, each with its version, in one line."""
    found = [f"python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} unknown")
    return ", ".join(found)


def git_revision(root: str | Path = BUNDLE_ROOT) -> str:
    """The commit that ``root`` is a checkout of, with ``-dirty`` after it where tracked files differ; else "none"."""
    root = Path(root).resolve()
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root:  # a bundle unpacked inside somebody else's checkout
        return "none"
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return "none"
    return f"{commit}-dirty" if _git(root, "status", "--porcelain", "--untracked-files=no") else commit


def config_sha256() -> str:
    """Hash of the executed configuration, that of a run's checkpoints: places and the number of epochs are left out."""
    return comparable_sha256(executed_config())


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
