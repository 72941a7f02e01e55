"""What the model zoo wants of a bundle's files, as far as reading them shows it.

The zoo's ``ci/verify_bundle.py``, its pre-commit hooks, ``CONTRIBUTING.md`` and ``docs/readme_template.md``. What needs
a network, tools or a download is in ``tests/release_check``, which ``make release-check`` runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from monai.bundle import ConfigParser

from .checksums import LARGE_FILES, large_files

METADATA, PAGE = "configs/metadata.json", "docs/README.md"
FILES = (METADATA, "LICENSE", "models/model.pt", "configs/inference.json", PAGE, "docs/data_license.txt")
TEXT = {".py", ".json", ".yaml", ".yml", ".md", ".txt", ".csv", ".conf", ".css", ".j2", ".html"}
# Fields that the schema of metadata.json asks for, and what the zoo's own checks read.
FIELDS = (
    "schema", "version", "changelog", "monai_version", "pytorch_version", "numpy_version",
    "required_packages_version", "name", "task", "description", "authors", "copyright", "network_data_format",
)  # fmt: skip
HEADINGS = (
    "# ", "### Authors", "### Tags", "## Model Description", "## Data", "#### Preprocessing", "## Performance",
    "## System Configuration",
)  # fmt: skip
KEYS = {
    "inference": ("bundle_root", "device", "network_def", "inferer", "output_dir"),
    "train": (
        "bundle_root", "device", "dataset_dir", "output_dir", "val_interval", "train::trainer::max_epochs",
        "train::dataset::data", "train::handlers", "train::inferer", "train::preprocessing", "validate::evaluator",
        "validate::handlers", "validate::dataset::data", "validate::preprocessing", "validate::postprocessing",
        "validate::inferer", "validate::key_metric",
    ),
}  # fmt: skip
VERSION = re.compile(r"\d+\.\d+\.\d+")
PERSONAL = re.compile(r"(?:/home/|/Users/|/root/|[A-Z]:\\Users\\)\w+")
SECRET = re.compile(r"BEGIN [A-Z ]*PRIVATE KEY")
RELATIVE_LINK = re.compile(r"\]\((?!https?://|#)([^)]+)\)")


def find_faults(bundle: Path) -> list[str]:
    """Everything that the zoo would refuse in a built bundle, a line each; empty where nothing is.

    Args:
        bundle: folder of the built bundle.
    """
    missing = [f"{name} is missing" for name in FILES if not (bundle / name).is_file()]
    if missing:
        return missing
    checks: tuple[Callable[[Path], Iterator[str]], ...] = (_metadata, _large, _page, _keys, _text_files)
    return [fault for check in checks for fault in check(bundle)]


def _metadata(bundle: Path) -> Iterator[str]:
    metadata: dict[str, Any] = json.loads((bundle / METADATA).read_text(encoding="utf-8"))
    missing = [name for name in FIELDS if not metadata.get(name)]
    if missing:
        yield f"{METADATA} has no {', '.join(missing)}"
        return
    version = metadata["version"]
    if not VERSION.fullmatch(version):
        yield f"{METADATA}: version {version!r} is not of the form 1.2.3"
    if version not in metadata["changelog"]:
        yield f"{METADATA}: changelog has no entry for version {version}"
    loose = [name for name, number in metadata["required_packages_version"].items() if not re.match(r"\d", number)]
    if loose:
        yield f"{METADATA}: the zoo installs name==version, and {', '.join(loose)} has no exact version"


def _large(bundle: Path) -> Iterator[str]:
    listed: set[str] = set()
    if (bundle / LARGE_FILES).is_file():
        entries = yaml.safe_load((bundle / LARGE_FILES).read_text(encoding="utf-8"))["large_files"]
        listed = {entry["path"] for entry in entries if entry.get("url")}
    for path in large_files(bundle):
        if path not in listed:
            yield f"{path} has over 25 MB and no URL in {LARGE_FILES}: give URL=... where it will lie"


def _page(bundle: Path) -> Iterator[str]:
    page = (bundle / PAGE).read_text(encoding="utf-8")
    headings = [line.replace("*", "") for line in page.splitlines() if line.startswith("#")]
    for wanted in HEADINGS:
        if not any(line.startswith(wanted) if wanted == "# " else line.rstrip() == wanted for line in headings):
            yield f"{PAGE} has no heading {wanted.strip()!r}, which the zoo's template has"
    for link in RELATIVE_LINK.findall(page):
        yield f"{PAGE}: the link {link} is relative, and Hugging Face shows the page in another folder"


def _keys(bundle: Path) -> Iterator[str]:
    for name, wanted in KEYS.items():
        path = bundle / "configs" / f"{name}.json"
        if not path.is_file():
            continue
        config = ConfigParser(ConfigParser.load_config_file(path))
        for key in wanted:
            # "max_epochs" and the like may be given by reference: the key counts
            if key not in config:
                yield f"configs/{name}.json has no key {key}"


def _text_files(bundle: Path) -> Iterator[str]:
    for path in sorted(bundle.rglob("*")):
        if path.suffix not in TEXT or not path.is_file():
            continue
        name, text = path.relative_to(bundle).as_posix(), path.read_bytes().decode("utf-8")
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            yield f"{name} does not end with one line break"
        if "\r" in text:
            yield f"{name} has line breaks of Windows"
        if any(line != line.rstrip() for line in text.splitlines()):
            yield f"{name} has spaces at ends of lines"
        if SECRET.search(text):
            yield f"{name} holds a private key"
        if name.startswith(("configs/", "models/")) and (personal := PERSONAL.search(text)):
            yield f"{name} names a place of one machine: {personal[0]}"
        if path.suffix == ".json" and text != json.dumps(json.loads(text), indent=4) + "\n":
            yield f"{name} is not laid out as the zoo's hook lays JSON out (4 spaces, ASCII)"
