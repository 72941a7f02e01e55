"""A study over another MONAI bundle: its own training and evaluation, once per condition, by overrides of its keys."""
