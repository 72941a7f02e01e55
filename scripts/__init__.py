"""The bundle's package: ``scripts`` inside the bundle, ``dual_focal_loss`` where it is installed.

Importing it makes its losses known to MONAI: ``_target_: DualFocalLoss`` and ``monai.losses.DualFocalLoss`` resolve.
"""

from .losses import DiceDualFocalLoss, DualFocalLoss
from .losses.registration import register_losses

register_losses(DualFocalLoss, DiceDualFocalLoss)
