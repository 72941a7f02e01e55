from __future__ import annotations

import copy
from pathlib import Path

import pytest

from scripts.errors import UserError
from scripts.release.dependencies import installed_closure, user_requirements
from scripts.release.sbom import main, prune
from tests.workflows import ROOT


def test_a_users_install_brings_the_bundles_packages_and_no_development_tools() -> None:
    closure = installed_closure(user_requirements(ROOT / "pyproject.toml"))
    assert {"torch", "monai", "mlflow", "pytorch-ignite", "numpy", "sympy"} <= set(closure)  # sympy: torch's own
    assert "sympy" in closure["torch"][1]
    assert not {"pytest", "ruff", "mypy", "black", "cyclonedx-bom", "onnxscript"} & set(closure)
    assert all(needed <= set(closure) for _, needed in closure.values())


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(UserError, match="no-such-package-here is not installed; run make install first"):
        installed_closure(["no-such-package-here>=1"])


def test_a_requirement_for_another_system_and_of_an_extra_is_left_out() -> None:
    assert installed_closure(["no-such-package-here; sys_platform == 'amiga'"]) == {}
    assert "pytest-cov" not in installed_closure(["packaging", "fire"])


def part(name: str, version: str, *urls: str) -> dict[str, object]:
    return {
        "bom-ref": f"{name}=={version}",
        "name": name,
        "version": version,
        "externalReferences": [{"type": "distribution", "url": url} for url in urls],
    }


WHOLE = {
    "bomFormat": "CycloneDX",
    "metadata": {"component": {"bom-ref": "root-component", "name": "ours"}},
    "components": [
        part("Torch", "2.0", "https://example.org/torch", "file:///wheels/torch.whl"),
        part("sympy", "1.0", "file:///wheels/sympy.whl"),
        part("pytest", "9.0"),
    ],
    "dependencies": [
        {"ref": "root-component", "dependsOn": ["Torch==2.0", "pytest==9.0"]},
        {"ref": "Torch==2.0", "dependsOn": ["pytest==9.0", "sympy==1.0"]},
        {"ref": "sympy==1.0"},
        {"ref": "pytest==9.0"},
    ],
}


def test_the_list_holds_what_is_brought_along_its_edges_and_no_place_of_the_machine() -> None:
    before = copy.deepcopy(WHOLE)
    pruned = prune(WHOLE, {"torch": ("2.0", {"sympy"}), "sympy": ("1.0", set())})
    assert before == WHOLE
    assert [one["name"] for one in pruned["components"]] == ["Torch", "sympy"]
    assert pruned["components"][0]["externalReferences"] == [
        {"type": "distribution", "url": "https://example.org/torch"}
    ]
    assert "externalReferences" not in pruned["components"][1]
    assert pruned["dependencies"] == [
        {"ref": "Torch==2.0", "dependsOn": ["sympy==1.0"]},
        {"ref": "root-component", "dependsOn": ["Torch==2.0"]},
        {"ref": "sympy==1.0", "dependsOn": []},
    ]


def test_a_package_that_the_tool_does_not_list_is_named() -> None:
    with pytest.raises(UserError, match="does not list numpy"):
        prune(WHOLE, {"numpy": ("2.0", set())})


def test_without_cyclonedx_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scripts.release.sbom.find_spec", lambda name: None)
    assert main(["--target", str(tmp_path / "sbom.json")]) == 1
    assert "error: make sbom needs CycloneDX's tool: pip install" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
