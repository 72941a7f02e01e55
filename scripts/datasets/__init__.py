"""From raw files to a prepared data set: adapters, preparing, reading."""

from .cases import Case
from .metaimage import MetaImageReader
from .phantom import find_phantom
from .prepare import prepare_dataset
from .prepared import PreparedDataset
from .promise12 import find_promise12

__all__ = [
    "Case",
    "MetaImageReader",
    "PreparedDataset",
    "find_phantom",
    "find_promise12",
    "prepare_dataset",
]
