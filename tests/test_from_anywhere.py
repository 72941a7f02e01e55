"""The bundle is run and loaded from a folder that is not its own, by a process that knows nothing of it.

Nor has its user a home.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import monai.losses

import scripts  # noqa: F401  # which makes the loss one of MONAI's
from tests.workflows import CONFIGS, ROOT

# One process for all, since starting MONAI takes longer than what is done here.
PROGRAM = """
import json, os, pickle, pwd, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
del os.environ["HOME"]
pwd.getpwuid = lambda uid: {}[uid]
import torch
from monai.bundle import ConfigParser, ConfigWorkflow, load
configs, here = Path(sys.argv[1]), Path.cwd()
LOSS_NAMES = ("scripts.losses.DualFocalLoss", "DualFocalLoss")

def refusal(name, **overrides):
    workflow = ConfigWorkflow(str(configs / name), logging_file=False, **overrides)
    try:
        workflow.initialize()
        workflow.run()
    except Exception as error:
        while error.__cause__ or error.__context__:
            error = error.__cause__ or error.__context__
        return str(error)

def forget():
    for name in [name for name in sys.modules if name.split(".")[0] == "scripts"]:
        del sys.modules[name]
    sys.path[:] = [path for path in sys.path if Path(path) != configs.parent]

said = {}
for name, extra in (("publish.yaml", {}), ("inference.yaml", {"run_name": "nowhere"})):
    said[name] = refusal(name, **extra)
    forget()
    said[name + " named"] = refusal(name, bundle_root=str(here / "named"), **extra)
    forget()

tiny = {"cases::num_cases": 6, "cases::size": [40, 40, 6], "image_size": 32, "num_folds": 3, "device": "cpu"}
training = ConfigWorkflow(str(configs / "train.yaml"), logging_file=False, workflow_type="train", **tiny,
                          output_dir=str(here / "runs"))
training.initialize()
said["root"] = training.bundle_root
said["prepares"] = training.parser.get_parsed_content("prepare_dataset").__module__
from scripts.tracking.stores import prepare_client
prepare_client()
import mlflow
said["client"] = bool(mlflow.MlflowClient)
said["home"] = str(Path.home())
forget()

bundle = here / "bundles" / "bundle"
(bundle / "configs").mkdir(parents=True)
(bundle / "models").mkdir()
for name in ("scripts", "LICENSE"):
    (bundle / name).symlink_to(configs.parent / name)
(bundle / "configs" / "metadata.json").symlink_to(configs / "metadata.json")
config = ConfigParser.load_config_file(str(configs / "train.yaml"))
config["network_name"] = "unet"
config["network_def"] = {"_target_": "scripts.networks.UNet", "in_channels": 1, "num_classes": 2,
                         "channels": [2, 4, 8, 16, 32]}
ConfigParser.export_config_file(config, str(bundle / "configs" / "train.json"))
torch.manual_seed(5)
import importlib
sys.path.insert(0, str(configs.parent))
weights = importlib.import_module("scripts.networks").UNet(1, 2, channels=[2, 4, 8, 16, 32]).state_dict()
torch.save(weights, bundle / "models" / "model.pt")
forget()
sys.path.insert(0, str(configs.parent))
with open(here / "loss.pkl", "rb") as file:
    loss = pickle.load(file)
said["unpickled"] = loss.weight.tolist()
found = [ConfigParser({"a": {"_target_": name}}).get_parsed_content("a") for name in LOSS_NAMES]
said["same class"] = all(type(one) is type(loss) for one in found)
forget()
loaded = load("bundle", bundle_dir=str(here / "bundles"), device="cpu").state_dict()
said["loaded"] = all(torch.equal(loaded[key], weights[key]) for key in weights)
print(json.dumps(said))
"""


def test_every_step_before_the_run_finds_the_bundle_from_another_folder_without_a_home(tmp_path: Path) -> None:
    homes = tmp_path / "homes"
    homes.mkdir()
    (tmp_path / "loss.pkl").write_bytes(pickle.dumps(monai.losses.DualFocalLoss(weight=[1.0, 2.0])))
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "MLFLOW_TRACKING_URI"}}
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, str(CONFIGS)],
        cwd=tmp_path,
        env={**environment, "OMP_NUM_THREADS": "1", "LOGNAME": "u", "TMPDIR": str(homes), "MPLCONFIGDIR": str(homes)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["publish.yaml"].startswith(f"publishing needs the name of a run: --run_name NAME; runs in {ROOT}/runs")
    assert f"runs in {tmp_path}/named/runs" in said["publish.yaml named"]
    assert said["inference.yaml"].startswith(f"no run 'nowhere' under {ROOT}/runs")
    assert said["inference.yaml named"].startswith(f"no run 'nowhere' under {tmp_path}/named/runs")
    assert said["root"] == str(ROOT)
    assert said["prepares"].startswith("scripts.datasets")
    assert said["loaded"] is True
    assert said["unpickled"] == [1.0, 2.0]
    assert said["same class"] is True
    assert said["client"] is True
    assert Path(said["home"]).parent == homes
    assert not Path(said["home"]).exists()
