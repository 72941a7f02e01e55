"""Time and memory of the losses as a ratio to torch's cross entropy.

    python -m tests.benchmarks.bench_loss [--threads 1 2] [--seconds 5] [--shapes 4x2x224x224 ...]

Forward and backward of all losses run in turns, so that a busy machine slows each of them alike; the figures are
medians. Memory is the most that is allocated at once beyond logits and target, in bytes for each voxel and class.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import monai.losses
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from scripts.losses import DualFocalLoss

SHAPES = ["4x2x224x224", "4x11x224x224", "2x19x512x1024", "1x3x128x128x128"]
Loss = Callable[[Tensor, Tensor], Tensor]


def naive_dual_focal(logits: Tensor, target: Tensor) -> Tensor:
    """Equations 7 to 9 as one writes them down; not a number where p rounds to 1."""
    p = logits.softmax(dim=1)
    label = F.one_hot(target[:, 0], logits.shape[1]).movedim(-1, 1).float()
    terms = (label - p).abs() - label * p.log() - (1 - label) * (1 - p).log()
    return terms.sum(dim=1).mean()


def losses() -> dict[str, Loss]:
    """What is compared; the first is the unit."""
    return {
        "cross_entropy": lambda logits, target: F.cross_entropy(logits, target[:, 0]),
        "DFL eager": DualFocalLoss(backend="eager"),
        "DFL compiled": DualFocalLoss(backend="compiled"),
        "naive DFL": naive_dual_focal,
        "MONAI FocalLoss": monai.losses.FocalLoss(to_onehot_y=True, use_softmax=True),
        "MONAI DiceCELoss": monai.losses.DiceCELoss(to_onehot_y=True, softmax=True),
    }


def random_batch(shape: list[int]) -> tuple[Tensor, Tensor]:
    """Seeded logits and class indices."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator) * 3.0
    target = torch.randint(shape[1], (shape[0], 1, *shape[2:]), generator=generator)
    return logits, target


def step(loss: Loss, logits: Tensor, target: Tensor) -> float:
    """Seconds of one forward and backward pass."""
    logits = logits.detach().requires_grad_()
    start = time.perf_counter()
    loss(logits, target).backward()
    return time.perf_counter() - start


def median_seconds(compared: dict[str, Loss], logits: Tensor, target: Tensor, seconds: float) -> dict[str, float]:
    """Median of each loss over as many turns as fit into the time, at least five."""
    times: dict[str, list[float]] = {name: [] for name in compared}
    for loss in compared.values():
        step(loss, logits, target)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["cross_entropy"]) < 5:
        for name, loss in compared.items():
            times[name].append(step(loss, logits, target))
    return {name: statistics.median(values) for name, values in times.items()}


def peak_bytes(loss: Loss, logits: Tensor, target: Tensor) -> int:
    """Most bytes that one step holds at once, its gradient included."""
    step(loss, logits, target)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        step(loss, logits, target)
    events = [e for e in recorded.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def report(shapes: list[str], threads: list[int], seconds: float) -> str:
    """The Markdown tables of time and memory."""
    compared = losses()
    names = list(compared)[1:]
    head = f"| shape | threads | cross_entropy | {' | '.join(names)} |\n|---|---|---|{'---|' * len(names)}\n"
    times = memory = ""
    for text in shapes:
        logits, target = random_batch([int(size) for size in text.split("x")])
        for count in threads:
            torch.set_num_threads(count)
            medians = median_seconds(compared, logits, target, seconds)
            unit = medians["cross_entropy"]
            ratios = " | ".join(f"{medians[name] / unit:.2f}" for name in names)
            times += f"| {text} | {count} | {unit * 1e3:.2f} ms | {ratios} |\n"
        sizes = {name: peak_bytes(loss, logits, target) / logits.numel() for name, loss in compared.items()}
        cells = " | ".join(f"{sizes[name]:.1f}" for name in names)
        memory += f"| {text} | {threads[-1]} | {sizes['cross_entropy']:.1f} | {cells} |\n"
    return (
        f"Time, as a ratio to cross_entropy; targets: DFL compiled at most 1, eager at most 3\n\n{head}{times}\n"
        f"Peak bytes per voxel and class; target: DFL at most cross_entropy's\n\n{head}{memory}"
    )


def main() -> None:
    """Print the machine and the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=5.0, help="of measuring for each shape and thread count")
    parser.add_argument("--shapes", nargs="+", default=SHAPES)
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}\n")
    print(report(arguments.shapes, arguments.threads, arguments.seconds))


if __name__ == "__main__":
    main()
