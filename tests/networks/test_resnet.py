import pytest
import torch

from scripts.networks.resnet import ResNet18Backbone


def random_images(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_parameter_count_is_torchvisions_resnet18_without_fc():
    # torchvision documents 11,689,512 parameters for resnet18; its fc has 512 * 1000 + 1000.
    count = sum(p.numel() for p in ResNet18Backbone(in_channels=3).parameters())
    assert count == 11_689_512 - 513_000 == 11_176_512


def test_one_input_channel_saves_two_thirds_of_the_first_convolution():
    count = sum(p.numel() for p in ResNet18Backbone(in_channels=1).parameters())
    assert count == 11_176_512 - 2 * 64 * 7 * 7


@pytest.mark.parametrize("output_stride", [8, 16, 32])
@pytest.mark.parametrize(("height", "width"), [(224, 224), (65, 97)])
def test_feature_sizes_follow_the_output_stride(output_stride, height, width):
    backbone = ResNet18Backbone(in_channels=1, output_stride=output_stride).eval()
    with torch.no_grad():
        low_level, deep = backbone(random_images(1, 1, height, width))
    assert low_level.shape == (1, 64, -(-height // 4), -(-width // 4))
    assert deep.shape == (1, 512, -(-height // output_stride), -(-width // output_stride))


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("size", [(64, 96), (65, 97)])
def test_dilated_features_hold_the_undilated_ones(output_stride, size):
    # The a trous algorithm: the same filters on a finer grid agree where the grids meet.
    undilated = ResNet18Backbone(in_channels=1, output_stride=32).double().eval()
    dilated = ResNet18Backbone(in_channels=1, output_stride=output_stride).double().eval()
    dilated.load_state_dict(undilated.state_dict())
    image = random_images(2, 1, *size).double()
    step = 32 // output_stride
    with torch.no_grad():
        torch.testing.assert_close(dilated(image)[1][:, :, ::step, ::step], undilated(image)[1])


def test_refuses_an_unknown_output_stride():
    with pytest.raises(ValueError, match=r"output_stride must be one of \[8, 16, 32\], got 4"):
        ResNet18Backbone(output_stride=4)
