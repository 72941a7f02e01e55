"""What a combination of parts means, in plain text, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from monai.bundle import ConfigParser
from torch import nn
from torch.optim import Optimizer

from ..datasets.cases import PARTS
from ..networks import AdaptiveClassWeight, ClassWeightedNetwork
from .workflow import running_workflow

if TYPE_CHECKING:
    from ..datasets import PreparedDataset

COMPONENTS = ("network_def", "class_weight", "loss", "optimizer", "lr_scheduler")
# Sections of the workflow, entry points, and the run's folder, which asking for would make.
LEFT_OUT = {"imports", "train", "validate", "initialize", "run", "finalize", "run_dir", "prepared", "check"}


def describe_condition(dataset: PreparedDataset, network: ClassWeightedNetwork, optimizer: Optimizer) -> None:
    """Print parts, settings, parameters, images, class shares and first class weights of the running configuration.

    Args:
        dataset: the prepared data set.
        network: with its class weights, if any.
        optimizer: of the training.
    """
    workflow = running_workflow()
    lines = [] if workflow is None else [*parts_and_settings(workflow.parser), ""]
    lines += [*describe_data(dataset), "", *describe_network(network, optimizer)]
    print("\n".join(lines))


def parts_and_settings(parser: ConfigParser) -> Iterator[str]:
    """Lines for every component with its arguments and every plain setting, with their resolved values."""
    config = {key: value for key, value in parser.get().items() if key not in {*LEFT_OUT, ConfigParser.meta_key}}
    yield "parts"
    for key in (key for key in COMPONENTS if key in config):
        yield f"  {key:<28} {_component(parser, key)}"
    yield "settings"
    for key, value in config.items():
        if not isinstance(value, dict) and key not in COMPONENTS and not _is_entry_point(value):
            yield f"  {key:<28} {_short(parser.get_parsed_content(key))}"


def describe_data(dataset: PreparedDataset) -> Iterator[str]:
    """Lines for the images of each part of the split and the shares of the classes in the training part."""
    width, height = dataset.image_size
    yield f"data: {dataset.name}, {width} x {height} pixels, {dataset.in_channels} channel(s), fold {dataset.fold}"
    for part in PARTS:
        items = dataset.items(part) if dataset.split.get(part) else []
        yield f"  {part:<28} {len(items):6d} images of {len({item['case'] for item in items})} cases"
    counts = dataset.class_counts("train")
    for label, count in zip(dataset.labels, counts, strict=True):
        yield f"  {'share of ' + label:<28} {count / sum(counts):10.4%} of the training part's pixels"


def describe_network(network: ClassWeightedNetwork, optimizer: Optimizer) -> Iterator[str]:
    """Lines for the parameters, the first class weights and the optimiser's groups."""
    yield f"network: {type(network.network).__name__}, {_count(network.network):,} parameters"
    layer = network.class_weight
    if isinstance(layer, AdaptiveClassWeight):
        weights = ", ".join(f"{weight:.6g}" for weight in layer.weight.tolist())
        yield f"  {'initial ACW weights':<28} {weights} ({_count(layer)} more parameters)"
    else:
        yield f"  {'initial ACW weights':<28} none: trained without ACW"
    yield f"optimizer: {type(optimizer).__name__}"
    for group in optimizer.param_groups:
        size = sum(parameter.numel() for parameter in group["params"])
        rate, decay = group["lr"], group["weight_decay"]
        yield f"  {f'{size:,} parameters':<28} learning rate {rate:g}, weight decay {decay:g}"


def _component(parser: ConfigParser, key: str) -> str:
    """A component as its class with the arguments of its configuration, those that are plain values resolved."""
    config = parser[key]
    if not isinstance(config, dict):
        return _short(config)
    arguments = []
    for name, value in config.items():
        if name.startswith("_"):
            continue
        if isinstance(value, dict):
            arguments.append(f"{name}={_component(parser, f'{key}::{name}')}")
        else:
            resolved = parser.get_parsed_content(f"{key}::{name}")
            plain = resolved is None or isinstance(resolved, bool | int | float | str) or name == "class_counts"
            arguments.append(f"{name}={_short(resolved) if plain else _short(value)}")
    return f"{config.get('_target_', '')}({', '.join(arguments)})"


def _is_entry_point(value: Any) -> bool:
    """Whether a top-level value runs something: a copy of a section (``%run``) or a list of components."""
    if isinstance(value, str):
        return value.startswith("%")
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 120 else f"{text[:117]}..."
