"""From raw files to a prepared data set: adapters, checking, preparing, reading."""

from ..formats.metaimage import MetaImageReader
from .adapters.camvid import find_camvid
from .adapters.cityscapes import find_cityscapes
from .adapters.datalist import find_datalist
from .adapters.nifti import find_nifti, nifti_labels
from .adapters.phantom import find_phantom
from .adapters.plain_folder import find_folder
from .adapters.promise12 import find_promise12
from .adapters.street_classes import cityscapes_labels
from .adapters.trus import find_trus
from .cases import Case
from .checking.check import check_dataset
from .prepare import prepare_dataset, prepare_with
from .prepared import PreparedDataset, part_items

__all__ = [
    "Case",
    "MetaImageReader",
    "PreparedDataset",
    "check_dataset",
    "cityscapes_labels",
    "find_camvid",
    "find_cityscapes",
    "find_datalist",
    "find_folder",
    "find_nifti",
    "find_phantom",
    "find_promise12",
    "find_trus",
    "nifti_labels",
    "part_items",
    "prepare_dataset",
    "prepare_with",
]
