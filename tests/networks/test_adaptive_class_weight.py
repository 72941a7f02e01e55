import copy
import pickle

import pytest
import torch
from torch import nn

from scripts.losses import DualFocalLoss
from scripts.networks import AdaptiveClassWeight


def test_weights_begin_inverse_to_the_pixel_counts():
    torch.testing.assert_close(AdaptiveClassWeight(2, [900, 100]).weight, nn.Parameter(torch.tensor([0.1, 0.9])))
    mean_one = AdaptiveClassWeight(2, [900, 100], normalization="mean").weight
    torch.testing.assert_close(mean_one, nn.Parameter(torch.tensor([0.2, 1.8])))


def test_weights_begin_equal_without_counts():
    assert AdaptiveClassWeight(4).weight.tolist() == [0.25] * 4
    assert AdaptiveClassWeight(4, normalization="mean").weight.tolist() == [1.0] * 4


def test_a_class_without_pixels_gets_a_finite_weight():
    weight = AdaptiveClassWeight(3, [50, 0, 10]).weight
    assert torch.isfinite(weight).all()
    assert weight[1] == weight[2]


@pytest.mark.parametrize("spatial", [(), (5,), (3, 4), (2, 3, 4)])
def test_each_logit_is_multiplied_by_the_weight_of_its_class(spatial):
    layer = AdaptiveClassWeight(3, [1, 2, 4])
    logits = torch.randn(2, 3, *spatial)
    weighted = layer(logits)
    for c in range(3):
        torch.testing.assert_close(weighted[:, c], logits[:, c] * layer.weight[c].item())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_logits_keep_their_type(dtype):
    assert AdaptiveClassWeight(2)(torch.ones(1, 2, 3, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize("positive", [False, True])
def test_one_step_moves_every_weight(positive):
    layer = AdaptiveClassWeight(3, [1, 2, 4], positive=positive)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    before = layer.weight.detach().clone()
    torch.manual_seed(0)
    DualFocalLoss()(layer(torch.randn(1, 3, 5, 5)), torch.randint(3, (1, 1, 5, 5))).backward()
    optimizer.step()
    assert (layer.weight != before).all()


def test_positive_weights_start_equal_and_stay_above_zero():
    layer = AdaptiveClassWeight(2, [900, 100], positive=True)
    torch.testing.assert_close(layer.weight.detach(), torch.tensor([0.1, 0.9]))
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    for _ in range(50):  # a gradient that would push plain weights far below zero
        optimizer.zero_grad()
        layer.weight.sum().backward()
        optimizer.step()
    assert (layer.weight > 0).all()


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(4, 6, 1),
        nn.Conv2d(4, 6, 3, bias=False, padding=1),
        nn.Conv2d(4, 6, 3, groups=2),
        nn.ConvTranspose2d(4, 6, 2, stride=2),
        nn.ConvTranspose2d(4, 6, 4, stride=2, groups=2),
    ],
    ids=["1x1", "no bias", "groups", "transposed", "transposed groups"],
)
def test_folding_into_a_convolution_gives_the_same_logits(convolution, positive):
    layer = AdaptiveClassWeight(6, [1, 2, 3, 4, 5, 6], positive=positive).double()
    convolution = copy.deepcopy(convolution).double()
    image = torch.randn(2, 4, 7, 7, dtype=torch.float64)
    expected = layer(convolution(image))
    layer.fold_into(convolution)
    torch.testing.assert_close(convolution(image), expected)


def test_folding_is_exact_through_bilinear_upsampling():
    layer = AdaptiveClassWeight(3, [7, 2, 1]).double()
    convolution = nn.Conv2d(4, 3, 1).double()
    upsample = nn.Upsample(scale_factor=4, mode="bilinear", align_corners=False)
    image = torch.randn(1, 4, 6, 6, dtype=torch.float64)
    expected = layer(upsample(convolution(image)))
    layer.fold_into(convolution)
    torch.testing.assert_close(upsample(convolution(image)), expected)


@pytest.mark.parametrize("positive", [False, True])
def test_scripting_pickling_and_copying_keep_the_function(positive):
    layer = AdaptiveClassWeight(3, [1, 2, 4], positive=positive)
    logits = torch.randn(1, 3, 4)
    for twin in (torch.jit.script(layer), pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        torch.testing.assert_close(twin(logits), layer(logits))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 0}, "num_classes must be >= 1, got 0"),
        ({"num_classes": 3, "class_counts": [1, 2]}, "one count for each of 3 classes, got 2"),
        ({"num_classes": 2, "class_counts": [1, -2]}, "class_counts must be finite and >= 0"),
        ({"num_classes": 2, "normalization": "max"}, 'normalization must be "sum" or "mean"'),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AdaptiveClassWeight(**arguments)


def test_wrong_logits_and_layers_are_refused():
    layer = AdaptiveClassWeight(3)
    with pytest.raises(ValueError, match=r"logits must be \(B, 3, \*S\), got shape \[1, 2, 4\]"):
        layer(torch.zeros(1, 2, 4))
    with pytest.raises(ValueError, match="must have 3 output channels, one per class, got 2"):
        layer.fold_into(nn.Conv2d(1, 2, 1))
    with pytest.raises(ValueError, match="only a convolution can take the class weights, got Linear"):
        layer.fold_into(nn.Linear(1, 3))
