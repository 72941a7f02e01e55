"""From raw files to a prepared data set: adapters, checking, preparing, reading."""

from scripts.datasets.adapters.camvid import find_camvid
from scripts.datasets.adapters.cityscapes import find_cityscapes
from scripts.datasets.adapters.folder import find_folder
from scripts.datasets.adapters.nifti import find_nifti, nifti_labels
from scripts.datasets.adapters.phantom import find_phantom
from scripts.datasets.adapters.promise12 import find_promise12
from scripts.datasets.adapters.street_classes import cityscapes_labels
from scripts.datasets.adapters.trus import find_trus
from scripts.datasets.cases import Case
from scripts.datasets.check import check_dataset
from scripts.datasets.formats.metaimage import MetaImageReader
from scripts.datasets.prepare import prepare_dataset
from scripts.datasets.prepared import PreparedDataset
from scripts.datasets.volume_folder import find_volumes

__all__ = [
    "Case",
    "MetaImageReader",
    "PreparedDataset",
    "check_dataset",
    "cityscapes_labels",
    "find_camvid",
    "find_cityscapes",
    "find_folder",
    "find_nifti",
    "find_phantom",
    "find_promise12",
    "find_trus",
    "find_volumes",
    "nifti_labels",
    "prepare_dataset",
]
