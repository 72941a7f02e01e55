"""A NIfTI volume through MonaiBundleInferenceOperator of the MONAI Deploy App SDK: python deploy_app.py BUNDLE FOLDER.

The mask is compared with that of the bundle's own inference.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from holoscan.conditions import CountCondition
from monai.deploy.core import AppContext, Application, Image, IOType, Operator
from monai.deploy.operators.monai_bundle_inference_operator import (
    BundleConfigNames,
    IOMapping,
    MonaiBundleInferenceOperator,
)
from own_inference import check_equal, make_volume, own_mask

bundle, work = map(Path, sys.argv[1:3])
source, found = make_volume(work, np.diag([1.0, 1.0, 3.0, 1.0])), work / "found.npy"


class Load(Operator):
    """Reads the volume as the SDK's image, whose axes are (D, H, W)."""

    def setup(self, spec):
        spec.output("image")

    def compute(self, op_input, op_output, context):
        file = nib.load(source)
        spacing = {"row_pixel_spacing": 1.0, "col_pixel_spacing": 1.0, "depth_pixel_spacing": 3.0}
        array = np.swapaxes(file.get_fdata().astype("float32"), 0, 2)
        op_output.emit(Image(array, {**spacing, "nifti_affine_transform": file.affine}), "image")


class Save(Operator):
    """Keeps the mask, axes as in the file."""

    def setup(self, spec):
        spec.input("pred")

    def compute(self, op_input, op_output, context):
        np.save(found, np.swapaxes(op_input.receive("pred").asnumpy(), 0, 2))


class App(Application):
    """The three operators, once."""

    def compose(self):
        operator = MonaiBundleInferenceOperator(
            self,
            app_context=AppContext({}),
            name="infer",
            bundle_path=str(bundle),
            input_mapping=[IOMapping("image", Image, IOType.IN_MEMORY)],
            output_mapping=[IOMapping("pred", Image, IOType.IN_MEMORY)],
            bundle_config_names=BundleConfigNames(preproc_name="pre_transforms", postproc_name="post_transforms"),
        )
        load, save = Load(self, CountCondition(self, 1), name="load"), Save(self, name="save")
        self.add_flow(load, operator, {("image", "image")})
        self.add_flow(operator, save, {("pred", "pred")})


App().run()
mask = np.squeeze(np.load(found))
check_equal(mask, own_mask(bundle, work, source).get_fdata())
print(
    f"seen: three operators on the CPU; their mask, {int(mask.sum())} of {mask.size} voxels foreground, equals that of "
    "the bundle's own inference"
)
