import pytest
import torch
from monai.networks.nets import BasicUNet
from monai.networks.nets.basic_unet import UpCat

from scripts.networks.unet import JoinLevels, UNet


def count(net):
    return sum(p.numel() for p in net.parameters())


def ronnebergers_count(in_channels, num_classes):
    """Weights and biases of Figure 1, arrow by arrow: 3 x 3 convolutions, 2 x 2 up-convolutions, one 1 x 1."""
    total, before = 0, in_channels
    for width in (64, 128, 256, 512, 1024):
        total += (9 * before * width + width) + (9 * width * width + width)
        before = width
    for width in (512, 256, 128, 64):
        up = 4 * (2 * width) * width + width
        total += up + (9 * (2 * width) * width + width) + (9 * width * width + width)
    return total + 64 * num_classes + num_classes


@pytest.mark.parametrize(("in_channels", "num_classes"), [(1, 2), (3, 11)])
def test_parameter_count_is_that_of_figure_1(in_channels, num_classes):
    with torch.device("meta"):
        net = UNet(in_channels, num_classes)
    assert count(net) == ronnebergers_count(in_channels, num_classes)


def test_parameter_counts_of_the_literature():
    with torch.device("meta"):
        net = UNet()
        monai = BasicUNet(2, features=(64, 128, 256, 512, 1024, 64), act="relu", norm=None)
    assert count(net) == 31_030_658
    # The Keras version of github.com/zhixuhao/unet puts a 3 x 3 convolution to 2 channels before one score.
    assert count(net) - (64 * 2 + 2) + (9 * 64 * 2 + 2) + (2 + 1) == 31_031_685
    assert count(monai) - count(net) == 69_696


def test_convolutions_start_with_the_papers_standard_deviation():
    torch.manual_seed(0)
    net = UNet(channels=(16, 32, 64, 128, 256)).unet
    convolution = net.down_4.convs.conv_1.conv
    up = net.upcat_4.upsample.deconv
    # 589,824 and 131,072 draws: a relative standard error of the deviation below 0.2 %.
    assert convolution.weight.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.01)
    assert up.weight.std().item() == pytest.approx((1 / 256) ** 0.5, rel=0.01)
    assert not convolution.bias.any()


def test_features_start_with_a_variance_near_one():
    squares, deviations = [], []
    for seed in range(8):
        torch.manual_seed(seed)
        net = UNet(channels=(16, 32, 64, 128, 256)).eval()
        net.unet.upcat_1.register_forward_hook(lambda module, inputs, output: squares.append(output.square().mean()))
        with torch.no_grad():
            deviations.append(net(torch.randn(2, 1, 64, 64)).std())
    # Single networks scatter from 0.6 to 2.4. Twice the variance in the up-convolutions would give 4 times the mean.
    assert 0.7 < torch.stack(squares).mean() < 2
    assert torch.stack(deviations).mean() < 1


def test_dropout_acts_at_the_end_of_the_contracting_path_in_training_alone():
    torch.manual_seed(0)
    net = UNet(channels=(2, 4, 8, 16, 32))
    image = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        assert not torch.equal(net(image), net(image))
        assert torch.equal(net.eval()(image), net(image))
    found = [name for name, module in net.named_modules() if isinstance(module, torch.nn.Dropout) and module.p > 0]
    assert found == ["unet.down_3.dropout", "unet.down_4.dropout"]


def test_normalisation_is_an_option():
    net = UNet(channels=(2, 4, 8, 16, 32), norm="batch")
    assert sum(isinstance(module, torch.nn.BatchNorm2d) for module in net.modules()) == 18


@pytest.mark.parametrize("channels", [(), (0, 0, 0, 0, 0), (8, 16, 32, 64), (8, 16, 32, 64, 64)])
def test_refuses_channels_that_do_not_double(channels):
    with pytest.raises(ValueError, match="channels must be five integers, each twice the one before"):
        UNet(channels=channels)


@pytest.mark.parametrize("size", [(8, 6), (9, 7), (9, 6), (8, 7)])
def test_levels_are_joined_as_monai_joins_them(size):
    arguments = {
        "spatial_dims": 2,
        "in_chns": 8,
        "cat_chns": 4,
        "out_chns": 4,
        "act": "relu",
        "norm": None,
        "bias": True,
    }
    ours, theirs = JoinLevels(**arguments), UpCat(**arguments)
    theirs.load_state_dict(ours.state_dict())
    below, above = torch.randn(2, 8, size[0] // 2, size[1] // 2), torch.randn(2, 4, *size)
    torch.testing.assert_close(ours(below, above), theirs(below, above), rtol=0, atol=0)
