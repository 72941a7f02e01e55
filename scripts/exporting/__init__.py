"""A network for other programs: TorchScript, torch.export and ONNX, compared with it before the file is kept."""

from .export import export_run
from .forms import FORMS

__all__ = ["FORMS", "export_run"]
