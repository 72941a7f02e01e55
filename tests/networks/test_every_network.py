"""Laws that hold for each network of the bundle."""

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from scripts.networks.deeplabv3plus import DeepLabV3Plus
from scripts.networks.unet import UNet
from scripts.networks.vgg19_fcn import VGG19FCN

NETWORKS = {
    "deeplabv3plus": DeepLabV3Plus,
    # Narrower than the defaults, for time; the wide ones differ in numbers alone.
    "vgg19_fcn": partial(VGG19FCN, fc_channels=64),
    "unet": partial(UNet, channels=(16, 32, 64, 128, 256)),
}
pytestmark = [
    pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys()),
    # The model zoo exports TorchScript, which torch has marked as deprecated.
    pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated:DeprecationWarning"),
]


def seeded(network, seed=0, **arguments):
    torch.manual_seed(seed)
    return network(**arguments)


def random_images(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def two_images():
    """Two 64 x 64 images of a bright square on a dark ground, and their masks."""
    masks = torch.zeros(2, 64, 64, dtype=torch.long)
    masks[0, 8:40, 16:48] = 1
    masks[1, 30:58, 4:36] = 1
    noise = 0.2 * random_images(2, 1, 64, 64)
    return masks.unsqueeze(1).float() + noise, masks


@pytest.mark.parametrize(("in_channels", "num_classes"), [(1, 2), (3, 11)])
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (50, 35)])
def test_logits_have_the_size_of_the_image(network, in_channels, num_classes, size):
    net = seeded(network, in_channels=in_channels, num_classes=num_classes).eval()
    with torch.no_grad():
        logits = net(random_images(1, in_channels, *size))
    assert logits.shape == (1, num_classes, *size)
    assert logits.isfinite().all()


@pytest.mark.parametrize(("size", "batch"), [((64, 64), 2), ((33, 47), 1)])
def test_training_reaches_each_parameter(network, size, batch):
    net = seeded(network)
    net(random_images(batch, 1, *size)).square().mean().backward()
    unreached = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not unreached


def test_initial_weights_depend_on_the_seed_alone(network):
    first, second, third = (seeded(network, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], third[key]) for key in first)


def test_scaling_the_classifier_convolutions_scales_the_logits(network):
    net = seeded(network, num_classes=3).double().eval()
    image = random_images(2, 1, 37, 50, dtype=torch.float64)
    weights = torch.tensor([0.2, 1.0, 3.5], dtype=torch.float64)
    scaled = copy.deepcopy(net)
    with torch.no_grad():
        for convolution in scaled.classifier_convolutions():
            convolution.weight.mul_(weights.view(-1, 1, 1, 1))
            convolution.bias.mul_(weights)
        torch.testing.assert_close(scaled(image), net(image) * weights.view(1, -1, 1, 1))


@pytest.mark.parametrize("training", [False, True])
def test_scripted_network_equals_the_eager_one(network, training):
    net = seeded(network).train(training)
    scripted = torch.jit.script(copy.deepcopy(net))
    for size in [(64, 64), (33, 47)]:
        image = random_images(1, 1, *size)
        torch.manual_seed(0)
        expected = net(image)
        torch.manual_seed(0)
        # Fused and eager kernels may add in another order: float32 rounding.
        torch.testing.assert_close(scripted(image), expected, rtol=1e-4, atol=1e-5)


def test_overfits_two_images(network):
    net = seeded(network)
    images, masks = two_images()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-4)
    dice = torch.tensor(0.0)
    for _ in range(400):  # 20 to 60 are enough, and how many differs between processors
        logits = net(images)
        pred = logits.argmax(dim=1)
        dice = 2 * (pred * masks).sum() / (pred.sum() + masks.sum())
        if dice > 0.95:
            break
        optimizer.zero_grad()
        F.cross_entropy(logits, masks).backward()
        optimizer.step()
    assert dice > 0.95


@pytest.mark.parametrize(("argument", "value"), [("in_channels", 0), ("num_classes", 1)])
def test_refuses_a_number_out_of_range(network, argument, value):
    with pytest.raises(ValueError, match=rf"{argument} must be >= \d.*got {value}"):
        network(**{argument: value})
