"""Draw Figure 1 of the paper from the shipped losses: ``python -m docs.figures.draw_dual_focal_loss``."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.figure import Figure
from torch import Tensor

from scripts.losses import CrossEntropyLoss, DualFocalLoss, FocalLoss

LOSSES = {
    "CE": (CrossEntropyLoss(include_background=False, reduction="none"), "#0072b2", "-"),
    "FL (alpha 1, gamma 2)": (FocalLoss(False, alpha=1.0, reduction="none"), "#d55e00", "--"),
    "DFL": (DualFocalLoss(include_background=False, reduction="none"), "#009e73", "-"),
}
"""With the background left out of two classes, one term of the class sum is left: that of class 1."""


def curve(loss: torch.nn.Module, p: Tensor, truth: int) -> tuple[Tensor, Tensor]:
    """The term of a class with probability p and label 0 or 1, and its derivative for the class's logit."""
    logit = torch.logit(p).requires_grad_()
    logits = torch.stack([torch.zeros_like(logit), logit])[None]  # (1, 2, N)
    value = loss(logits, torch.full((1, 1, len(p)), truth))[0, 0]
    (slope,) = torch.autograd.grad(value.sum(), logit)
    return value.detach(), slope


def main() -> None:
    """Write dual_focal_loss.png beside this file."""
    mpl.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey="row")
    p = torch.linspace(0.005, 0.995, 397, dtype=torch.float64)
    for column, truth in enumerate((1, 0)):
        for name, (loss, color, style) in LOSSES.items():
            value, slope = curve(loss, p, truth)
            axes[0, column].plot(p, value, style, color=color, label=name, linewidth=2)
            axes[1, column].plot(p, slope, style, color=color, linewidth=2)
        axes[0, column].set_title(f"class {'is' if truth else 'is not'} the true one (P = {truth})")
        axes[1, column].set_xlabel("p, probability of the class")
        axes[1, column].axhline(0.0, color="0.8", linewidth=1, zorder=0)
    axes[0, 0].set_ylabel("term of the loss")
    axes[1, 0].set_ylabel("derivative for the logit")
    axes[0, 0].legend(frameon=False)
    axes[0, 1].text(0.75, 0.12, "CE and FL: 0", color="0.35")
    axes[0, 0].set_ylim(-0.1, 6.0)
    figure.savefig(Path(__file__).with_name("dual_focal_loss.png"), dpi=120)


if __name__ == "__main__":
    main()
