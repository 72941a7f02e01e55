from functools import partial

import pytest
import safetensors.torch
import torch

from scripts.networks.deeplabv3plus import DeepLabV3Plus
from scripts.networks.vgg19_fcn import VGG19FCN
from tests.networks.torchvision_layouts import random_state_dict, resnet18_shapes, vgg19_shapes

BUILDERS = {
    "resnet18": (DeepLabV3Plus, resnet18_shapes, "conv1.weight"),
    "vgg19": (partial(VGG19FCN, fc_channels=8), vgg19_shapes, "features.0.weight"),
}
every_backbone = pytest.mark.parametrize(("network", "shapes", "first"), BUILDERS.values(), ids=BUILDERS.keys())


def saved(state, path):
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)
    return path


def resnet_file(folder, change):
    state = random_state_dict(resnet18_shapes())
    change(state)
    return saved(state, folder / "weights.pth")


@every_backbone
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_loads_each_backbone_tensor_of_a_torchvision_file(network, shapes, first, suffix, tmp_path):
    state = random_state_dict(shapes())
    net = network(in_channels=3, pretrained_path=saved(state, tmp_path / f"weights{suffix}"))
    own = net.backbone.state_dict()
    assert {key for key in state if not key.startswith(("fc.", "classifier."))} == set(own)
    assert all(torch.equal(value, state[key]) for key, value in own.items())


@every_backbone
def test_averages_the_first_convolution_for_one_channel(network, shapes, first, tmp_path):
    state = random_state_dict(shapes())
    net = network(in_channels=1, pretrained_path=saved(state, tmp_path / "weights.pth"))
    own = net.backbone.state_dict()
    rgb = state.pop(first)
    torch.testing.assert_close(own[first], (rgb[:, :1] + rgb[:, 1:2] + rgb[:, 2:]) / 3)
    assert all(torch.equal(own[key], state[key]) for key in own if key != first)


def test_a_file_without_counters_of_batch_normalisation_fits(tmp_path):
    def drop_counters(state):
        for key in [key for key in state if key.endswith("num_batches_tracked")]:
            del state[key]

    net = DeepLabV3Plus(pretrained_path=resnet_file(tmp_path, drop_counters))
    assert net.backbone.state_dict()["bn1.num_batches_tracked"] == 0


def test_loading_draws_no_random_number(tmp_path):
    path = resnet_file(tmp_path, lambda state: None)
    torch.manual_seed(0)
    random_start = DeepLabV3Plus()
    torch.manual_seed(0)
    pretrained = DeepLabV3Plus(pretrained_path=path)
    assert torch.equal(random_start.decoder.classifier.weight, pretrained.decoder.classifier.weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("layer1.0.conv1.weight"), r"missing \(1\): layer1\.0\.conv1\.weight"),
        (lambda s: s.update(extra=torch.zeros(1)), r"unexpected \(1\): extra"),
        (
            lambda s: s.update({"bn1.bias": torch.zeros(7)}),
            r"wrong shape \(1\): bn1\.bias \(7,\) instead of \(64,\)",
        ),
    ],
    ids=["missing", "unexpected", "shape"],
)
def test_refuses_keys_that_do_not_fit_in_one_line(change, message, tmp_path):
    path = resnet_file(tmp_path, change)
    with pytest.raises(ValueError, match=rf"weights\.pth does not fit the backbone: {message}") as caught:
        DeepLabV3Plus(pretrained_path=path)
    assert "\n" not in str(caught.value)


def test_refuses_the_file_of_another_network_and_shortens_the_list(tmp_path):
    path = saved({f"features.{i}.weight": torch.zeros(1) for i in range(10)}, tmp_path / "vgg.pth")
    with pytest.raises(ValueError, match=r"missing \(100\): conv1\.weight, .* and 92 more; unexpected \(10\).*2 more"):
        DeepLabV3Plus(pretrained_path=path)


def test_refuses_a_first_convolution_for_another_number_of_channels(tmp_path):
    path = resnet_file(tmp_path, lambda state: None)
    with pytest.raises(ValueError, match=r"conv1\.weight \(64, 3, 7, 7\) instead of \(64, 2, 7, 7\)"):
        DeepLabV3Plus(in_channels=2, pretrained_path=path)


def test_names_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no pretrained weights at .*absent\.pth"):
        DeepLabV3Plus(pretrained_path=tmp_path / "absent.pth")


@pytest.mark.parametrize("name", ["broken.pth", "broken.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights at all"])
def test_refuses_a_file_that_cannot_be_read(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} is no readable file of plain tensors"):
        DeepLabV3Plus(pretrained_path=tmp_path / name)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_refuses_a_file_cut_short(suffix, tmp_path):
    path = saved(random_state_dict(resnet18_shapes()), tmp_path / f"short{suffix}")
    path.write_bytes(path.read_bytes()[:1_000_000])
    with pytest.raises(ValueError, match=r"short\..* is no readable file of plain tensors"):
        DeepLabV3Plus(pretrained_path=path)


def test_never_runs_code_from_a_file(tmp_path):
    torch.save(DeepLabV3Plus(), tmp_path / "whole.pth")
    with pytest.raises(ValueError, match=r"whole\.pth is no readable file of plain tensors \(UnpicklingError\)"):
        DeepLabV3Plus(pretrained_path=tmp_path / "whole.pth")


def test_refuses_a_nested_checkpoint(tmp_path):
    path = saved({"state_dict": {"conv1.weight": torch.zeros(1)}}, tmp_path / "checkpoint.pth")
    with pytest.raises(ValueError, match=r"checkpoint\.pth holds no flat state dict of tensors"):
        DeepLabV3Plus(pretrained_path=path)


def test_refuses_an_unknown_ending(tmp_path):
    (tmp_path / "weights.h5").touch()
    with pytest.raises(ValueError, match=r"must end in \.pth, \.pt or \.safetensors, got .*weights\.h5"):
        DeepLabV3Plus(pretrained_path=tmp_path / "weights.h5")
