"""Colours of runs in MLflow's charts: a hue for each loss, a shade for each run."""

from __future__ import annotations

import colorsys
import hashlib

COLOUR_TAG = "mlflow.runColor"
SHADES = (0.45, 0.32, 0.58, 0.39, 0.52)  # lightness, all readable on white and on black
HUES = {  # degrees; neighbours in a table lie far apart
    "ce": 210, "wce": 180, "fl": 30, "fl_alpha1": 50, "acw_ce": 265, "dfl": 130, "adfl": 350, "dice_ce": 90,
    "dice_focal": 310,
}  # fmt: skip


def run_colour(loss: str, run_name: str = "") -> str:
    """The colour of a run, ``#rrggbb``: its hue says the loss, its shade tells runs of one loss apart.

    Args:
        loss: the loss's name; one that is not the bundle's own gets a hue from its name.
        run_name: name of the run; empty for the loss itself.
    """
    hue = HUES.get(loss, _number(loss) % 360) / 360
    lightness = SHADES[_number(run_name) % len(SHADES)] if run_name else SHADES[0]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.65)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
