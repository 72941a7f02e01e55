"""The best network in MLflow's form: a traced graph with a signature and an input example, no pickle."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from ignite.engine import Engine, Events
from torch import nn

from ..runs.checkpoint import load_network
from ..runs.processes import is_first
from ..runs.run_files import MLFLOW_MODEL, MODEL

if TYPE_CHECKING:
    from ..datasets import PreparedDataset

logger = logging.getLogger(__name__)


class ModelArtifact:
    """Handler that writes the best network to ``mlflow_model/`` in the run folder when the training has ended.

    The form is MLflow's pytorch flavour: images (N, C, H, W) of any number in, logits out, class weights folded in. It
    loads with ``mlflow.pytorch.load_model`` and as a pyfunc, without this bundle's code and without pickle. A network
    that torch cannot trace is left out with a warning.

    Args:
        run_dir: folder of the run, where ``model.pt`` is.
        export: makes a network that takes the weights of ``model.pt``.
        dataset: the prepared data set, for channels and size of an image.
        keep: "slim" writes no such folder: ``model.pt`` has the same weights.
    """

    def __init__(
        self, run_dir: str | Path, export: Callable[[], nn.Module], dataset: PreparedDataset, keep: str = "all"
    ) -> None:
        self.keep = keep
        self.run_dir = Path(run_dir)
        self.export = export
        self.shape = (2, dataset.in_channels, *dataset.image_size)  # two images, since torch takes one for a constant

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, before the tracker, which sends away what it finds."""
        if is_first():
            engine.add_event_handler(Events.COMPLETED, self._write)

    def _write(self, _engine: Engine) -> None:
        if self.keep == "slim" or not (self.run_dir / MODEL).is_file():
            return
        target = self.run_dir / MLFLOW_MODEL
        temporary = target.with_name(f".{target.name}")
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            save_mlflow_model(load_network(self.export(), self.run_dir / MODEL), self.shape, temporary)
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
        except Exception as error:
            logger.warning("no MLflow model: %s", f"{type(error).__name__}: {error}".splitlines()[0])
            shutil.rmtree(temporary, ignore_errors=True)


def save_mlflow_model(network: nn.Module, shape: tuple[int, ...], path: Path) -> None:
    """Write a network as a model of MLflow's pytorch flavour.

    Args:
        network: takes images (N, C, H, W); on the CPU afterwards.
        shape: of the input example; all but N are fixed.
        path: a folder that does not exist.
    """
    import mlflow.pytorch
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    network = network.cpu().eval()
    example = np.random.default_rng(0).random(shape, dtype=np.float32)
    with torch.no_grad():
        logits = network(torch.from_numpy(example))
    inputs = TensorSpec(np.dtype(np.float32), (-1, *shape[1:]))
    outputs = TensorSpec(np.dtype(np.float32), (-1, *logits.shape[1:]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's tracing, which nobody here can act on
        mlflow.pytorch.save_model(
            network,
            str(path),
            signature=ModelSignature(inputs=Schema([inputs]), outputs=Schema([outputs])),
            input_example=example,
            serialization_format="pt2",
            pip_requirements=[f"{name}=={version(name).split('+')[0]}" for name in ("mlflow", "torch", "numpy")],
        )
