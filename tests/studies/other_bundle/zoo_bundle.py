"""A small bundle with the ids and the layout of the model zoo's ``spleen_ct_segmentation``, and volumes for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

CASES, TESTED = 6, 2
PAIR = ["image", "label"]
FROM_ENGINE = "$monai.handlers.from_engine(['pred', 'label'])"
LOAD = [
    {"_target_": "LoadImaged", "keys": PAIR},
    {"_target_": "EnsureChannelFirstd", "keys": PAIR},
    {"_target_": "Orientationd", "keys": PAIR, "axcodes": "RAS"},
    {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": -1, "a_max": 2, "b_min": 0, "b_max": 1},
    {"_target_": "EnsureTyped", "keys": PAIR},
]
DISCRETE = {
    "_target_": "Compose",
    "transforms": [
        {"_target_": "Activationsd", "keys": "pred", "softmax": True},
        {"_target_": "AsDiscreted", "keys": ["pred", "label"], "argmax": [True, False], "to_onehot": 2},
    ],
}


def dataset(part: str, cases: str) -> dict[str, Any]:
    data = f"$[{{'image': i, 'label': l}} for i, l in zip(@images[{cases}], @labels[{cases}])]"
    return {"_target_": "CacheDataset", "data": data, "transform": f"@{part}#preprocessing", "progress": False}


def loader(part: str) -> dict[str, Any]:
    return {"_target_": "DataLoader", "dataset": f"@{part}#dataset", "batch_size": 1, "num_workers": 0}


TRAIN: dict[str, Any] = {
    "imports": ["$import glob", "$import ignite"],
    "bundle_root": ".",
    "ckpt_dir": "$@bundle_root + '/models'",
    "output_dir": "$@bundle_root + '/eval'",
    "dataset_dir": "/nowhere/Task09_Spleen",
    "images": "$sorted(glob.glob(@dataset_dir + '/imagesTr/*.nii.gz'))",
    "labels": "$sorted(glob.glob(@dataset_dir + '/labelsTr/*.nii.gz'))",
    "epochs": 2,
    "device": "$torch.device('cpu')",
    "network_def": {
        "_target_": "UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [4, 8], "strides": [2],
    },
    "network": "$@network_def.to(@device)",
    "loss": {"_target_": "DiceCELoss", "to_onehot_y": True, "softmax": True},
    "optimizer": {"_target_": "torch.optim.Adam", "params": "$@network.parameters()", "lr": 0.01},
    "train": {
        "preprocessing": {"_target_": "Compose", "transforms": LOAD},
        "dataset": dataset("train", f":-{TESTED}"),
        "dataloader": {**loader("train"), "shuffle": True},
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": DISCRETE,
        "handlers": [
            {"_target_": "ValidationHandler", "validator": "@validate#evaluator", "epoch_level": True, "interval": 1},
        ],
        "key_metric": {"train_accuracy": {"_target_": "ignite.metrics.Accuracy", "output_transform": FROM_ENGINE}},
        "trainer": {
            "_target_": "SupervisedTrainer", "max_epochs": "@epochs", "device": "@device",
            "train_data_loader": "@train#dataloader", "network": "@network", "loss_function": "@loss",
            "optimizer": "@optimizer", "inferer": "@train#inferer", "postprocessing": "@train#postprocessing",
            "key_train_metric": "@train#key_metric", "train_handlers": "@train#handlers",
        },
    },
    "validate": {
        "preprocessing": {"_target_": "Compose", "transforms": LOAD},
        "dataset": dataset("validate", f"-{TESTED}:"),
        "dataloader": loader("validate"),
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [16, 16, 16], "sw_batch_size": 1},
        "postprocessing": "%train#postprocessing",
        "handlers": [
            {
                "_target_": "CheckpointSaver", "save_dir": "@ckpt_dir", "save_dict": {"model": "@network"},
                "save_key_metric": True, "key_metric_filename": "model.pt",
            },
        ],
        "key_metric": {
            "val_mean_dice": {"_target_": "MeanDice", "include_background": False, "output_transform": FROM_ENGINE}
        },
        "evaluator": {
            "_target_": "SupervisedEvaluator", "device": "@device", "val_data_loader": "@validate#dataloader",
            "network": "@network", "inferer": "@validate#inferer", "postprocessing": "@validate#postprocessing",
            "key_val_metric": "@validate#key_metric", "val_handlers": "@validate#handlers",
        },
    },
    "initialize": ["$monai.utils.set_determinism(seed=123)"],
    "run": ["$@train#trainer.run()"],
}  # fmt: skip
EVALUATE: dict[str, Any] = {
    "validate#handlers": [
        {
            "_target_": "CheckpointLoader", "load_path": "$@ckpt_dir + '/model.pt'", "load_dict": {"model": "@network"},
        },
        {
            "_target_": "MetricsSaver", "save_dir": "@output_dir", "metrics": ["val_mean_dice"],
            "metric_details": ["val_mean_dice"], "batch_transform": "$lambda x: [xx['image'].meta for xx in x]",
        },
    ],
    "run": ["$@validate#evaluator.run()"],
}  # fmt: skip


def write_bundle(folder: Path) -> Path:
    """The bundle; a network that it was handed out with lies in its ``models``."""
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "models" / "model.pt").write_bytes(b"the weights that it was handed out with")
    for name, config in (("train", TRAIN), ("evaluate", EVALUATE), ("metadata", {"version": "0.1.0"})):
        (folder / "configs" / f"{name}.json").write_text(json.dumps(config, indent=4))
    return folder


def write_volumes(folder: Path) -> Path:
    """Noisy volumes with a bright block, in the folders of the decathlon."""
    random = np.random.default_rng(0)
    for number in range(CASES):
        label = np.zeros((16, 16, 16), np.uint8)
        low = random.integers(2, 6, 3)
        label[low[0] : low[0] + 8, low[1] : low[1] + 8, low[2] : low[2] + 8] = 1
        image = (label + random.normal(0, 0.2, label.shape)).astype(np.float32)
        for part, volume in (("imagesTr", image), ("labelsTr", label)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            nib.Nifti1Image(volume, np.eye(4)).to_filename(folder / part / f"spleen_{number}.nii.gz")
    return folder


def study_config(bundle: Path, volumes: Path, output_dir: Path) -> dict[str, Any]:
    """A study file of two losses over three folds, which turn the list of cases."""
    turn = "$(lambda x: x[{n}:] + x[:{n}])(sorted(glob.glob(@dataset_dir + '/{part}Tr/*.nii.gz')))"
    return {
        "study": "spleen",
        "bundle": str(bundle),
        "settings": {"dataset_dir": str(volumes)},
        "factors": {"loss": {"DiceCE": {}, "DFL": {"_target_": "dual_focal_loss.losses.DualFocalLoss"}}},
        "folds": [
            {f"{part}s": turn.format(n=TESTED * fold, part=f"{part}s") for part in PAIR}
            for fold in range(CASES // TESTED)
        ],
        "output_dir": str(output_dir),
        "threads": 1,
    }
