"""Segmenting any image with the network of a run, in the image's own geometry."""

from .evaluator import CaseEvaluator, InputDataset, one_image
from .inputs import find_inputs
from .loading import LoadInput, ResizeInPlane
from .model import find_members, known_shares, take_model
from .networks import WeightsLoader, assemble_network
from .options import check_options
from .overlay import DrawOverlay
from .quality import Describe
from .records import CaseRecords
from .report import InferenceReport
from .restoring import RemoveSmallComponents, RestoreGrid
from .segmenter import Mask, Segmenter, load_segmenter
from .slice_inferer import SliceBatches
from .volume_transforms import SlicesToVolumed, VolumeToSlicesd
from .writing import WriteOutputs

__all__ = [
    "CaseEvaluator",
    "CaseRecords",
    "Describe",
    "DrawOverlay",
    "InferenceReport",
    "InputDataset",
    "LoadInput",
    "Mask",
    "RemoveSmallComponents",
    "ResizeInPlane",
    "RestoreGrid",
    "Segmenter",
    "SliceBatches",
    "SlicesToVolumed",
    "VolumeToSlicesd",
    "WeightsLoader",
    "WriteOutputs",
    "assemble_network",
    "check_options",
    "find_inputs",
    "find_members",
    "known_shares",
    "load_segmenter",
    "one_image",
    "take_model",
]
