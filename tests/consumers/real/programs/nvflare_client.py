"""What a site of the federation does: NVFlare's client API around MONAI's algorithm on the bundle."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import nvflare.client as flare
from monai.fl.client import MonaiAlgo
from monai.fl.utils.constants import ExtraItems
from monai.fl.utils.exchange_object import ExchangeObject

bundle, work = os.environ["BUNDLE"], os.environ["WORK"]
flare.init()
site = flare.get_site_name()
settings = {"output_dir": f"{work}/{site}", "device": "cpu", "run_name": site}
algorithm = MonaiAlgo(
    bundle_root=bundle,
    local_epochs=1,
    send_weight_diff=False,
    config_train_filename="configs/train.json",
    config_evaluate_filename=["configs/train.json", "configs/evaluate.json"],
    train_kwargs=dict(settings),
    eval_kwargs=dict(settings),
)
algorithm.initialize({ExtraItems.CLIENT_NAME: site, ExtraItems.APP_ROOT: ""})
while flare.is_running():
    model = flare.receive()
    handed = {name: np.asarray(value) for name, value in model.params.items()}
    algorithm.train(ExchangeObject(weights=handed))
    back = algorithm.get_weights()
    metrics = {name: float(value) for name, value in algorithm.evaluate(back).metrics.items() if np.isscalar(value)}
    moved = sum(not np.array_equal(handed[name], np.asarray(value)) for name, value in back.weights.items())
    seen = {"round": model.current_round, "tensors": len(handed), "moved": moved, "dice": metrics["dice/mean"]}
    Path(work, "client.json").write_text(json.dumps(seen))
    flare.send(flare.FLModel(params=back.weights, metrics=metrics, meta={"NUM_STEPS_CURRENT_ROUND": 1}))
