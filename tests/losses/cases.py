"""Seeded logits and targets for the loss tests."""

from __future__ import annotations

import numpy as np
import torch


def random_case(num_classes=3, spatial=(4, 5), batch=2, scale=3.0, seed=0, dtype=torch.float64):
    """Logits (B, C, *S) and class indices (B, 1, *S)."""
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(scale=scale, size=(batch, num_classes, *spatial))).to(dtype)
    target = torch.from_numpy(rng.integers(num_classes, size=(batch, 1, *spatial)))
    return logits, target


def soft_labels(num_classes=3, spatial=(4, 5), batch=2, seed=1, dtype=torch.float64):
    """Labels (B, C, *S) between 0 and 1 that sum to 1 over the classes."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(num_classes), size=(batch, *spatial))  # (B, *S, C)
    return torch.from_numpy(np.moveaxis(shares, -1, 1).copy()).to(dtype)


def one_hot(target, num_classes):
    """Class indices (B, 1, *S) as label maps (B, C, *S)."""
    return torch.cat([(target == c).double() for c in range(num_classes)], dim=1)


def value_and_gradient(loss, logits, target):
    """The loss and its gradient for the logits."""
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, target)
    value.sum().backward()
    return value.detach(), logits.grad
