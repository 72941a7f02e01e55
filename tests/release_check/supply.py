"""Known weaknesses in what a user's install brings along, and the list of it."""

from __future__ import annotations

import json
import tempfile
from importlib.util import find_spec
from pathlib import Path

from scripts.release.dependencies import installed_closure, user_requirements
from tests.release_check.steps import ROOT, CommandError, Finding, run


def check_weaknesses(folder: Path) -> Finding:
    """Ask PyPI's advisories about every package of a user's install, with pip-audit."""
    if find_spec("pip_audit") is None:
        return Finding(["no pip-audit; pip install -c constraints.txt -e '.[release]'"])
    closure = installed_closure(user_requirements(ROOT / "pyproject.toml"))
    pins = [f"{name}=={version.split('+')[0]}" for name, (version, _) in closure.items()]
    with tempfile.TemporaryDirectory() as folder_name:
        pinned, answer = Path(folder_name) / "pinned.txt", Path(folder_name) / "answer.json"
        pinned.write_text("\n".join(pins) + "\n", encoding="utf-8")
        options = ["-r", pinned, "--no-deps", "--disable-pip", "--format", "json", "--output", answer]
        try:
            run(["python", "-m", "pip_audit", "--progress-spinner", "off", *options], folder)
        except CommandError as error:  # 1 also where weaknesses were found, and then there is an answer
            if not answer.is_file():
                said = " ".join(str(error).split())[-200:]
                return Finding([], [f"no dependency: pip-audit had no answer ({said})"], looked=False)
        found = json.loads(answer.read_text(encoding="utf-8"))["dependencies"]
    faults = [
        f"{one['name']} {one['version']}: {weakness['id']}, remedied in {', '.join(weakness['fix_versions']) or 'none'}"
        for one in found
        for weakness in one.get("vulns", [])
    ]
    skipped = [one for one in found if "skip_reason" in one]
    if not skipped:
        return Finding(faults)
    unchecked = f"{len(skipped)} of {len(pins)} dependencies, such as {skipped[0]['name']}: {skipped[0]['skip_reason']}"
    return Finding(faults, [unchecked], looked=len(skipped) < len(pins))


def check_sbom(folder: Path) -> Finding:
    """``make sbom`` writes its list."""
    run(["python", "-m", "scripts.release.sbom", "--target", folder / "dist" / "sbom.cdx.json"], ROOT)
    return Finding()
