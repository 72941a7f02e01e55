import pytest
import torch

from scripts.networks.aspp import ASPPPooling
from scripts.networks.deeplabv3plus import DeepLabV3Plus


def test_parameter_count_is_the_sum_of_the_papers_parts():
    backbone = 11_176_512  # torchvision's resnet18 without fc
    aspp = 2 * (512 * 256 + 512) + 3 * (9 * 512 * 256 + 512) + (5 * 256 * 256 + 512)
    decoder = (64 * 48 + 96) + (9 * 304 * 256 + 512) + (9 * 256 * 256 + 512) + (256 * 2 + 2)
    count = sum(p.numel() for p in DeepLabV3Plus(in_channels=3, num_classes=2).parameters())
    assert count == backbone + aspp + decoder == 16_603_298


def test_aspp_sees_a_map_of_14_at_224():
    net = DeepLabV3Plus().eval()
    with torch.no_grad():
        assert net.backbone(torch.zeros(1, 1, 224, 224))[1].shape == (1, 512, 14, 14)


def test_a_rate_beyond_the_map_acts_as_a_1x1_convolution():
    rate_18 = DeepLabV3Plus().aspp.branches[3][0]
    features = torch.randn(1, 512, 14, 14, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        centre = torch.nn.functional.conv2d(features, rate_18.weight[:, :, 1:2, 1:2])
        # Sums of 512 float32 products in another order.
        torch.testing.assert_close(rate_18(features), centre, rtol=1e-4, atol=1e-4)


def test_pooling_of_a_single_training_image_uses_and_keeps_the_running_statistics():
    pooling = ASPPPooling(4, 3)
    features = torch.randn(1, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        trained = pooling.train()(features)
        torch.testing.assert_close(trained, pooling.eval()(features), rtol=0, atol=0)
    assert trained.shape == (1, 3, 5, 6)
    assert pooling.bn.num_batches_tracked == 0


def test_pooling_of_several_images_uses_their_own_statistics():
    pooling = ASPPPooling(4, 3).train()
    pooling(torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(0)))
    assert pooling.bn.num_batches_tracked == 1


@pytest.mark.parametrize("rates", [(), (6, 0)])
def test_refuses_rates_that_are_no_rates(rates):
    with pytest.raises(ValueError, match="atrous_rates must be one or more integers >= 1"):
        DeepLabV3Plus(atrous_rates=rates)


def test_takes_rates_from_a_config_list():
    assert len(DeepLabV3Plus(atrous_rates=[1, 2]).aspp.branches) == 4
