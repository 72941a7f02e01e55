"""What a run leaves behind: a journal on local disk, and MLflow's copy of it."""

from .handler import RunTracker
from .journal import Journal, read_curve, read_records
from .mirror import MlflowMirror
from .sync import sync_runs

__all__ = ["Journal", "MlflowMirror", "RunTracker", "read_curve", "read_records", "sync_runs"]
