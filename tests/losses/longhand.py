"""The losses once more, one voxel and one class at a time in float64, from their formulas alone."""

from __future__ import annotations

import numpy as np


def log_sum_exp(values):
    """log(sum(exp(values))) without overflow."""
    largest = max(values)
    return largest + np.log(sum(np.exp(v - largest) for v in values))


def softmax_voxel(z):
    """p, log p and log(1 - p) of one voxel's logits; 1 - p is the share of the other classes."""
    total = log_sum_exp(z)
    log_p = [v - total for v in z]
    log_q = [log_sum_exp([v for j, v in enumerate(z) if j != i]) - total for i in range(len(z))]
    return np.exp(log_p), log_p, log_q


def sigmoid_voxel(z):
    """The same for channels that stand alone: p = 1 / (1 + exp(-z))."""
    log_p = [-log_sum_exp([0.0, -v]) for v in z]
    log_q = [-log_sum_exp([0.0, v]) for v in z]
    return np.exp(log_p), log_p, log_q


def dual_focal_voxel(z, label, alpha=1.0, beta=1.0, gamma=1.0, rho=1.0, weight=None, sigmoid=False):
    """Equation 9 for one voxel: logits (C,), label (C,) one-hot or soft."""
    p, log_p, log_q = sigmoid_voxel(z) if sigmoid else softmax_voxel(z)
    value = 0.0
    for i, truth in enumerate(label):
        gap = truth - p[i] if truth < 0.5 else (truth - 1) + np.exp(log_q[i])
        margin = log_q[i] if rho == 1.0 else np.log(rho - p[i])
        term = alpha * abs(gap) ** gamma
        term -= truth * log_p[i] if truth > 0 else 0.0
        term -= beta * (1 - truth) * margin if truth < 1 else 0.0
        value += term if weight is None else weight[i] * term
    return value


def cross_entropy_voxel(z, label, weight=None):
    """Equations 3 and 4 for one voxel."""
    _, log_p, _ = softmax_voxel(z)
    factors = np.ones(len(z)) if weight is None else weight
    return -sum(f * t * v for f, t, v in zip(factors, label, log_p, strict=True) if t > 0)


def focal_voxel(z, label, alpha=0.25, gamma=2.0, weight=None):
    """Equation 6 for one voxel."""
    _, log_p, log_q = softmax_voxel(z)
    factors = np.ones(len(z)) if weight is None else weight
    return -sum(
        f * alpha * t * np.exp(gamma * q) * v for f, t, v, q in zip(factors, label, log_p, log_q, strict=True) if t > 0
    )


def each_voxel(voxel_loss, logits, target, ignore_index=None, **arguments):
    """Values (B, *S) of a loss that is written for one voxel; a voxel that is ignored is NaN."""
    logits = np.asarray(logits, dtype=np.float64)
    target = np.asarray(target)
    classes = logits.shape[1]
    values = np.empty((logits.shape[0], *logits.shape[2:]))
    for place in np.ndindex(values.shape):
        z = logits[(place[0], slice(None), *place[1:])]
        if target.shape[1] == classes:
            label = target[(place[0], slice(None), *place[1:])].astype(np.float64)
        else:
            index = int(target[(place[0], 0, *place[1:])])
            if index == ignore_index:
                values[place] = np.nan
                continue
            label = np.eye(classes)[index]
        values[place] = voxel_loss(z, label, **arguments)
    return values


def gradient(voxel_loss, logits, target, step=1e-5, **arguments):
    """Gradient of the sum over voxels by central differences, of fourth order, (B, C, *S)."""
    logits = np.asarray(logits, dtype=np.float64)
    result = np.empty_like(logits)
    for place in np.ndindex(logits.shape):
        total = 0.0
        for factor, shift in ((8, 1), (-8, -1), (-1, 2), (1, -2)):
            moved = logits.copy()
            moved[place] += shift * step
            voxel = (slice(place[0], place[0] + 1), slice(None), *(slice(k, k + 1) for k in place[2:]))
            total += factor * each_voxel(voxel_loss, moved[voxel], np.asarray(target)[voxel], **arguments).item()
        result[place] = total / (12 * step)
    return result
