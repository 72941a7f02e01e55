"""Classes of street scenes: CamVid's eleven, Cityscapes' nineteen, and the raw labels that each is made of.

The eleven groups are those of SegNet (Badrinarayanan et al., arXiv:1511.00561), which "Cityscape" in the paper means.
"""

from __future__ import annotations

from ...errors import UserError
from ...formats.label_table import LabelTable

# CamVid's 32 classes by colour (Brostow et al. 2008), as grouped for SegNet.
_CAMVID = {
    "sky": ["#808080"],
    "building": ["#800000", "#008040", "#40c000", "#400040", "#c00080"],  # building, bridge, wall, tunnel, archway
    "pole": ["#c0c080", "#000040"],  # column or pole, traffic cone
    "road": ["#804080", "#8000c0", "#c00040"],  # road, lane markings
    "pavement": ["#0000c0", "#40c080", "#8080c0"],  # sidewalk, parking block, road shoulder
    "tree": ["#808000", "#c0c000"],  # tree, other vegetation
    "signsymbol": ["#c08080", "#808040", "#004040"],  # sign, text, traffic light
    "fence": ["#404080"],
    "car": ["#400080", "#4080c0", "#c080c0", "#c04080", "#804040"],  # car, pickup, truck or bus, train, other
    "pedestrian": ["#404000", "#c08040", "#4000c0", "#408040"],  # pedestrian, child, pram, animal
    "bicyclist": ["#0080c0", "#c000c0"],  # bicyclist, motorcycle
}
_CAMVID_VOID = "#000000"
CAMVID_CLASSES = list(_CAMVID)

# labelIds of Cityscapes' 19 train classes, in order of trainId.
_CITYSCAPES = {
    "road": 7,
    "sidewalk": 8,
    "building": 11,
    "wall": 12,
    "fence": 13,
    "pole": 17,
    "traffic light": 19,
    "traffic sign": 20,
    "vegetation": 21,
    "terrain": 22,
    "sky": 23,
    "person": 24,
    "rider": 25,
    "car": 26,
    "truck": 27,
    "bus": 28,
    "train": 31,
    "motorcycle": 32,
    "bicycle": 33,
}
_GROUPS = {
    "sky": ["sky"],
    "building": ["building", "wall"],
    "pole": ["pole"],
    "road": ["road"],
    "pavement": ["sidewalk"],
    "tree": ["vegetation", "terrain"],
    "signsymbol": ["traffic light", "traffic sign"],
    "fence": ["fence"],
    "car": ["car", "truck", "bus", "train"],
    "pedestrian": ["person"],
    "bicyclist": ["rider", "bicycle", "motorcycle"],
}
_LABEL_IDS = range(34)


def camvid_index_table() -> LabelTable:
    """Index masks of the SegNet layout: 0 to 10 the classes, 11 void."""
    return LabelTable.of(list(range(len(CAMVID_CLASSES))), [len(CAMVID_CLASSES)])


def camvid_colour_table() -> LabelTable:
    """Colour masks of the original layout."""
    return LabelTable.of(list(_CAMVID.values()), [_CAMVID_VOID])


def cityscapes_labels(classes: str = "official") -> list[str]:
    """Names of the classes: "official", the 19 train classes, or "paper", CamVid's eleven.

    Raises:
        ValueError: ``classes`` is neither.
    """
    if classes not in ("official", "paper"):
        raise UserError(f"classes must be official (19) or paper (11), got {classes!r}; set --cases::classes")
    return list(_CITYSCAPES if classes == "official" else _GROUPS)


def cityscapes_table(classes: str = "official") -> LabelTable:
    """The labelIds of each class; every other labelId is ignored, as in the official evaluation."""
    groups = {name: [name] for name in _CITYSCAPES} if classes == "official" else _GROUPS
    values = [[_CITYSCAPES[name] for name in groups[group]] for group in cityscapes_labels(classes)]
    used = set(_CITYSCAPES.values())
    return LabelTable.of(values, [value for value in _LABEL_IDS if value not in used])
