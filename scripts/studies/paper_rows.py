"""Which row of the paper's table each condition of a study repeats."""

from __future__ import annotations

from pathlib import Path

from .paper_tables import paper_scores
from .study_file import Study

# What the paper calls the parts.
NAMES = {
    "data_promise12": "MRI", "data_trus": "TRUS", "data_camvid": "Cityscape",
    "network_deeplabv3plus": "DeepLabV3+", "network_vgg19_fcn": "VGG19 FCN", "network_unet": "U-Net",
    "optimizer_adam": "Adam", "optimizer_sgdm": "SGDM",
    "loss_ce": "CE", "loss_wce": "WCE", "loss_fl": "FL", "loss_fl_alpha1": "FL (alpha 1)", "loss_dfl": "DFL",
    "loss_acw_ce": "ACW+CE", "loss_adfl": "ADFL",
}  # fmt: skip
DEFAULTS = {"network": "DeepLabV3+", "optimizer": "Adam", "loss": "ADFL"}  # train.yaml's own


def paper_rows(study: Study) -> dict[str, str]:
    """The paper's row by condition; conditions that the table has not are left out."""
    rows = {(s.data, s.network, s.optimizer, s.loss): s.row for s in paper_scores(study.paper_table)}
    found = {}
    for condition in study.conditions:
        stems = [Path(file).stem for file in (*study.files, *condition.files)]
        parts = DEFAULTS | {stem.split("_")[0]: NAMES[stem] for stem in stems if stem in NAMES}
        row = rows.get((parts.get("data", ""), parts["network"], parts["optimizer"], parts["loss"]))
        if row is not None:
            found[condition.name] = row
    return found
