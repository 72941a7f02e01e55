"""What users put around a loss: scripting, compiling, pickling, wrappers, many processes."""

import copy
import pickle

import monai.losses
import pytest
import torch
from monai.bundle import ConfigParser

from scripts.losses import CrossEntropyLoss, DiceDualFocalLoss, DualFocalLoss, FocalLoss, dual_focal_loss
from tests.losses.cases import one_hot, random_case, soft_labels, value_and_gradient
from tests.processes import end, said, start

LOSSES = [
    DualFocalLoss(),
    DualFocalLoss(weight=[0.5, 1.0, 2.0], ignore_index=1),
    DualFocalLoss(include_background=False, gamma=2.0, rho=1.5),
    DualFocalLoss(sigmoid=True),
    CrossEntropyLoss(weight=[0.5, 1.0, 2.0]),
    FocalLoss(ignore_index=1),
]


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_scripting_keeps_value_and_gradient(loss):
    scripted = torch.jit.script(loss)
    logits, target = random_case(3)
    for labels in (target, soft_labels(3)):
        torch.testing.assert_close(
            value_and_gradient(scripted, logits, labels), value_and_gradient(loss, logits, labels)
        )
    with pytest.raises(torch.jit.Error, match="class indices from 0 to 2"):
        scripted(logits, target + 5)


@pytest.mark.parametrize(
    ("loss", "backend"),
    [
        (DualFocalLoss(), "aot_eager"),  # without the C++ compiler, which takes ten seconds
        (DualFocalLoss(weight=[0.5, 1.0, 2.0], ignore_index=1, gamma=2.0), "inductor"),
    ],
    ids=["plain", "all"],
)
def test_compiling_breaks_no_graph(loss, backend):
    compiled = torch.compile(loss, fullgraph=True, backend=backend)
    logits, target = random_case(3, dtype=torch.float32)
    torch.testing.assert_close(value_and_gradient(compiled, logits, target), value_and_gradient(loss, logits, target))


def test_a_compiled_model_with_the_loss_inside_breaks_no_graph():
    network, loss = torch.nn.Conv2d(1, 2, 3), DualFocalLoss()

    def step(image, target):
        return loss(network(image), target)

    image, target = torch.randn(2, 1, 8, 8), torch.randint(2, (2, 1, 6, 6))
    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(image, target), step(image, target))


@pytest.mark.parametrize("loss", [*LOSSES, DiceDualFocalLoss(weight=[0.5, 1.0, 2.0])], ids=repr)
def test_pickle_and_copy_keep_the_loss(loss):
    logits, target = random_case(3)
    for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        torch.testing.assert_close(twin(logits, target), loss(logits, target))


def test_deep_supervision_adds_the_levels():
    levels = [random_case(3, (8, 8), dtype=torch.float32)[0], random_case(3, (4, 4), dtype=torch.float32, seed=5)[0]]
    target = random_case(3, (8, 8))[1].float()
    value = monai.losses.DeepSupervisionLoss(DualFocalLoss())(levels, target)
    coarse = torch.nn.functional.interpolate(target, (4, 4), mode="nearest-exact")
    loss = DualFocalLoss()
    torch.testing.assert_close(value, loss(levels[0], target) + 0.5 * loss(levels[1], coarse))


def test_masked_loss_multiplies_logits_and_target():
    logits, target = random_case(3, (4, 4))
    mask = (torch.rand(2, 1, 4, 4) > 0.5).double()
    masked = monai.losses.MaskedLoss(DualFocalLoss)
    for labels in (target, one_hot(target, 3)):
        expected = DualFocalLoss()(logits * mask, labels * mask)
        torch.testing.assert_close(masked(logits, labels, mask), expected)


def train_in_two_processes():
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    torch.manual_seed(0)
    network = torch.nn.parallel.DistributedDataParallel(torch.nn.Conv2d(1, 3, 1))
    image, target = torch.randn(2, 1, 4, 4), torch.randint(3, (2, 1, 4, 4))
    DualFocalLoss()(network(image[rank : rank + 1]), target[rank : rank + 1]).backward()
    single = torch.nn.Conv2d(1, 3, 1)
    single.load_state_dict(network.module.state_dict())
    DualFocalLoss()(single(image), target).backward()
    torch.testing.assert_close(network.module.weight.grad, single.weight.grad)
    # Before the group: a reducer that outlives it ends gloo's threads while it holds the lock (GIL) that they wait for.
    del network
    torch.distributed.destroy_process_group()


def test_two_processes_train_as_one(tmp_path):
    log = tmp_path / "log"
    assert end(start(2, log, train_in_two_processes)) == [0, 0], [said(log, rank) for rank in range(2)]


@pytest.mark.parametrize("target", ["DualFocalLoss", "monai.losses.DualFocalLoss", "scripts.losses.DualFocalLoss"])
def test_a_config_finds_the_loss_under_each_of_its_names(target):
    parser = ConfigParser({"loss": {"_target_": target, "gamma": 2.0}})
    loss = parser.get_parsed_content("loss")
    assert type(loss) is DualFocalLoss
    assert (loss.alpha, loss.beta, loss.gamma, loss.rho) == (1.0, 1.0, 2.0, 1.0)
    assert type(pickle.loads(pickle.dumps(loss))) is DualFocalLoss


def test_monai_holds_the_classes_themselves_and_keeps_its_own():
    assert monai.losses.DualFocalLoss is DualFocalLoss
    assert monai.losses.DiceDualFocalLoss is DiceDualFocalLoss
    assert monai.losses.FocalLoss is not FocalLoss


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (DualFocalLoss(), "DualFocalLoss()"),
        (
            DualFocalLoss(alpha=0.5, weight=[0.1, 1.0, 2.0], ignore_index=255, reduction="sum", backend="eager"),
            "DualFocalLoss(alpha=0.5, weight=[0.1, 1.0, 2.0], ignore_index=255, reduction='sum', backend='eager')",
        ),
        (FocalLoss(alpha=1.0), "FocalLoss(alpha=1.0)"),
        (CrossEntropyLoss(weight=[1.0, 3.0]), "CrossEntropyLoss(weight=[1.0, 3.0])"),
    ],
)
def test_a_loss_shows_what_was_given(loss, text):
    assert repr(loss) == text


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"alpha": 0.5, "beta": 2.0, "gamma": 2.0, "rho": 1.5},
        {"weight": [0.5, 1.0, 2.0], "ignore_index": 1, "reduction": "sum", "include_background": False},
        {"reduction": "none", "backend": "eager"},
        {"sigmoid": True},
    ],
)
def test_the_function_is_the_module(arguments):
    logits, target = random_case(3, dtype=torch.float32)
    expected = value_and_gradient(DualFocalLoss(**arguments), logits, target)
    found = value_and_gradient(lambda x, y: dual_focal_loss(x, y, **arguments), logits, target)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_the_function_hands_its_backend_on():
    with pytest.raises(ValueError, match="backend must be"):
        dual_focal_loss(*random_case(3), backend="cuda")


def test_the_function_inside_a_compiled_step_breaks_no_graph():
    logits, target = random_case(3, dtype=torch.float32)
    compiled = torch.compile(lambda x, y: dual_focal_loss(x, y, gamma=2.0), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(logits, target), dual_focal_loss(logits, target, gamma=2.0))
