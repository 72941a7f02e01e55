"""The bundle's description says what is there."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from monai.bundle import verify_net_in_out

from scripts.runs.provenance import bundle_version
from tests.workflows import ROOT


def _metadata() -> dict[str, object]:
    return json.loads((ROOT / "configs" / "metadata.json").read_text())


def test_the_root_holds_a_relative_link_to_the_metadata() -> None:
    link = ROOT / "metadata.json"
    assert link.is_symlink()
    assert link.readlink() == Path("configs/metadata.json")


def test_versions_are_those_that_are_pinned() -> None:
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text().lower(), re.MULTILINE))
    metadata = _metadata()
    assert metadata["monai_version"] == pinned["monai"]
    assert metadata["pytorch_version"] == pinned["torch"]
    assert metadata["numpy_version"] == pinned["numpy"]
    for package, version in metadata["required_packages_version"].items():
        assert pinned[package] == version, package


def test_every_dependency_is_named_with_its_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["bundle"]]
    named = {re.match(r"[\w-]+", line)[0] for line in lines}
    assert named - {"monai", "torch", "numpy"} == set(_metadata()["required_packages_version"])
    assert _metadata()["version"] == project["version"]
    assert _metadata()["version"] == bundle_version()
    assert f"\nversion: {bundle_version()}\n" in (ROOT / "CITATION.cff").read_text()
    assert _metadata()["version"] in _metadata()["changelog"]


def test_the_network_takes_and_gives_what_the_metadata_say() -> None:
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(ROOT / "configs" / "metadata.json"),
        config_file=str(ROOT / "configs" / "inference.yaml"),
        device="cpu",
    )


def test_every_field_that_monais_schema_20240725_asks_for_is_there() -> None:
    """The schema itself is fetched by ``python -m monai.bundle verify_metadata``; here its lists of required names."""
    metadata = _metadata()
    required = {"schema", "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version"}
    assert set(metadata) >= required | {"task", "description", "authors", "copyright", "network_data_format"}
    tensors = [
        *metadata["network_data_format"]["inputs"].values(),
        *metadata["network_data_format"]["outputs"].values(),
    ]
    for tensor in tensors:
        assert set(tensor) >= {"type", "format", "num_channels", "spatial_shape", "dtype", "value_range"}
        assert all(isinstance(number, int | float) for number in tensor["value_range"])
