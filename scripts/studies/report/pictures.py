"""Pictures of cases, made small enough to live inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

from PIL import Image, UnidentifiedImageError

from ...errors import UserError
from .blocks import Photo, Text
from .record import Overlay

WIDEST = 900  # pixels
BUDGET = 2_500_000  # bytes of all pictures as base64, so that the page stays under 5 MB
RANKS = ("best", "median", "worst")


def photos(overlays: Sequence[Overlay]) -> list[Photo | Text]:
    """The pictures as data URIs, best cases first; a line says it where some had no room.

    Raises:
        UserError: a picture is missing or no image.
    """
    ordered = sorted(overlays, key=lambda overlay: RANKS.index(overlay.rank) if overlay.rank in RANKS else len(RANKS))
    blocks: list[Photo | Text] = []
    room, left_out = BUDGET, 0
    for overlay in ordered:
        data = _data_uri(overlay)
        if len(data) > room:
            left_out += 1
            continue
        room -= len(data)
        caption = f"{overlay.rank.capitalize()} case: {overlay.case}. {overlay.caption}".strip()
        blocks.append(Photo(data, f"Image, truth and prediction of case {overlay.case}", caption))
    if left_out:
        blocks.append(Text(f"{left_out} more pictures lie beside the study's runs: they had no room here."))
    return blocks


def _data_uri(overlay: Overlay) -> str:
    try:
        with Image.open(overlay.picture) as opened:
            image = opened.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(
            f"{overlay.picture} is no picture that can be read ({error}); draw the overlays again"
        ) from error
    image.thumbnail((WIDEST, WIDEST))
    encoded = io.BytesIO()
    image.save(encoded, format="JPEG", quality=82, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"
