import pytest
import torch
import torch.nn.functional as F

from scripts.networks.vgg19_fcn import VGG19FCN, VGG19Backbone


def count(net):
    return sum(p.numel() for p in net.parameters())


def test_parameter_count_is_torchvisions_vgg19_without_its_classifier():
    # torchvision documents 143,667,240 parameters for vgg19; its classifier has 123,642,856.
    classifier = (25088 * 4096 + 4096) + (4096 * 4096 + 4096) + (4096 * 1000 + 1000)
    with torch.device("meta"):
        assert count(VGG19Backbone(in_channels=3)) == 143_667_240 - classifier == 20_024_384


def test_parameter_count_at_full_width_is_that_of_vgg19_with_score_layers():
    # fc6 and fc7 are VGG19's first two classifier layers, reshaped; scores see 4096, 512 and 256 channels.
    scores = 2 * (4096 + 512 + 256) + 3 * 2
    with torch.device("meta"):
        net = VGG19FCN(in_channels=3, num_classes=2)
    assert count(net) == 143_667_240 - (4096 * 1000 + 1000) + scores == 139_579_974


def test_parameter_count_without_vgg19s_extra_convolutions_is_that_of_long_et_al():
    # CVPR 2015, Table 1: FCN-VGG16, 21 classes, 134 M. VGG19 has one more convolution in each of three stages.
    with torch.device("meta"):
        net = VGG19FCN(in_channels=3, num_classes=21)
    extra = (9 * 256 * 256 + 256) + 2 * (9 * 512 * 512 + 512)
    assert round((count(net) - extra) / 1e6) == 134


def test_a_narrow_head_has_the_documented_size():
    with torch.device("meta"):
        assert round(count(VGG19FCN(fc_channels=512)) / 1e6, 1) == 33.1


@pytest.mark.parametrize("size", [(224, 224), (65, 33)])
def test_pooled_features_round_sizes_up(size):
    with torch.device("meta"):
        pooled = VGG19Backbone(in_channels=1)(torch.zeros(1, 1, *size))
    expected = [(1, c, -(-size[0] // s), -(-size[1] // s)) for c, s in ((256, 8), (512, 16), (512, 32))]
    assert [p.shape for p in pooled] == expected


def test_logits_add_the_scores_of_three_depths():
    torch.manual_seed(0)
    net = VGG19FCN(num_classes=3, fc_channels=8).eval()
    image = torch.randn(1, 1, 64, 96)
    with torch.no_grad():
        pool3, pool4, pool5 = net.backbone(image)
        deep = net.score_fr(F.relu(net.fc7(F.relu(net.fc6(pool5)))))
        parts = [(deep, (2, 2, 8)), (net.score_pool4(pool4), (2, 8)), (net.score_pool3(pool3), (8,))]
        expected = torch.zeros(1, 3, 64, 96)
        for scores, factors in parts:
            for factor in factors:
                scores = torch.nn.Upsample(scale_factor=factor, mode="bilinear")(scores)
            expected += scores
        # The sum is upsampled once in the network and three times here: float32 rounding.
        torch.testing.assert_close(net(image), expected, rtol=1e-4, atol=1e-5)


def test_an_odd_size_is_a_larger_image_cut():
    # Every step keeps pixels in place, so far from the missing column the logits of a constant image are the same.
    torch.manual_seed(0)
    net = VGG19FCN(fc_channels=8).double().eval()
    with torch.no_grad():
        even, odd = (net(torch.ones(1, 1, 32, width, dtype=torch.float64)) for width in (512, 511))
    torch.testing.assert_close(odd[..., :96], even[..., :96])


def test_dropout_acts_in_training_alone():
    torch.manual_seed(0)
    net = VGG19FCN(fc_channels=8)
    image = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        assert not torch.equal(net(image), net(image))
        assert torch.equal(net.eval()(image), net(image))


def test_refuses_a_head_without_channels():
    with pytest.raises(ValueError, match="fc_channels must be >= 1, got 0"):
        VGG19FCN(fc_channels=0)
