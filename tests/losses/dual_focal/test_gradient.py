import pytest
import torch

from scripts.losses import DualFocalLoss
from scripts.losses.dual_focal import gradient
from scripts.losses.dual_focal.formula import dual_focal_voxels
from tests.losses.cases import random_case, value_and_gradient

PARAMETERS = [
    {},
    {"alpha": 2.0, "beta": 2.0},
    {"alpha": 0.3, "beta": 0.7, "gamma": 2.0},
    {"gamma": 0.0},
    {"gamma": 0.4},
    {"beta": 0.0},
]
FACTORS = [None, [0.5, 2.0, 0.0, 1.0, 3.0]]


@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("num_classes", [2, 3, 5])
def test_the_closed_form_equals_automatic_differentiation(num_classes, parameters, factors):
    logits, target = random_case(num_classes, (40, 30))
    logits[:, :, :4] = logits[:, :, :4].round()  # ties for the largest logit ...
    logits[:, :, 4] = 0.0  # ... of some and of all classes
    weight = None if factors is None else factors[:num_classes]
    loss = DualFocalLoss(**parameters, weight=weight, reduction="sum")
    value, grad = value_and_gradient(loss, logits, target)
    leaf = logits.clone().requires_grad_()
    factors = None if weight is None else torch.tensor(weight, dtype=torch.float64)
    expected = dual_focal_voxels(leaf, target, factors, (loss.alpha, loss.beta, loss.gamma, loss.rho), False).sum()
    expected.backward()
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(grad, leaf.grad, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_pieces_of_any_size_give_the_same(num_classes, monkeypatch):
    logits, target = random_case(num_classes, (7, 11))
    expected = value_and_gradient(DualFocalLoss(), logits, target)
    for chunk in (1, 8, 20, 100):  # of one voxel, of two, ...
        monkeypatch.setattr(gradient, "CHUNK", chunk)
        torch.testing.assert_close(value_and_gradient(DualFocalLoss(), logits, target), expected)


@pytest.mark.parametrize(
    ("num_classes", "size", "pieces"),
    [(2, 1000, [100] * 10), (3, 1000, [100] * 10), (8, 1000, [50] * 20), (4, 250, [125, 125]), (3, 10, [10])],
)
def test_a_piece_holds_as_many_logits_as_stay_in_the_cache(num_classes, size, pieces, monkeypatch):
    """Of 400 logits here; two and three classes count as four, as their temporaries do."""
    taken, chunk = [], gradient._chunk
    monkeypatch.setattr(gradient, "_chunk", lambda x, y, terms: taken.append(x.shape[1]) or chunk(x, y, terms))
    monkeypatch.setattr(gradient, "CHUNK", 400)
    DualFocalLoss()(*random_case(num_classes, (size,), batch=1))
    assert taken == pieces


def test_the_gradient_is_made_with_the_value_once_and_only_where_it_is_asked_for(monkeypatch):
    asked, make = [], gradient._value_and_gradient
    monkeypatch.setattr(gradient, "_value_and_gradient", lambda *given: asked.append(given[-1]) or make(*given))
    logits, target = random_case(3)
    DualFocalLoss()(logits, target)
    assert asked == [False]
    value = DualFocalLoss()(logits.requires_grad_(), target)
    value.backward(retain_graph=True)
    assert asked == [False, True]
    value.backward()  # the first one was handed over
    assert asked == [False, True, True]


def test_voxels_far_above_others_do_not_send_those_the_slow_way(monkeypatch):
    logits, target = random_case(3, (40,))
    expected = DualFocalLoss()(logits, target)
    logits[:, :, :20] += 1000.0  # to all classes alike, beside which exp of the others is 0
    monkeypatch.setattr(gradient, "_differentiable", None)
    torch.testing.assert_close(DualFocalLoss()(logits, target), expected)


def test_pieces_are_summed_in_double_precision(monkeypatch):
    """A voxel that costs 2e7, whose neighbour in float32 is 2 away, and 200 that cost about 1 each."""
    monkeypatch.setattr(gradient, "CHUNK", 4)
    logits = torch.tensor([1.0, 0.0, -1.0]).view(1, 3, 1).repeat(1, 1, 201)
    logits[0, 1, 0] = 1e7
    target = torch.zeros(1, 1, 201)
    value = DualFocalLoss(backend="eager", reduction="sum")(logits, target)
    assert value.item() == pytest.approx(DualFocalLoss(reduction="sum")(logits.double(), target).item(), rel=1e-7)


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_a_second_backward_pass_adds_the_same_gradient(dtype, reduction):
    logits, target = random_case(3, dtype=dtype)
    logits.requires_grad_()
    value = 3.0 * DualFocalLoss(reduction=reduction)(logits, target).mean()
    value.backward(retain_graph=True)
    once = logits.grad.clone()
    value.backward()
    torch.testing.assert_close(logits.grad, 2 * once)


def test_the_gradient_that_was_handed_over_is_the_callers_own():
    logits, target = random_case(3)
    logits.requires_grad_()
    value = DualFocalLoss()(logits, target)
    value.backward(retain_graph=True)
    once = logits.grad.clone()
    logits.grad.zero_()
    value.backward()
    torch.testing.assert_close(logits.grad, once)


def test_the_gradient_follows_the_factor_of_the_loss():
    logits, target = random_case(3)
    _, grad = value_and_gradient(DualFocalLoss(), logits, target)
    for factor in (0.25, 2.0):
        _, scaled = value_and_gradient(lambda x, y, f=factor: f * DualFocalLoss()(x, y), logits, target)
        torch.testing.assert_close(scaled, factor * grad)
    weights = torch.rand(target.shape, dtype=torch.float64)
    _, mapped = value_and_gradient(
        lambda x, y: (weights * DualFocalLoss(reduction="none")(x, y)).mean(), logits, target
    )
    torch.testing.assert_close(mapped, weights * grad)


def test_without_gradient_only_the_value_is_kept():
    logits, target = random_case(3)
    value = DualFocalLoss()(logits, target)
    assert not value.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(DualFocalLoss()(logits.requires_grad_(), target), value)


@pytest.mark.parametrize("gap", [20.0, 60.0, 80.0, 100.0, 1e3, 1e4])
@pytest.mark.parametrize("true_class", [0, 1, 2])
def test_every_gap_between_logits_gives_the_exact_gradient(true_class, gap):
    # at 69 the share of the other classes falls below 1e-30 and the differentiable form takes over
    logits = torch.tensor([0.5, gap, -0.5]).view(1, 3, 1)
    target = torch.full((1, 1, 1), true_class)
    value, grad = value_and_gradient(DualFocalLoss(), logits, target)
    leaf = logits.double().requires_grad_()
    expected = dual_focal_voxels(leaf, target, None, (1.0, 1.0, 1.0, 1.0), False).sum()
    expected.backward()
    torch.testing.assert_close(value.double(), expected.detach(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(grad.double(), leaf.grad, rtol=1e-6, atol=1e-15)  # float64 itself rounds 1 - p to 1e-16
