"""The bundle's Python package. Importing it makes its losses known to MONAI: ``_target_: DualFocalLoss`` resolves."""

from . import losses  # noqa: F401  (registers the losses)
