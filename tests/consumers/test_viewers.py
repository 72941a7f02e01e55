"""What MONAI Deploy's inference operator and MONAI Label's inference do to a bundle."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Compose, LoadImaged, MapTransform
from torch import nn

from scripts.configuration.error_report import user_message
from scripts.datasets.slice_loading import LoadSlice
from scripts.inference import LoadInput, ResizeInPlane, RestoreGrid, SliceBatches, VolumeToSlicesd, find_inputs
from scripts.runs.checkpoint import save
from tests.tiny_network import PlainNetwork
from tests.workflows import CONFIGS, ROOT

SIZE = [32, 24]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A volume with oblique axes and three spacings."""
    turn = np.array([[0.8, -0.6, 0, 4], [0.6, 0.8, 0, -7], [0, 0, 1, 2], [0, 0, 0, 1.0]])
    array = np.random.default_rng(0).normal(size=(20, 30, 5)).astype(np.float32)
    path = tmp_path / "images" / "case.nii.gz"
    path.parent.mkdir()
    nib.Nifti1Image(array, turn @ np.diag([1.5, 0.7, 3.0, 1.0])).to_filename(path)
    return path


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(3)
    return PlainNetwork().eval()


@pytest.fixture(params=["from its folder", "from elsewhere"])
def config(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: nn.Module
) -> ConfigParser:
    save(network.state_dict(), tmp_path / "model.pt")
    monkeypatch.chdir(ROOT if request.param == "from its folder" else tmp_path)
    parser = ConfigParser()
    parser.read_config(str(CONFIGS / "inference.yaml"))
    parser.read_meta(str(CONFIGS / "metadata.json"))
    parser.config |= {"image_size": SIZE, "bundle_root": str(ROOT), "checkpoint": str(tmp_path / "model.pt")}
    parser.parse()
    return parser


def own_mask(image: Path, network: nn.Module, folder: Path) -> np.ndarray:
    """What the bundle's own inference finds."""
    (item,) = find_inputs(image, folder / "masks")
    data = ResizeInPlane(SIZE)(LoadInput(1)({**item, "result": {}}))
    data["pred"] = SliceBatches()(data["image"][None], network)
    return RestoreGrid()(data)["pred"]


def test_the_operator_of_monai_deploy_gives_the_bundles_own_mask(
    config: ConfigParser, image: Path, network: nn.Module, tmp_path: Path
) -> None:
    before, behind = (config.get_parsed_content(name) for name in ("pre_transforms", "post_transforms"))
    for compose in (before, behind):  # it loads and saves itself
        kept = (one for one in compose.transforms if not type(one).__name__.startswith(("LoadImage", "SaveImage")))
        compose.transforms = tuple(kept)
        assert isinstance(compose.transforms[0], MapTransform)
    (name,) = config["_meta_"]["network_data_format"]["inputs"]
    (found,) = config["_meta_"]["network_data_format"]["outputs"]
    file = nib.load(image)
    meta = {"original_affine": file.affine, "affine": file.affine.copy(), "original_channel_dim": "no_channel"}
    inputs = before({name: MetaTensor.ensure_torch_and_prune_meta(torch.as_tensor(file.get_fdata()), dict(meta))})
    assert not [key for key, value in inputs.items() if key != name and isinstance(value, torch.Tensor)]
    scripted = torch.jit.script(network)
    pred = config.get_parsed_content("inferer")(inputs=inputs[name][None], network=scripted)[0]
    mask = behind({found: pred, **inputs})[found]
    np.testing.assert_array_equal(mask[0].numpy(), own_mask(image, network, tmp_path))
    np.testing.assert_allclose(mask.affine, file.affine, atol=1e-6)
    np.testing.assert_allclose(inputs[name].meta["affine"], file.affine, atol=1e-6)


def test_the_inference_of_monai_label_gives_the_bundles_own_mask_and_geometry(
    config: ConfigParser, image: Path, network: nn.Module, tmp_path: Path
) -> None:
    def transforms(*names: str) -> list[Any]:
        (found,) = [config.get_parsed_content(name) for name in names if config.get(name)][-1:]  # the last one counts
        return list(found.transforms if isinstance(found, Compose) else found)

    data: dict[str, Any] = {"image": str(image), "image_path": str(image), "device": "cpu"}
    for transform in transforms("preprocessing", "pre_transforms"):
        if isinstance(transform, LoadImaged):
            transform._loader.image_only = False
        data = transform(data)
    data["pred"] = config.get_parsed_content("inferer")(data["image"][None], network)[0]
    for transform in transforms("postprocessing", "post_transforms"):
        data = transform(copy.copy(data))
    meta = data["image"].meta
    assert tuple(data["pred"].shape[1:]) == tuple(meta["spatial_shape"])  # so that it resizes nothing
    np.testing.assert_allclose(meta["original_affine"], nib.load(image).affine, atol=1e-5)  # of the file that it writes
    np.testing.assert_array_equal(data["pred"][0].numpy(), own_mask(image, network, tmp_path))


@pytest.mark.parametrize(
    ("volume", "told"),
    [
        (torch.rand(2, 8, 8, 3), "volumes of 1 channels"),
        (torch.rand(1, 8, 8), "volumes of 1"),
        (torch.ones(1, 8, 8, 3), "constant"),
    ],
)
def test_what_is_no_volume_of_the_network_is_refused(volume: torch.Tensor, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        VolumeToSlicesd("image", in_channels=1, image_size=16)({"image": volume})


def test_a_gray_volume_is_repeated_for_a_network_of_three_channels() -> None:
    data = VolumeToSlicesd("image", in_channels=3, image_size=16)({"image": torch.rand(1, 8, 8, 3)})
    assert tuple(data["image"].shape) == (3, 16, 16, 3)
    assert torch.equal(data["image"][0], data["image"][2])


def test_volumes_in_place_of_slices_are_refused_in_one_line(image: Path) -> None:
    class Prepared:
        intensity_max, image_size, in_channels = 255, (8, 8), 1

    with pytest.raises(ValueError, match="no slice of a prepared data set") as info:
        LoadSlice(Prepared())({"image": str(image), "label": str(image)})  # type: ignore[arg-type]
    assert "data_nifti.yaml" in (user_message(info.value) or "")
