"""Inference of whole volumes against the bare forward passes of their slices.

    python -m tests.benchmarks.bench_inference [--volumes 6]

After every volume its slices go through the same network in the same batches, in the same process, softmax included:
the ratio of the two is that of neighbours. Times are those of the processor. Ours reads the volume, scales and resizes
it, restores its grid, measures, writes the mask, the picture and the tables; the page at the end is not in it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from scripts.datasets import find_phantom
from scripts.networks import DeepLabV3Plus
from tests.benchmarks.measuring import machine, spread, table
from tests.workflows import make_workflow

TARGET = 1.10


class Interleaved:
    """Handler, the last of the evaluator: bare forward passes after each volume."""

    def __init__(self, network: torch.nn.Module, batch_size: int) -> None:
        self.network = network
        self.batch_size = batch_size
        self.times: list[tuple[float, float]] = []
        self._begin = 0.0
        self._image: torch.Tensor | None = None

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator behind all others."""
        engine.add_event_handler(Events.STARTED, lambda: setattr(self, "_begin", time.process_time()))
        engine.add_event_handler(Events.ITERATION_STARTED, self._keep)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._volume)

    def _keep(self, engine: Engine) -> None:
        self._image = engine.state.batch["image"]  # ours gives it free on the way

    def _volume(self) -> None:
        end = time.process_time()
        assert self._image is not None
        planes = torch.as_tensor(self._image)[0].permute(3, 0, 1, 2)  # (C, X, Y, Z) -> (Z, C, X, Y)
        with torch.no_grad():
            for batch in planes.split(self.batch_size):
                self.network(batch).softmax(1)
        bare = time.process_time()
        self.times.append((end - self._begin, bare - end))
        self._begin = time.process_time()


def compare(volumes: int, folder: Path, **overrides: Any) -> list[tuple[float, float]]:
    """Seconds of (ours, bare) of each volume."""
    find_phantom(folder / "images", num_cases=volumes, size=(160, 160, 12))
    for mask in (folder / "images").rglob("*_segmentation.*"):
        mask.unlink()
    torch.manual_seed(0)
    network = DeepLabV3Plus(in_channels=1, num_classes=2).eval()
    torch.save(network.state_dict(), folder / "model.pt")
    settings = {"dataset_dir": str(folder / "images"), "output_dir": str(folder / "masks"), "device": "cpu"}
    settings |= {"checkpoint": str(folder / "model.pt"), "workflow_type": "infer", **overrides}
    workflow = make_workflow("inference.yaml", **settings)
    workflow.initialize()
    interleaved = Interleaved(network, workflow.parser.get_parsed_content("batch_size"))
    interleaved.attach(workflow.parser.get_parsed_content("evaluator"))
    workflow.run()
    return interleaved.times


def main() -> None:
    """Print the machine and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--volumes", type=int, default=6)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        times = compare(arguments.volumes, Path(folder))[1:]  # the first loads what reads and draws
    ratios, ours = [a / b for a, b in times], statistics.median(a for a, _ in times)
    head = ["volumes of 12 slices", "ours / bare: median (range)", "target", "volumes a minute of processor"]
    row = [str(len(times)), spread(ratios), f"{TARGET:.2f}", f"{60 / ours:.1f}"]
    print(f"{machine()}\n\n{table(head, [row])}", flush=True)


if __name__ == "__main__":
    main()
