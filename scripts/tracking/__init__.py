"""What a run leaves behind: a journal on local disk, and MLflow's copy of it."""

from scripts.tracking.handler import RunTracker
from scripts.tracking.journal import Journal, read_curve, read_records
from scripts.tracking.mirror import MlflowMirror
from scripts.tracking.sync import sync_runs

__all__ = ["Journal", "MlflowMirror", "RunTracker", "read_curve", "read_records", "sync_runs"]
