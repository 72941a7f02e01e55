"""What every run of a study imports, once in the process that the runs are forked from."""

import ignite.engine
import ignite.metrics
import matplotlib.figure
import mlflow.pyfunc
import monai.bundle
import monai.handlers
import monai.transforms
import torch._dynamo  # what torch.export, which writes the model of a run for MLflow, imports when it is called
import torch.nn

from .. import datasets, evaluation, losses, networks, runs, tracking, training  # noqa: F401
from ..datasets import prepare  # noqa: F401
from ..evaluation import case_pictures, confusion, curves, overlays, tables  # noqa: F401
from ..tracking import model_artifact  # noqa: F401
from ..training import summary  # noqa: F401
from . import run_one  # noqa: F401

__all__ = ["ignite", "matplotlib", "mlflow", "monai", "torch"]
