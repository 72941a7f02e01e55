"""One round of federated averaging in NVFlare's simulator, on the bundle: python nvflare_job.py BUNDLE FOLDER."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

bundle, work = map(Path, sys.argv[1:3])
here = Path(__file__).resolve().parent
os.environ |= {"BUNDLE": str(bundle), "WORK": str(work)}
os.environ["PYTHONPATH"] = os.pathsep.join([str(bundle), str(here)])
sys.path[:0] = [str(bundle), str(here)]

import torch  # noqa: E402
from nvflare.app_opt.pt.job_config.fed_avg import FedAvgJob  # noqa: E402
from nvflare.job_config.script_runner import ScriptRunner  # noqa: E402
from nvflare_model import GlobalModel  # noqa: E402

job = FedAvgJob(name="bundle", n_clients=1, num_rounds=1, initial_model=GlobalModel())
job.to(ScriptRunner(script=str(here / "nvflare_client.py"), launch_external_process=False), "site-1")
job.simulator_run(str(work / "workspace"), gpu=None)

seen = json.loads((work / "client.json").read_text())
(stored,) = (work / "workspace").rglob("FL_global_model.pt")
weights = torch.load(stored, weights_only=False)["model"]
assert set(weights) == set(GlobalModel().state_dict()), "the server holds other weights than it handed out"
assert seen["moved"] > seen["tensors"] / 2, f"the round has changed {seen['moved']} of {seen['tensors']} tensors"
print(
    f"seen: one round of FedAvg with one client: {seen['tensors']} tensors handed out, trained, evaluated (Dice "
    f"{seen['dice']:.2f}) and given back to the server"
)
