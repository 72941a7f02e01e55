import copy

import pytest
import torch
from torch import nn

from scripts.losses import DualFocalLoss
from scripts.networks import AdaptiveClassWeight, ClassWeightedNetwork


class TwoHeads(nn.Module):
    """Sums two score maps, one of them upsampled, as skip connections of class scores do."""

    def __init__(self):
        super().__init__()
        self.fine = nn.Conv2d(2, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)
        self.coarse = nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1)

    def classifier_convolutions(self) -> list[nn.Module]:
        return [self.fine, self.coarse]

    def forward(self, image):
        pooled = nn.functional.avg_pool2d(image, 2)
        upsampled = nn.functional.interpolate(self.fine(self.norm(image)), scale_factor=1.0, mode="bilinear")
        return upsampled + self.coarse(pooled)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return ClassWeightedNetwork(TwoHeads(), AdaptiveClassWeight(3, [1, 2, 5]))


def test_the_weights_follow_the_network(network):
    image = torch.randn(2, 2, 8, 8)
    torch.testing.assert_close(network(image), network.class_weight(network.network(image)))
    without = ClassWeightedNetwork(network.network)
    torch.testing.assert_close(without(image), network.network(image))


@pytest.mark.parametrize("training", [True, False])
def test_the_folded_network_gives_the_weighted_logits_and_holds_no_trace_of_the_weights(network, training):
    network.train(training)
    before = copy.deepcopy(network.state_dict())
    folded = network.folded()
    assert type(folded) is TwoHeads
    assert folded.training == training
    assert folded.state_dict().keys() == TwoHeads().state_dict().keys()
    network.eval()
    image = torch.randn(2, 2, 8, 8)
    torch.testing.assert_close(folded.eval()(image), network(image))
    torch.testing.assert_close(network.state_dict(), before)  # the network itself is untouched


def test_folding_without_class_weights_is_a_plain_copy():
    inner = nn.Conv2d(1, 2, 1)
    folded = ClassWeightedNetwork(inner).folded()
    assert folded is not inner
    torch.testing.assert_close(folded.state_dict(), inner.state_dict())


def test_a_property_may_name_the_convolutions():
    class Named(nn.Conv2d):
        @property
        def classifier_convolutions(self):
            return [self]

    network = ClassWeightedNetwork(Named(1, 2, 1), AdaptiveClassWeight(2, [1, 3]))
    image = torch.randn(1, 1, 3, 3)
    torch.testing.assert_close(network.folded()(image), network(image))


def test_a_network_that_names_no_classifier_cannot_be_folded():
    network = ClassWeightedNetwork(nn.Conv2d(1, 2, 1), AdaptiveClassWeight(2))
    with pytest.raises(ValueError, match=r"Conv2d does not say .* give it a method classifier_convolutions\(\)"):
        network.folded()


def test_scripting_keeps_the_function(network):
    image = torch.randn(2, 2, 8, 8)
    network.eval()
    torch.testing.assert_close(torch.jit.script(network)(image), network(image))
    without = ClassWeightedNetwork(network.network)
    torch.testing.assert_close(torch.jit.script(without)(image), without(image))


def test_one_step_moves_every_parameter(network):
    before = copy.deepcopy(dict(network.named_parameters()))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    DualFocalLoss()(network(torch.randn(2, 2, 8, 8)), torch.randint(3, (2, 1, 8, 8))).backward()
    optimizer.step()
    unmoved = [name for name, value in network.named_parameters() if torch.equal(value, before[name])]
    assert unmoved == []


def test_weight_decay_leaves_the_class_weights_alone(network):
    optimizer = torch.optim.SGD(network.parameter_groups(weight_decay=0.5), lr=0.1)
    before = copy.deepcopy(dict(network.named_parameters()))
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)  # decay alone moves a parameter
    optimizer.step()
    for name, value in network.named_parameters():
        decayed = before[name] if name.startswith("class_weight") else before[name] * (1 - 0.1 * 0.5)
        torch.testing.assert_close(value, decayed)


def test_the_class_weights_can_have_their_own_learning_rate(network):
    optimizer = torch.optim.SGD(network.parameter_groups(class_weight_learning_rate=0.01), lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.01]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(network.parameters()))
    assert len(ClassWeightedNetwork(network.network).parameter_groups()) == 1


def test_the_last_layer_can_have_its_own_learning_rate(network):
    groups = network.parameter_groups(0.5, class_weight_learning_rate=0.01, classifier_learning_rate=0.3)
    optimizer = torch.optim.SGD(groups, lr=0.1)
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    decays = {id(parameter): group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]}
    last = {id(own) for layer in network.network.classifier_convolutions() for own in layer.parameters()}
    for name, parameter in network.named_parameters():
        is_weight, is_last = name.startswith("class_weight"), id(parameter) in last
        assert rates.pop(id(parameter)) == (0.01 if is_weight else 0.3 if is_last else 0.1), name
        assert decays.pop(id(parameter)) == (0.0 if is_weight else 0.5), name
    assert rates == {}


def test_a_last_layer_that_is_not_named_has_no_rate_of_its_own():
    with pytest.raises(ValueError, match="does not say where its class scores come from"):
        ClassWeightedNetwork(torch.nn.Conv2d(1, 2, 1)).parameter_groups(classifier_learning_rate=0.1)


@pytest.mark.parametrize("name", ["class_weight_learning_rate", "classifier_learning_rate"])
@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf"), "fast", True])
def test_a_rate_that_is_no_number_of_at_least_0_is_refused(network, name, rate):
    with pytest.raises(ValueError, match=f"{name} of parameter_groups must be a number of at least 0, got"):
        network.parameter_groups(**{name: rate})
