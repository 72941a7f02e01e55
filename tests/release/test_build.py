from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, load
from safetensors.torch import load_file

from scripts.errors import UserError
from scripts.networks import UNet
from scripts.release.build import LIST, NAME, _format, _put, build_bundle, main
from scripts.release.zoo_rules import find_faults
from scripts.runs.checkpoint import load as load_weights
from scripts.runs.checkpoint import save
from scripts.runs.publishing import place_weights
from tests.runs.test_publishing import make_run

NARROW = {"_target_": "scripts.networks.UNet", "in_channels": 1, "num_classes": 2, "channels": [2, 4, 8, 16, 32]}
LABELS = ["background", "prostate"]

# In the bundle as it was unpacked, by a process that knows nothing else; one for all, since starting takes longest.
# make release-check runs the commands themselves, training and evaluation among them.
PROGRAM = """
import json, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from monai.bundle import ConfigWorkflow
configs, here = Path(sys.argv[1]) / "configs", Path.cwd()
given = {"dataset_dir": str(configs.parent / "docs/figures"), "output_dir": str(here / "masks")}

def run(name, run_id="run", **settings):
    workflow = ConfigWorkflow(str(configs / name), logging_file=False, run_id=run_id, workflow_type="infer",
                              device="cpu", **settings)
    workflow.initialize()
    workflow.run()

def refusal(*args, **settings):
    try:
        run(*args, **settings)
    except Exception as error:
        while error.__cause__ or error.__context__:
            error = error.__cause__ or error.__context__
        return str(error)

said = {}
said["no run"] = refusal("evaluate.json", "evaluating", run_name="nowhere")
said["another network"] = refusal("inference.json", **given, **{"network_def::channels": [4, 8, 16, 32, 64]})
said["other weights"] = refusal("inference.json", checkpoint=str(here / "other.pt"), **given)
said["written"] = (here / "masks").exists()
run("inference.json", **given | {"dataset_dir": str(here / "image.nii.gz")})
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a run with known weights, unpacked from its zip."""
    folder = tmp_path_factory.mktemp("release")
    run = make_run(folder, "first", network_def=NARROW, network_name="unet", image_size=64, labels=LABELS)
    torch.manual_seed(0)
    save(UNet(channels=(2, 4, 8, 16, 32)).state_dict(), run / "model.pt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.release.build._format", lambda folder: None)  # make release-check formats and checks
        archive = build_bundle("first", folder / "runs", folder / "dist", "https://example.org/bundle")
    assert sorted(path.name for path in (folder / "dist").iterdir()) == [NAME, f"{NAME}.zip"]
    zipfile.ZipFile(archive).extractall(folder / "elsewhere")
    return folder / "elsewhere" / NAME


@pytest.mark.filterwarnings("ignore")
def test_folder_and_zip_hold_what_the_zoo_and_monais_tools_look_for(bundle: Path) -> None:
    for line in (bundle / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((bundle / name).read_bytes()).hexdigest() == digest
    present = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert {"LICENSE", "metadata.json", "large_files.yml", "docs/README.md", "docs/data_license.txt"} <= present
    assert {f"models/model.{kind}" for kind in ("pt", "ts", "json", "safetensors")} <= present
    assert not [name for name in present if "__pycache__" in name or name.startswith(("runs", "tests"))]
    assert not any("Doe" in path.read_text() for path in bundle.rglob("*.json"))
    assert json.loads((bundle / "metadata.json").read_text())["trained_run"]["run"] == "first"
    for name in ("train", "inference"):
        config = ConfigParser.load_config_file(str(bundle / "configs" / f"{name}.json"))
        assert config["network_def"] == NARROW
        assert config["image_size"] == 64
    shared = ConfigParser()
    shared.read_config([str(bundle / "configs" / f"{name}.json") for name in ("train", "multi_gpu_train")])
    assert "join_processes" in str(shared["initialize"])
    assert "check_settings_before_start" in str(shared["initialize"])
    assert shared["network_def"] == NARROW
    overlay = ConfigParser.load_config_file(str(bundle / "configs" / "multi_gpu_train.json"))
    assert not {"train", "cases", "initialize"} & set(overlay)  # it takes away nothing that the file before it has set
    weights = load_weights(bundle / "models" / "model.pt")
    loaded = load(NAME, bundle_dir=str(bundle.parent), device="cpu").state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in weights.items())
    assert all(
        torch.equal(load_file(bundle / "models/model.safetensors")[key], value) for key, value in weights.items()
    )
    assert find_faults(bundle) == []
    assert "](results.md)" not in (bundle / "docs/README.md").read_text()


