from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.release.zoo_rules import find_faults
from tests.workflows import CONFIGS

PAGE = """# A bundle

### **Authors**

### **Tags**

## **Model Description**

## **Data**

#### **Preprocessing**

## **Performance**

[results](https://example.org/results.md)

## **System Configuration**
"""
INFERENCE = dict.fromkeys(("bundle_root", "device", "network_def", "inferer", "output_dir"))


def make_bundle(folder: Path) -> Path:
    for name in ("configs", "models", "docs"):
        (folder / name).mkdir(parents=True)
    metadata = json.loads((CONFIGS / "metadata.json").read_text())
    write_json(folder / "configs/metadata.json", metadata)
    write_json(folder / "configs/inference.json", INFERENCE)
    (folder / "docs/README.md").write_text(PAGE)
    (folder / "docs/data_license.txt").write_text("none\n")
    (folder / "LICENSE").write_text("Apache License\n")
    (folder / "models/model.pt").write_bytes(b"weights")
    return folder


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=4) + "\n")


def change(name: str, **values: object) -> Callable[[Path], None]:
    def apply(bundle: Path) -> None:
        content = json.loads((bundle / name).read_text()) | values
        write_json(bundle / name, {key: value for key, value in content.items() if value != "gone"})

    return apply


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda bundle: (bundle / name).write_text(text)


def grow(bundle: Path) -> None:
    with (bundle / "models/model.pt").open("wb") as file:
        file.truncate(26 * 2**20)


def test_a_bundle_that_holds_to_the_rules_has_no_fault(tmp_path: Path) -> None:
    assert find_faults(make_bundle(tmp_path)) == []


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda bundle: (bundle / "LICENSE").unlink(), "LICENSE is missing"),
        (change("configs/metadata.json", version="9.9.9"), "no entry for version 9.9.9"),
        (change("configs/metadata.json", copyright="gone"), "metadata.json has no copyright"),
        (change("configs/metadata.json", required_packages_version={"mlflow": ">=3"}), "mlflow has no exact version"),
        (change("configs/inference.json", network_def="gone"), "inference.json has no key network_def"),
        (grow, "models/model.pt has over 25 MB and no URL"),
        (write("docs/README.md", PAGE.replace("## **Data**", "## Images")), "no heading '## Data'"),
        (write("docs/README.md", PAGE + "[more](more.md)\n"), "the link more.md is relative"),
        (write("docs/data_license.txt", "none \n"), "spaces at ends of lines"),
        (write("docs/data_license.txt", "none"), "does not end with one line break"),
        (write("configs/extra.yaml", "dataset_dir: /home/jane/data\n"), "a place of one machine: /home/jane"),
        (write("configs/extra.json", '{"a": 1}\n'), "not laid out"),
    ],
)
def test_what_the_zoo_refuses_is_named(tmp_path: Path, spoil: Callable[[Path], object], told: str) -> None:
    bundle = make_bundle(tmp_path)
    spoil(bundle)
    (fault,) = find_faults(bundle)
    assert told in fault


def test_a_large_file_with_a_url_is_good(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    grow(bundle)
    (bundle / "large_files.yml").write_text(
        "large_files:\n- path: models/model.pt\n  url: https://example.org/model.pt\n"
    )
    assert find_faults(bundle) == []
