"""What MONAI's federated client, and NVFlare through it, does to the bundle."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from monai.fl.client import MonaiAlgo
from monai.fl.utils.constants import ExtraItems
from monai.fl.utils.exchange_object import ExchangeObject

from tests.workflows import CONFIGS, ROOT, tiny_overrides

TINY_UNET = {"_target_": "scripts.networks.UNet", "in_channels": 1, "num_classes": 2, "channels": [2, 4, 8, 16, 32]}


@pytest.mark.filterwarnings("ignore")  # of MonaiAlgo, about configurations that are code
def test_a_client_trains_and_evaluates_the_network_that_it_is_handed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = tiny_overrides(
        tmp_path, network_name="unet", network_def=TINY_UNET, learning_rate=1e-12, batch_norm_images=0
    )
    settings.pop("max_epochs")
    client = MonaiAlgo(
        bundle_root=str(ROOT),
        local_epochs=1,
        send_weight_diff=False,
        config_train_filename=f"configs/{(CONFIGS / 'train.yaml').name}",
        config_evaluate_filename=["configs/train.yaml", "configs/evaluate.yaml"],
        train_kwargs=dict(settings),
        eval_kwargs=dict(settings),
    )
    client.initialize({ExtraItems.CLIENT_NAME: "site-1", ExtraItems.APP_ROOT: ""})
    assert client.trainer is not None
    for number in (
        1,
        2,
    ):  # next to no learning: what comes back is what was handed over, not the client's own last state
        torch.manual_seed(number)
        weights = {name: torch.rand_like(value) * 0.1 for name, value in client.trainer.network.state_dict().items()}
        handed = ExchangeObject(weights={name: value.numpy() for name, value in weights.items()})
        client.train(handed)
        back = client.get_weights()
        for name, value in client.trainer.network.state_dict().items():
            torch.testing.assert_close(value, weights[name])
        assert back.weights.keys() == weights.keys()
        assert client.trainer.state.epoch == number
        metrics = client.evaluate(handed).metrics
        assert 0.0 <= metrics["dice/mean"] <= 1.0
        for name, value in client.evaluator.network.state_dict().items():
            torch.testing.assert_close(value, weights[name])
    client.finalize()
