"""``make sbom``: a CycloneDX list of what a user's install brings along, licences included.

CycloneDX's own tool reads the environment; packages that only the development or another extra needs are left out, and
so is every place of the machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from ..configuration.reading import BASE_CONFIG
from ..errors import UserError
from ..storage.atomic_files import write_text
from .dependencies import installed_closure, user_requirements

ROOT = BASE_CONFIG.parents[1]
NAME = "sbom.cdx.json"


def write_sbom(target: Path, pyproject: Path = ROOT / "pyproject.toml") -> int:
    """Write the list of the packages that the extra "bundle" needs; returns how many there are.

    Raises:
        ValueError: CycloneDX's tool or a needed package is not installed.
    """
    closure = installed_closure(user_requirements(pyproject))
    if find_spec("cyclonedx_py") is None:
        raise UserError("make sbom needs CycloneDX's tool: pip install -c constraints.txt -e '.[release]'")
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / NAME
        command = [sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject", str(pyproject)]
        subprocess.run([*command, "--output-format", "JSON", "--output-file", str(written), sys.executable], check=True)
        whole = json.loads(written.read_text(encoding="utf-8"))
    content = prune(whole, closure)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, json.dumps(content, indent=2) + "\n")
    return len(content["components"])


def prune(whole: dict[str, Any], closure: dict[str, tuple[str, set[str]]]) -> dict[str, Any]:
    """A CycloneDX document with the packages of a closure alone, and with no file of the machine it was made on.

    Args:
        whole: the document of an environment; left as it is.
        closure: see ``installed_closure``.

    Raises:
        ValueError: a package of the closure is not in the document.
    """
    names: dict[str, str] = {part["bom-ref"]: canonicalize_name(part["name"]) for part in whole["components"]}
    missing = sorted(set(closure) - set(names.values()))
    if missing:
        raise UserError(f"CycloneDX's tool does not list {', '.join(missing)}; run it with the bundle's own Python")
    references = {name: reference for reference, name in names.items() if name in closure}
    root = whole["metadata"]["component"]["bom-ref"]
    direct = {names[one] for each in whole["dependencies"] if each["ref"] == root for one in each.get("dependsOn", [])}
    edges = {references[name]: sorted(references[one] for one in needed) for name, (_, needed) in closure.items()}
    edges[root] = sorted(references[name] for name in direct & set(closure))
    components = [_without_files(part) for part in whole["components"] if names[part["bom-ref"]] in closure]
    dependencies = [{"ref": reference, "dependsOn": edges[reference]} for reference in sorted(edges)]
    return {**whole, "components": components, "dependencies": dependencies}


def _without_files(component: dict[str, Any]) -> dict[str, Any]:
    kept = [one for one in component.get("externalReferences", []) if not one["url"].startswith("file:")]
    return {key: value for key, value in component.items() if key != "externalReferences"} | (
        {"externalReferences": kept} if kept else {}
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the list from the command line; an error of the user's is one line."""
    parser = argparse.ArgumentParser(description="List what a user's install brings along, as CycloneDX.")
    parser.add_argument("--target", type=Path, default=ROOT / "dist" / NAME, help="file to write")
    given = parser.parse_args(arguments)
    try:
        number = write_sbom(given.target)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{given.target}: {number} packages\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
