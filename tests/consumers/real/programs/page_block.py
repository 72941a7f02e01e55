"""The blocks of docs/other_trainers.md, for the programs that they are written for."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

PROJECT = Path(os.environ["PROJECT"])


def page_block(heading: str) -> str:
    """The code of a section as it stands on the page."""
    page = (PROJECT / "docs" / "other_trainers.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    (code,) = re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)
    return str(code)


def lay_package(work: Path) -> None:
    """Let this process and those that it starts import this tree as ``dual_focal_loss``, as an install does."""
    packages = work / "packages"
    packages.mkdir()
    (packages / "dual_focal_loss").symlink_to(PROJECT / "scripts")
    sys.path.insert(0, str(packages))
    os.environ["PYTHONPATH"] = str(packages)
