"""The model zoo's rules on a built bundle."""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from scripts.release.build import BLACK, ISORT
from scripts.release.zoo_rules import find_faults
from tests.release_check.steps import CommandError, Finding, run

FLAKE8 = (
    "--isolated", "--max-line-length=120", "--select=B,C,E,F,N,P,T4,W,B9",
    "--ignore=E203,E501,E741,W503,W504,C408,N812,B023,B905,B028,B907,C419", "--per-file-ignores=__init__.py:F401",
)  # fmt: skip
PLUGINS = ("bugbear", "flake8_comprehensions", "flake8_executable", "pep8ext_naming")


def check_files(bundle: Path) -> Finding:
    """Names, metadata, headings, links, keys, sizes, whitespace."""
    return Finding(find_faults(bundle))


def check_monais_calls(bundle: Path) -> Finding:
    """Metadata, shapes and TorchScript, as ``ci/verify_bundle.py`` asks MONAI for them."""
    said = run(["python", Path(__file__).with_name("zoo_calls.py"), bundle], bundle.parents[1])
    return Finding([], [line.removeprefix("unchecked: ") for line in said.splitlines() if "unchecked:" in line[:10]])


def check_code_style(bundle: Path) -> Finding:
    """isort, black and flake8 with the zoo's settings and plug-ins."""
    missing = [tool for tool in ("isort", "black", "flake8", *PLUGINS) if find_spec(tool) is None]
    if missing:
        return Finding([f"code style: no {', '.join(missing)}; pip install -c constraints.txt -e '.[release]'"])
    checks = {"isort": ["--check", *ISORT], "black": ["--check", "--quiet", *BLACK], "flake8": list(FLAKE8)}
    faults = []
    for tool, options in checks.items():
        try:
            run([sys.executable, "-m", tool, *options, bundle / "scripts"], bundle)
        except CommandError as error:
            faults.append(str(error))
    return Finding(faults)


def check_requirements(bundle: Path) -> Finding:
    """The versions of metadata.json, written as the zoo writes them, go together with what is installed."""
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    pins = {
        "monai": metadata["monai_version"],
        "torch": metadata["pytorch_version"],
        "numpy": metadata["numpy_version"],
        **metadata["required_packages_version"],
    }
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{name}=={version}\n" for name, version in pins.items()))
        file.flush()
        said = run(["python", "-m", "pip", "install", "--dry-run", "--quiet", "--report", "-", "-r", file.name], bundle)
    wanted = json.loads(said[said.index("{") :])["install"] if "{" in said else []
    names = [f"{one['metadata']['name']} {one['metadata']['version']}" for one in wanted]
    return Finding([], [f"tests ran with other versions than metadata.json names: {', '.join(names)}"] if names else [])
