"""How loading, memory and a step grow: with the images, the classes and the size.

    python -m tests.benchmarks.bench_growth [--images 1000 10000 100000]

Images: one pass of the training's loader over so many slices of 64 x 64 pixels (links to one file), twice: the first
decodes them, the second finds in memory what the cache has a place for, here 64 MiB. Classes and size: forward and
backward pass of the loss, and the counting of a validation; and a step of a small U-Net. Times are those of the
processor; an exponent of 1 grows in proportion.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from monai.data import DataLoader, Dataset
from PIL import Image

from scripts.datasets import slice_cache
from scripts.datasets.slice_loading import LoadSlice
from scripts.evaluation.metrics import overlap_counts
from scripts.losses import DualFocalLoss
from scripts.networks import UNet
from tests.benchmarks.measuring import exponent, machine, table

SIZE, CACHE = 64, 64 * 2**20


def links(folder: Path, count: int) -> Any:
    """A prepared data set of so many slices, all links to one."""
    draw = np.random.default_rng(0)
    items = []
    for key, kind in (("image", np.uint16), ("label", np.uint8)):
        (folder / key).mkdir()
        Image.fromarray(draw.integers(0, 2, (SIZE, SIZE), dtype=kind)).save(folder / key / "first.png")
    for index in range(count):
        for key in ("image", "label"):
            (folder / key / f"{index}.png").symlink_to("first.png")
        paths = {key: str(folder / key / f"{index}.png") for key in ("image", "label")}
        items.append({**paths, "case": f"case{index // 100}", "case_index": index // 100, "slice": index % 100})
    parts = {"train": items, "val": []}
    return SimpleNamespace(items=parts.__getitem__, intensity_max=65535, image_size=(SIZE, SIZE), in_channels=1)


def memory() -> float:
    """Resident memory of this process, MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def load(count: int) -> tuple[float, float, float]:
    """Seconds of the first and the second pass, and the MiB that they added."""
    slice_cache.free_memory = lambda: 2 * CACHE
    with tempfile.TemporaryDirectory() as folder:
        dataset = links(Path(folder), count)
        before = memory()
        loader = DataLoader(Dataset(dataset.items("train"), LoadSlice(dataset, 0.5)), batch_size=4, shuffle=True)
        seconds = []
        for _ in range(2):
            begin = time.process_time()
            for _batch in loader:
                pass
            seconds.append(time.process_time() - begin)
        return seconds[0], seconds[1], memory() - before


def median(step: Callable[[], Any], turns: int = 7) -> float:
    """Median seconds of a step, the first left out."""
    times = []
    for _ in range(turns + 1):
        begin = time.process_time()
        step()
        times.append(time.process_time() - begin)
    return statistics.median(times[1:])


def loss_step(classes: int) -> Callable[[], Any]:
    """Loss and validation's counts of a batch of 4 x 128 x 128."""
    logits = torch.randn(4, classes, 128, 128, requires_grad=True)
    target = torch.randint(classes, (4, 1, 128, 128))
    loss = DualFocalLoss()

    def step() -> None:
        logits.grad = None
        loss(logits, target).backward()
        overlap_counts(logits.detach().argmax(1), target, classes, None)

    return step


def network_step(size: int) -> Callable[[], Any]:
    """A training step of a small U-Net on 4 images."""
    network, loss = UNet(in_channels=1, num_classes=2, channels=[8, 16, 32, 64, 128]), DualFocalLoss()
    image, target = torch.randn(4, 1, size, size), torch.randint(2, (4, 1, size, size))
    return lambda: loss(network(image), target).backward()


def growth(name: str, sizes: Sequence[int], cost: Callable[[int], float]) -> list[str]:
    """A row: what grows, the costs, and the exponent."""
    costs = [cost(size) for size in sizes]
    shown = ", ".join(f"{size}: {1e3 * value:.0f} ms" for size, value in zip(sizes, costs, strict=True))
    return [name, shown, f"{exponent(sizes, costs):.2f}"]


def main() -> None:
    """Print the machine and the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [load(count) for count in arguments.images]
    head = ["slices", "first pass, images/s", "second pass, images/s", "memory added, MiB (cache at most 64)"]
    shown = [
        [str(count), f"{count / first:.0f}", f"{count / second:.0f}", f"{added:.0f}"]
        for count, (first, second, added) in zip(arguments.images, rows, strict=True)
    ]
    print(f"{machine()}\n\n{table(head, shown)}\n", flush=True)
    power = f"{exponent(arguments.images, [first for first, _, _ in rows]):.2f}"
    lines = [
        ["images (the first pass of the loader)", "see above", power, "1"],
        [*growth("classes (loss and counts)", [2, 11, 50, 150], lambda n: median(loss_step(n))), "1"],
        [*growth("size (a step of a U-Net)", [64, 128, 256], lambda n: median(network_step(n))), "2"],
    ]
    print(table(["what grows", "cost", "exponent", "target, at most"], lines), flush=True)


if __name__ == "__main__":
    main()
