"""Lightning's trainer on the module of docs/other_trainers.md: python lightning_training.py BUNDLE FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import lightning
import torch
from page_block import lay_package, page_block

work = Path(sys.argv[2])
lay_package(work)
names = {"torch": torch, "lightning": lightning}
exec(page_block("Lightning"), names)
torch.manual_seed(0)
items = [{"image": torch.rand(1, 16, 16), "label": torch.randint(0, 3, (1, 16, 16))} for _ in range(8)]
module = names["Segmentation"](torch.nn.Conv2d(1, 3, 1), 3, [900.0, 80.0, 20.0])
before = {name: value.clone() for name, value in module.state_dict().items()}
trainer = lightning.Trainer(max_epochs=2, accelerator="cpu", default_root_dir=work, enable_progress_bar=False)
trainer.fit(module, torch.utils.data.DataLoader(items, batch_size=2))
fixed = [name for name, value in module.named_parameters() if torch.equal(before[name], value)]
assert trainer.global_step == 8, f"{trainer.global_step} steps, not 8"
assert not fixed, f"parameters that were not trained: {fixed}"
(stored,) = work.rglob("*.ckpt")
kept = torch.load(stored, weights_only=False)["state_dict"]
assert set(kept) == set(before), "the checkpoint holds other weights than the module"
print("seen: Trainer.fit, two epochs of four steps, network and class weights trained, both in Lightning's checkpoint")
