"""A run's network as a file that other programs run, compared with the network before it is kept."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
from pathlib import Path

import torch
from torch import nn

from ..configuration.places import require_place
from ..errors import UserError
from ..inference.model import Member, find_members
from ..runs.checkpoint import load_network
from ..runs.publishing import describe_run
from ..runs.run_folder import find_run_dir, run_names
from .content import bundle_metadata, inference_configuration
from .forms import FORMS, Compute

logger = logging.getLogger(__name__)

TOLERANCE = 1e-4  # of a logit, beside the largest one: float32 in another order of sums
COMPARED = ((1, 64, 64), (3, 96, 32))  # images and their size


def export_run(output_dir: str | Path, run_name: str | None, form: str, target: str | Path | None = None) -> Path:
    """Write a run's best network, class weights folded in, as TorchScript, ExportedProgram or ONNX.

    The file is read back and must give the network's logits on images of two numbers and sizes; only then does it get
    its name. It holds ``metadata.json`` and ``inference.json`` of the run.

    Args:
        output_dir: the folder of all runs.
        run_name: the run; must be given.
        form: "ts", "pt2" or "onnx".
        target: file to write; None is ``export/model.<form>`` in the run folder.

    Returns:
        The file.

    Raises:
        FileNotFoundError: there is no such run, or it has no weights yet.
        ValueError: no run is named, the target can't be written, the form is unknown or its packages are missing, the
            weights are not those of the network in the run's configuration, or what was written computes something
            else.
    """
    if not isinstance(form, str) or form not in FORMS:
        raise UserError(f"format is {form!r}; give one of {', '.join(FORMS)}")
    if not run_name:
        known = ", ".join(run_names(Path(output_dir).resolve())) or "none"
        raise UserError(f"exporting needs the name of a run: --run_name NAME; runs in {output_dir}: {known}")
    run_dir = find_run_dir(output_dir, run_name)
    path = _target(target, run_dir / "export" / f"model.{form}")
    provenance = describe_run(run_dir)  # refuses weights of another network
    (member,) = find_members(run_dir.name, run_dir.parent, "")
    content = {
        "metadata": bundle_metadata(member, provenance),
        "inference": inference_configuration(member),
    }
    difference = export_network(member, form, content, path)
    logger.info("network of run %s: %s; its logits differ by %.1e at most", run_dir.name, path, difference)
    return path


def _target(target: str | Path | None, default: Path) -> Path:
    """The file to write, once it is known that it can be."""
    if not isinstance(target, str | Path | None) or "\0" in str(target):
        raise UserError(f"target must be the path of a file, got {target!r}; give another --target")
    path = Path(target).expanduser() if target else default
    if path.is_dir():
        raise UserError(f"target {path} is a folder; give --target a file in it, or move it away")
    return require_place(path.parent, "target") / path.name


def export_network(member: Member, form: str, content: dict[str, dict[str, object]], path: Path) -> float:
    """Write a network in one of ``FORMS``, whole or not at all, and return the largest difference of a logit.

    Raises:
        ValueError: see ``export_run``.
    """
    network = load_network(member.value("network_def"), member.weights, config_sha256=member.config_sha256).eval()
    channels = member.value("in_channels")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        written = Path(folder) / f"model.{form}"
        compute = _write(form, network, channels, content, written)
        difference = largest_difference(network, compute, channels)
        if not difference <= TOLERANCE:
            raise UserError(
                f"{path} is not written: the {form} export of {type(network).__name__} gives logits that differ by "
                f"{difference:.1e} of the largest; export it in another format"
            )
        os.replace(written, path)
    return difference


def _write(form: str, network: nn.Module, channels: int, content: dict[str, dict[str, object]], path: Path) -> Compute:
    """Write one of ``FORMS``; what torch says of a full disk names no reason."""
    try:
        return FORMS[form](network, channels, content, path)
    except RuntimeError as error:
        if shutil.disk_usage(path.parent).free < path.parent.stat().st_blksize:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise


@torch.no_grad()
def largest_difference(network: nn.Module, compute: Compute, in_channels: int) -> float:
    """The largest difference of a logit on random images of two numbers and sizes, beside the largest logit."""
    generator = torch.Generator().manual_seed(0)
    differences = []
    for images, x, y in COMPARED:
        image = torch.rand(images, in_channels, x, y, generator=generator)
        logits = network(image)
        found = compute(image)
        if found.shape != logits.shape:
            return float("inf")
        differences.append(float((found - logits).abs().max() / logits.abs().max().clamp_min(1.0)))
    return max(differences)
