"""From raw files to a prepared data set: adapters, preparing, reading."""

from .adapters.phantom import find_phantom
from .adapters.promise12 import find_promise12
from .cases import Case
from .formats.metaimage import MetaImageReader
from .prepare import prepare_dataset
from .prepared import PreparedDataset
from .volume_folder import find_volumes

__all__ = [
    "Case",
    "MetaImageReader",
    "PreparedDataset",
    "find_phantom",
    "find_promise12",
    "find_volumes",
    "prepare_dataset",
]
