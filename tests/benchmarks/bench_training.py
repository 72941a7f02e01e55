"""A training with everything on against a bare PyTorch loop: its steps, its validations and its whole epochs.

    python -m tests.benchmarks.bench_training [--sizes 224 64] [--cases 10] [--epochs 4] [--precision bfloat16]
        [--channels_last]

After every epoch of ours the bare loop does one, in the same process: the ratio of the two is that of neighbours, and a
machine that others use too slows both. Times are those of the processor (all threads of the process, so that what
uploads to MLflow counts), and the epoch that begins, which imports MLflow and reads the slices first, stands apart.

The bare loop is what one writes in an afternoon: PNG files by Pillow, torch's loader, the same network and loss,
torch's own Adam, the loss kept; it validates the same images in float32 and counts Dice of every class, no more.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from scripts.losses import DualFocalLoss
from tests.benchmarks.measuring import machine, spread, table
from tests.workflows import make_workflow

TARGETS = {224: 1.03, 64: 1.05}
REDUCED_TARGET = 0.60  # of ours in bfloat16, against the bare loop in float32
CONDITIONS: dict[int, tuple[list[str], dict[str, Any]]] = {
    224: ([], {"cases::num_cases": 10, "cases::size": [160, 160, 8]}),
    64: (
        ["network_unet.yaml"],
        {"network_def::channels": [16, 32, 64, 128, 256], "cases::num_cases": 20, "cases::size": [64, 64, 12]},
    ),
}


class Files(Dataset[tuple[Tensor, Tensor]]):
    """Slices from their files."""

    def __init__(self, items: Sequence[dict[str, Any]]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, label = (np.asarray(Image.open(self.items[index][key])) for key in ("image", "label"))
        return torch.from_numpy(image.astype(np.float32) / 65535)[None], torch.from_numpy(label.astype(np.int64))[None]


class BareLoop:
    """A training without anything around it."""

    def __init__(self, network: nn.Module, train: Sequence[dict[str, Any]], val: Sequence[dict[str, Any]]) -> None:
        self.network = network
        self.loss = DualFocalLoss()
        self.optimizer = torch.optim.Adam(network.parameters(), lr=5e-4)
        self.train_loader = DataLoader(Files(train), batch_size=4, shuffle=True, drop_last=True)
        self.val_loader = DataLoader(Files(val), batch_size=4)
        self.history: list[float] = []

    def train(self) -> None:
        """One epoch."""
        self.network.train()
        for image, label in self.train_loader:
            self.optimizer.zero_grad()
            loss = self.loss(self.network(image), label)
            loss.backward()
            self.optimizer.step()
            self.history.append(loss.item())

    def validate(self) -> list[float]:
        """Dice of every class."""
        self.network.eval()
        hits, total = torch.zeros(2), torch.zeros(2)
        with torch.no_grad():
            for image, label in self.val_loader:
                said = self.network(image).argmax(1, keepdim=True)
                for value in range(2):
                    hits[value] += ((said == value) & (label == value)).sum()
                    total[value] += (said == value).sum() + (label == value).sum()
        return list(2 * hits / total)


class Interleaved:
    """Handler, the last of the trainer: lets the bare loop do an epoch after each of ours, and keeps the times."""

    def __init__(self, bare: BareLoop, evaluator: Engine) -> None:
        self.bare = bare
        self.evaluator = evaluator
        self.times: dict[str, list[tuple[float, float]]] = {"steps": [], "validation": [], "epoch": []}
        self._begin = self._trained = self._validating = self._validated = 0.0

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer behind all others."""
        engine.add_event_handler(Events.STARTED, lambda: setattr(self, "_begin", time.process_time()))
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: setattr(self, "_trained", time.process_time()))
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._epoch)
        evaluator = self.evaluator
        evaluator.add_event_handler(Events.STARTED, lambda: setattr(self, "_validating", time.process_time()))
        evaluator.add_event_handler(Events.COMPLETED, lambda: setattr(self, "_validated", time.process_time()))

    def _epoch(self) -> None:
        end = time.process_time()
        self.bare.train()
        trained = time.process_time()
        self.bare.validate()
        validated = time.process_time()
        self.times["steps"].append((self._trained - self._begin, trained - end))
        self.times["validation"].append((self._validated - self._validating, validated - trained))
        self.times["epoch"].append((end - self._begin, validated - end))
        self._begin = time.process_time()


def compare(size: int, epochs: int, folder: Path, **overrides: Any) -> dict[str, list[tuple[float, float]]]:
    """Seconds of (ours, bare) of each epoch."""
    parts, settings = CONDITIONS[size]
    settings = {"output_dir": str(folder), "bundle_root": str(folder), "image_size": size, "device": "cpu", **settings}
    workflow = make_workflow("train.yaml", *parts, max_epochs=epochs + 1, **{**settings, **overrides})
    workflow.initialize()
    found = {key: workflow.parser.get_parsed_content(key) for key in ("network", "data", "validate::evaluator")}
    bare = BareLoop(copy.deepcopy(found["network"]), found["data"].items("train"), found["data"].items("val"))
    interleaved = Interleaved(bare, found["validate::evaluator"])
    interleaved.attach(workflow.parser.get_parsed_content("train::trainer"))
    workflow.run()
    return interleaved.times


def report(sizes: Sequence[int], epochs: int, **overrides: Any) -> str:
    """The table of ratios, without the first epoch; in float32 unless ``overrides`` of ours say otherwise."""
    overrides = {"precision": "float32", **overrides}
    targets = TARGETS if overrides["precision"] == "float32" else dict.fromkeys(TARGETS, REDUCED_TARGET)
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            times = compare(size, epochs, Path(folder), **overrides)
        for name, pairs in times.items():
            ratios = [ours / bare for ours, bare in pairs[1:]]
            target = {"steps": targets[size], "validation": min(1.10, targets[size] + 0.1), "epoch": targets[size]}[
                name
            ]
            seconds = statistics.median(bare for _, bare in pairs[1:])
            rows.append(
                [str(size), name, f"{seconds:.2f}", spread(ratios), f"{target:.2f}", f"{pairs[0][0] / pairs[0][1]:.2f}"]
            )
    head = ["size", "what", "bare, s of processor", "ours / bare: median (range)", "target", "first epoch"]
    return table(head, rows)


def main() -> None:
    """Print the machine and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--cases", type=int, help="of 8 (224) or 12 slices (64), of which three fifths are trained on")
    parser.add_argument("--epochs", type=int, default=4, help="measured, behind one that is not")
    parser.add_argument("--precision", default="float32", help="of ours; the bare loop has float32")
    parser.add_argument("--channels_last", action="store_true", help="of ours")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = {"precision": arguments.precision, "channels_last": arguments.channels_last}
    if arguments.cases is not None:
        settings["cases::num_cases"] = arguments.cases
    print(f"{machine()}\n\n{report(arguments.sizes, arguments.epochs, **settings)}", flush=True)


if __name__ == "__main__":
    main()
