"""The bundle's Python package. Importing it makes its losses known to MONAI: ``_target_: DualFocalLoss`` resolves."""

import scripts.losses  # noqa: F401  (registers the losses)
