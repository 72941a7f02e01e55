"""The files that a network can be exported to: each is written, read back and asked for logits.

Batch and size of the images are free in all of them. Networks that pool without padding their maps to one size, as the
U-Net and VGG19-FCN, get exports for sizes that 32 divides (``traced_program``); TorchScript keeps every branch.
"""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ckpt_export
from monai.data import load_net_with_metadata
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ..errors import UserError

SMALLEST = 32  # pixels of a side
STRIDE = 32  # no network of the bundle halves its images more than five times
OPSET = 20

Compute = Callable[[Tensor], Tensor]
Content = Mapping[str, Any]  # name of a JSON file that goes into the export: its content


def write_torchscript(network: nn.Module, in_channels: int, content: Content, path: Path) -> Compute:
    """TorchScript as ``monai.bundle ckpt_export`` writes it, with metadata and inference configuration in it."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.json" for name in content}
        for name, file in files.items():
            file.write_text(json.dumps(content[name]), encoding="utf-8")
        weights = Path(folder) / "model.pt"
        torch.save(network.state_dict(), weights)
        with _quiet():
            ckpt_export(
                net_id="network_def",
                filepath=str(path),
                ckpt_file=str(weights),
                meta_file=str(files["metadata"]),
                config_file=str(files["inference"]),
            )
    module, *_ = load_net_with_metadata(str(path), map_location=torch.device("cpu"))
    return _computing(module)


def write_program(network: nn.Module, in_channels: int, content: Content, path: Path) -> Compute:
    """An ExportedProgram of torch.export, for ``torch.export.load`` or AOTInductor."""
    program, multiple = traced_program(network, in_channels)
    extra = {f"{name}.json": json.dumps(value) for name, value in content.items()}
    with _quiet():
        torch.export.save(program, path, extra_files={**extra, "size_multiple": str(multiple)})
    return _computing(torch.export.load(path).module())


def write_onnx(network: nn.Module, in_channels: int, content: Content, path: Path) -> Compute:
    """ONNX in one file; image (batch, channels, x, y) to pred, the logits."""
    onnx = _onnx()
    program, multiple = traced_program(network, in_channels)
    with _quiet():
        exported = torch.onnx.export(
            program, dynamo=True, input_names=["image"], output_names=["pred"], opset_version=OPSET, verbose=False
        )
    if exported is None:
        raise RuntimeError("torch.onnx.export gave nothing back")
    model = exported.model_proto
    words = {name: json.dumps(value) for name, value in content.items()} | {"size_multiple": str(multiple)}
    onnx.helper.set_model_props(model, words)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(str(path))
    return lambda image: torch.from_numpy(np.asarray(evaluator.run(None, {"image": image.numpy()})[0]))


FORMS: dict[str, Callable[[nn.Module, int, Content, Path], Compute]] = {
    "ts": write_torchscript,
    "pt2": write_program,
    "onnx": write_onnx,
}


def traced_program(network: nn.Module, in_channels: int) -> tuple[ExportedProgram, int]:
    """The network's graph for images of any number and size, and what must divide a side.

    Raises:
        ValueError: torch.export can't follow the network with either.
    """
    example = torch.rand(2, in_channels, 2 * SMALLEST, 3 * SMALLEST)
    failures = []
    for multiple in (1, STRIDE):
        first = SMALLEST // multiple
        sides = {2: multiple * Dim("x", min=first), 3: multiple * Dim("y", min=first)}
        if multiple == 1:
            sides = {2: Dim("x", min=first), 3: Dim("y", min=first)}
        try:
            with _quiet():
                return torch.export.export(network, (example,), dynamic_shapes=({0: Dim("batch"), **sides},)), multiple
        except Exception as error:
            failures.append(error)
    reason = str(failures[-1]).strip().splitlines()[0]
    raise UserError(
        f"torch.export can't follow {type(network).__name__} for images of any size ({reason}); export it as "
        "TorchScript (FORMAT=ts)"
    ) from failures[-1]


def _computing(module: nn.Module) -> Compute:
    def compute(image: Tensor) -> Tensor:
        with torch.no_grad():
            logits: Tensor = module(image)
        return logits

    return compute


def _onnx() -> Any:
    try:
        import onnx
        import onnxscript
    except ImportError as error:
        raise UserError(
            f"ONNX needs the package {error.name}: pip install -c constraints.txt -e '.[bundle,onnx]'"
        ) from error
    return onnx if onnxscript else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what exporters say about themselves, and without the names of temporary files."""
    talker = logging.getLogger("monai.bundle.scripts")
    level = talker.level
    talker.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        talker.setLevel(level)
