"""The same tree is the bundle's ``scripts`` and, installed, the package ``dual_focal_loss``."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.workflows import ROOT

# In a bundle of somebody else's, with torch and MONAI and nothing else of ours.
PROGRAM = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top in {"ignite", "mlflow", "nibabel", "itk", "pydicom", "highdicom", "PIL", "matplotlib", "tqdm", "fire",
                   "safetensors", "scipy", "statsmodels", "pandas"}:
            raise ModuleNotFoundError(f"No module named {top!r}", name=top)

sys.meta_path.insert(0, Refuse())
import torch
from monai.bundle import ConfigParser
import scripts
assert scripts.OWNER == "somebody else"
config = {
    "loss": {"_target_": "dual_focal_loss.losses.DualFocalLoss", "gamma": 2.0},
    "weights": {"_target_": "dual_focal_loss.networks.AdaptiveClassWeight", "num_classes": 3,
                "class_counts": [9, 3, 1]},
}
parser = ConfigParser(config)
logits, target = torch.randn(2, 3, 8, 8, requires_grad=True), torch.randint(3, (2, 1, 8, 8))
loss = parser.get_parsed_content("loss")(parser.get_parsed_content("weights")(logits), target)
loss.backward()
assert torch.isfinite(logits.grad).all() and loss.item() > 0
import dual_focal_loss, monai.losses
assert monai.losses.DualFocalLoss is dual_focal_loss.losses.DualFocalLoss
print(dual_focal_loss.__file__)
"""


def _copy_of_the_tree(folder: Path) -> Path:
    project = folder / "project"
    shutil.copytree(ROOT / "scripts", project / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project / name)
    return project


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    project = _copy_of_the_tree(folder)
    for kind in ("wheel", "sdist"):
        code = f"import setuptools.build_meta, sys; setuptools.build_meta.build_{kind}(sys.argv[1])"
        command = [sys.executable, "-W", "ignore", "-c", code, str(folder)]
        subprocess.run(command, cwd=project, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_and_the_sdist_hold_every_module_and_its_data(wheel: Path) -> None:
    present = {path for path in (ROOT / "scripts").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    expected = {f"dual_focal_loss/{path.relative_to(ROOT / 'scripts')}" for path in present}
    assert expected - set(zipfile.ZipFile(wheel).namelist()) == set()
    assert len(list(wheel.parent.glob("*.tar.gz"))) == 1


def test_its_metadata_asks_for_torch_and_monai_alone_and_gives_ranges(wheel: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert [line.split(">=")[0] for line in project["dependencies"]] == ["monai", "torch"]
    assert not [line for line in project["optional-dependencies"]["bundle"] if "==" in line]


def test_another_bundle_uses_loss_and_layer_beside_scripts_of_its_own(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    (tmp_path / "bundle" / "scripts").mkdir(parents=True)
    (tmp_path / "bundle" / "scripts" / "__init__.py").write_text("OWNER = 'somebody else'\n")
    environment = {"PYTHONPATH": f"{tmp_path / 'bundle'}:{installed}", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path / "bundle",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == installed / "dual_focal_loss"
