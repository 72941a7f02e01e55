"""MONAI Label's inference task on the bundle, without its server: python label_inference.py BUNDLE FOLDER.

The mask is compared with that of the bundle's own inference, its geometry with the volume's.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import nibabel as nib
import numpy as np
from own_inference import check_equal, make_volume, own_mask

bundle, work = map(Path, sys.argv[1:3])
stand_in = ""
try:
    importlib.import_module("torchvision.utils")
except Exception:  # not there, or of another build of torch
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    package, pictures = ModuleType("torchvision"), ModuleType("torchvision.utils")
    pictures.make_grid = pictures.save_image = None  # type: ignore[attr-defined]
    package.utils = pictures  # type: ignore[attr-defined]
    sys.modules |= {"torchvision": package, "torchvision.utils": pictures}
    stand_in = " with a stand-in for torchvision, whose pictures this task does not draw"

from monailabel.tasks.infer.bundle import BundleInferTask  # noqa: E402

source = make_volume(work, np.array([[0.8, -0.6, 0, 4], [0.6, 0.8, 0, -7], [0, 0, 3, 2], [0, 0, 0, 1.0]]))
task = BundleInferTask(str(bundle), {})
assert task.is_valid(), "MONAI Label does not take the bundle"
file, _ = task({"image": str(source), "device": "cpu", "model_filename": "model.pt"})
found, expected = nib.load(file), own_mask(bundle, work, source)
mask = np.squeeze(found.get_fdata())
check_equal(mask, expected.get_fdata())
np.testing.assert_allclose(found.affine, nib.load(source).affine, atol=1e-5)
print(
    f"seen: its inference task, without the server,{stand_in}; the NIfTI mask, {int(mask.sum())} of {mask.size} voxels "
    "foreground, equals that of the bundle's own inference and has the volume's geometry"
)
