"""nnU-Net's own planning, preprocessing and training with the trainer of docs/other_trainers.md.

python nnunet_training.py BUNDLE FOLDER
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import nnunetv2
import numpy as np
from page_block import lay_package, page_block

NAME, SHORT = "nnUNetTrainerDualFocal", "nnUNetTrainerDualFocalShort"
SHORT_CODE = f"""
from nnunetv2.training.nnUNetTrainer.{NAME} import {NAME}


class {SHORT}({NAME}):
    def initialize(self):
        self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 1, 2, 1
        super().initialize()
"""

work = Path(sys.argv[2])
lay_package(work)
for name in ("raw", "preprocessed", "results"):
    os.environ[f"nnUNet_{name}"] = str(work / name)
    (work / name).mkdir()
os.environ |= {"nnUNet_compile": "f", "nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1"}
trainers = Path(nnunetv2.__file__).parent / "training" / "nnUNetTrainer"
(trainers / f"{NAME}.py").write_text(page_block("nnU-Net v2"))
(trainers / f"{SHORT}.py").write_text(SHORT_CODE)

data, random = work / "raw" / "Dataset001_Block", np.random.default_rng(0)
for part in ("imagesTr", "labelsTr"):
    (data / part).mkdir(parents=True)
for number in range(5):
    label = np.zeros((32, 32, 32), np.uint8)
    low = random.integers(4, 12, 3)
    label[tuple(slice(one, one + 14) for one in low)] = 1
    image = (label + random.normal(0, 0.2, label.shape)).astype(np.float32)
    nib.Nifti1Image(image, np.eye(4)).to_filename(data / "imagesTr" / f"case_{number}_0000.nii.gz")
    nib.Nifti1Image(label, np.eye(4)).to_filename(data / "labelsTr" / f"case_{number}.nii.gz")
labels = {"background": 0, "block": 1}
about = {"channel_names": {"0": "image"}, "labels": labels, "numTraining": 5, "file_ending": ".nii.gz"}
(data / "dataset.json").write_text(json.dumps(about))
plan = ["nnUNetv2_plan_and_preprocess", "-d", "1", "-c", "3d_fullres", "-np", "1", "-npfp", "1"]
subprocess.run([*plan, "--verify_dataset_integrity"], check=True)
subprocess.run(["nnUNetv2_train", "1", "3d_fullres", "0", "-tr", SHORT, "-device", "cpu"], check=True)
(summary,) = (work / "results").rglob("summary.json")
(checkpoint,) = (work / "results").rglob("checkpoint_final.pth")
dice = json.loads(summary.read_text())["foreground_mean"]["Dice"]
assert 0 <= dice <= 1, f"nnU-Net's Dice is {dice}"
log = next(checkpoint.parent.glob("training_log*.txt")).read_text()
assert "train_loss" in log, "nnU-Net has written down no loss of the epoch"
print(
    "seen: planned, preprocessed, trained one epoch of two steps with deep supervision by nnUNetv2_train, and "
    f"validated (Dice {dice:.2f})"
)
