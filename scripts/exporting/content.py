"""What other programs must know of a run's network: its inference configuration and its metadata."""

from __future__ import annotations

from typing import Any

from ..configuration.reading import BASE_CONFIG, load_config
from ..inference.model import Member


def inference_configuration(member: Member) -> dict[str, Any]:
    """``inference.yaml`` with the settings of a run's network in place of the shipped ones."""
    shipped: dict[str, Any] = load_config(BASE_CONFIG.with_name("inference.yaml"))
    return {**shipped, **member.settings}


def bundle_metadata(member: Member, provenance: dict[str, Any] | None = None) -> dict[str, Any]:
    """``metadata.json`` with classes, channels, size and scores of a run's network.

    Args:
        member: the network and its settings.
        provenance: see ``scripts.runs.publishing.describe_run``; gives the scores and what was trained.
    """
    metadata: dict[str, Any] = load_config(BASE_CONFIG.with_name("metadata.json"))
    labels, channels = member.value("labels"), member.value("in_channels")
    size = member.value("image_size")
    names = {str(number): label for number, label in enumerate(labels)}
    shape = [size, size] if isinstance(size, int) else list(size)  # x first, as MONAI's readers have it
    image, pred = metadata["network_data_format"]["inputs"]["image"], metadata["network_data_format"]["outputs"]["pred"]
    colours = {1: ["image"], 3: ["red", "green", "blue"]}.get(channels, [f"channel {n}" for n in range(channels)])
    image |= {
        "num_channels": channels,
        "spatial_shape": shape,
        "channel_def": {str(n): c for n, c in enumerate(colours)},
    }
    pred |= {"num_channels": len(labels), "spatial_shape": shape, "channel_def": names}
    metadata["label_classes"] = "single channel mask: " + ", ".join(f"{n} is {label}" for n, label in names.items())
    metadata["pred_classes"] = f"{len(labels)} channels of logits: {', '.join(f'{n} is {c}' for n, c in names.items())}"
    if channels != 1:
        metadata["image_classes"] = f"{channels} channel image, intensity scaled to [0, 1]"
    if provenance is not None:
        metadata |= _trained(provenance)
    return metadata


def _trained(provenance: dict[str, Any]) -> dict[str, Any]:
    """What was trained, on which data, and the scores that are known; nothing is said where none is."""
    settings = provenance["settings"]
    scores = {name: value for name, value in (provenance.get("test_scores") or {}).items() if _is_plain(value)}
    if provenance.get("validation_dice_mean") is not None:
        scores["validation dice/mean"] = provenance["validation_dice_mean"]
    return {
        "eval_metrics": scores,
        "trained_run": {
            "run": provenance["run"],
            **{key: settings.get(key) for key in ("data_name", "network_name", "loss_name", "optimizer_name")},
            **{key: settings.get(key) for key in ("fold", "seed", "max_epochs")},
            "trained_epochs": provenance.get("trained_epochs"),
            "best_epoch": provenance.get("best_epoch"),
            "weights_sha256": provenance["sha256"],
            "split_sha256": provenance.get("split_sha256"),
            "data_fingerprint": provenance.get("data_fingerprint"),
        },
    }


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
