"""A run: its folder and lock, what it keeps to go on from, and going on."""

from .run_folder import find_run_dir, open_run_dir, record_run

__all__ = ["find_run_dir", "open_run_dir", "record_run"]