def test_unpacked_elsewhere_it_segments_and_refuses_what_does_not_fit_in_one_line(bundle: Path, tmp_path: Path) -> None:
    save(UNet(channels=(4, 8, 16, 32, 64)).state_dict(), tmp_path / "other.pt")
    image = np.random.default_rng(0).normal(size=(20, 24, 3)).astype(np.float32)
    nib.Nifti1Image(image, np.diag([2.0, 1.5, 3.0, 1.0])).to_filename(tmp_path / "image.nii.gz")
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "MLFLOW_TRACKING_URI"}}
    done = subprocess.run(
        [sys.executable, "-P", "-B", "-c", PROGRAM, str(bundle)],
        cwd=tmp_path,
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said.pop("written") is False
    assert said["no run"].startswith(f"no run 'nowhere' under {bundle}/runs")
    assert "leave it out: it is taken from the run or model" in said["another network"]
    assert "other.pt" in said["other weights"]
    assert not [text for text in said.values() if "\n" in text]
    mask = nib.load(tmp_path / "masks" / "image_segmentation.nii.gz")
    assert mask.shape == image.shape
    np.testing.assert_allclose(mask.affine, np.diag([2.0, 1.5, 3.0, 1.0]))


def test_a_run_that_is_not_there_is_one_line_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, "first")
    assert main(["second", "--output_dir", str(tmp_path / "runs"), "--dist", str(tmp_path / "dist")]) == 1
    assert capsys.readouterr().err.startswith("error: no run 'second' under")
    assert not (tmp_path / "dist").exists()


def test_what_was_not_built_here_is_not_replaced(tmp_path: Path) -> None:
    make_run(tmp_path, "first")
    checkout = tmp_path / "dist" / NAME  # as where the project itself lies in a folder of that name
    checkout.mkdir(parents=True)
    (checkout / "mine").write_text("mine")
    with pytest.raises(UserError, match=f"{NAME} is no bundle that was built here .*; move it away"):
        build_bundle("first", tmp_path / "runs", tmp_path / "dist")
    assert (checkout / "mine").read_text() == "mine"
    checkout.rename(tmp_path / "dist" / f"{NAME}.zip")
    with pytest.raises(UserError, match=f"{NAME}.zip is no zip that was built here; move it away"):
        build_bundle("first", tmp_path / "runs", tmp_path / "dist")
    (tmp_path / "dist" / NAME).symlink_to(f"{NAME}.zip")
    with pytest.raises(UserError, match=f"{NAME} is no bundle that was built here"):
        build_bundle("first", tmp_path / "runs", tmp_path / "dist")
    assert sorted(path.name for path in (tmp_path / "dist").iterdir()) == [NAME, f"{NAME}.zip"]


def test_a_bundle_whose_name_can_not_be_given_leaves_the_one_before(tmp_path: Path) -> None:
    before, built = tmp_path / NAME, tmp_path / "new"
    before.mkdir()
    (before / LIST).write_text("before")
    with pytest.raises(FileNotFoundError):
        _put(built, before, tmp_path / "aside")
    assert (before / LIST).read_text() == "before"
    built.mkdir()
    _put(built, before, tmp_path / "aside")
    assert list(before.iterdir()) == []


def test_a_run_and_an_address_are_needed_that_can_be_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path, "first")
    places = ["--output_dir", str(tmp_path / "runs"), "--dist", str(tmp_path / "dist")]
    assert main(["", *places]) == 1
    assert "a bundle is built from a run: make bundle RUN=NAME; runs in" in capsys.readouterr().err
    for url in ("x", "http://", "https://a b/", "javascript:x", "https://x?y=1", "https://x#y", "https://x\ny"):
        assert main(["first", *places, "--url", url]) == 1
        assert "is no folder at http:// or https://; give URL=https://HOST/FOLDER" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["first", *places[:3], str(tmp_path / "file")]) == 1
    assert "is a file; choose another --dist" in capsys.readouterr().err
    assert not (tmp_path / "dist").exists()


def test_the_weights_in_every_form_are_those_that_were_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the run trains on meanwhile."""
    run = make_run(tmp_path, "first", network_def=NARROW, network_name="unet", image_size=64, labels=LABELS)
    save(UNet(channels=(2, 4, 8, 16, 32)).state_dict(), run / "model.pt")
    save({"progress": {"epoch": 2}}, run / "checkpoint_last.pt")
    monkeypatch.setattr("scripts.release.build._format", lambda folder: None)

    def place_then_train_on(run_dir: Path, models: Path) -> Path:
        target = place_weights(run_dir, models)
        save(UNet(channels=(2, 4, 8, 16, 32)).state_dict(), run / "model.pt")
        return target

    monkeypatch.setattr("scripts.release.build.place_weights", place_then_train_on)
    build_bundle("first", tmp_path / "runs", tmp_path / "dist")
    models = tmp_path / "dist" / NAME / "models"
    described = json.loads((models / "model.json").read_text())["sha256"]
    assert described == hashlib.sha256((models / "model.pt").read_bytes()).hexdigest()
    weights = load_weights(models / "model.pt")
    for found in (load_file(models / "model.safetensors"), torch.jit.load(models / "model.ts").state_dict()):
        assert all(torch.equal(found[key], value) for key, value in weights.items())
    page = (tmp_path / "dist" / NAME / "docs" / "README.md").read_text()
    assert "loss adfl, 2 of 5 epochs, fold 0" in page


def test_the_copy_is_formatted_also_below_a_folder_that_formatters_leave_out(tmp_path: Path) -> None:
    for tool in ("black", "isort"):
        pytest.importorskip(tool, reason=f"{tool} is not installed")
    file = tmp_path / "dist" / "bundle" / "module.py"
    file.parent.mkdir(parents=True)
    file.write_text("import sys\nimport os\nnumbers = [\n    1,\n]\n")
    _format(file.parent)
    assert file.read_text() == "import os\nimport sys\n\nnumbers = [1]\n"
