import pickle
import shutil
import warnings

import pytest
import torch

from scripts.losses import DualFocalLoss
from scripts.losses.dual_focal import kernel as kernel_module
from tests.losses.cases import random_case, value_and_gradient

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def assert_backends_agree(logits, target, **arguments):
    fast = value_and_gradient(DualFocalLoss(**arguments, backend="compiled"), logits, target)
    slow = value_and_gradient(DualFocalLoss(**arguments, backend="eager"), logits.double(), target)
    torch.testing.assert_close(fast[0].double(), slow[0], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(fast[1].double(), slow[1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("num_classes", [2, 3, 11])
def test_the_kernel_equals_the_float64_closed_form(num_classes, reduction):
    logits, target = random_case(num_classes, (17, 31), dtype=torch.float32)  # 527 voxels: two blocks and a rest
    logits[:, :, 0] = 0.0  # ties for the largest logit
    logits[:, :, 1] = logits[:, :, 1].round()
    tolerant = logits * 0.5 if reduction == "sum" else logits
    if reduction == "sum":
        fast = DualFocalLoss(reduction="sum", backend="compiled")(tolerant, target).item()
        assert fast == pytest.approx(DualFocalLoss(reduction="sum")(tolerant.double(), target).item(), rel=1e-6)
    else:
        assert_backends_agree(tolerant, target, reduction=reduction)


@pytest.mark.parametrize(
    "arguments",
    [
        {"alpha": 0.5, "beta": 2.0},
        {"weight": [0.5, 2.0, 1.0]},
        {"include_background": False},
        {"gamma": 2.0},
        {"rho": 2.0},
    ],
)
def test_every_argument_gives_the_same_in_both_backends(arguments):
    logits, target = random_case(3, (16, 20), dtype=torch.float32)
    assert_backends_agree(logits, target, **arguments)


@pytest.mark.parametrize("gap", [20.0, 60.0, 100.0, 1e4])
def test_the_kernel_is_exact_at_every_gap(gap):
    logits = torch.tensor([0.0, gap, 0.0]).view(1, 3, 1)
    for true_class in range(3):
        assert_backends_agree(logits, torch.full((1, 1, 1), true_class))


def test_the_kernel_leaves_out_ignored_voxels_whatever_they_hold():
    logits, target = random_case(4, (20, 20), dtype=torch.float32)
    valid = torch.rand(target.shape, generator=torch.Generator().manual_seed(0)) > 0.4
    target = torch.where(valid, target, 255)
    assert_backends_agree(logits, target, ignore_index=255)
    loss = DualFocalLoss(ignore_index=255, backend="compiled")
    expected = value_and_gradient(loss, logits, target)
    for poison in (float("nan"), float("inf")):
        torch.testing.assert_close(value_and_gradient(loss, torch.where(valid, logits, poison), target), expected)
    value, grad = value_and_gradient(loss, logits, torch.full_like(target, 255))
    assert value == 0
    assert (grad == 0).all()


def test_threads_do_not_change_the_kernels_result():
    logits, target = random_case(5, (64, 64), dtype=torch.float32)
    threads = torch.get_num_threads()
    results = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        results.append(value_and_gradient(DualFocalLoss(backend="compiled"), logits, target))
    torch.set_num_threads(threads)
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=0)
    torch.testing.assert_close(results[2], results[0], rtol=0, atol=0)


def test_the_kernel_leaves_the_processors_rounding_alone():
    DualFocalLoss(backend="compiled")
    assert torch.tensor(1e-40).mul(0.5).item() > 0.0  # denormals are not flushed


def test_other_logits_fall_back_to_torch_and_pickle_works():
    logits, target = random_case(3)
    loss = pickle.loads(pickle.dumps(DualFocalLoss(backend="compiled")))
    for dtype in (torch.float64, torch.float16):
        torch.testing.assert_close(
            value_and_gradient(loss, logits.to(dtype), target),
            value_and_gradient(DualFocalLoss(backend="eager"), logits.to(dtype), target),
        )


def test_it_is_built_once_and_a_missing_or_failing_compiler_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for _ in range(2):
        kernel_module.kernel.__wrapped__()
    built = list((tmp_path / "dual_focal_loss").iterdir())
    assert [path.suffix for path in built] == [".so"]
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(RuntimeError, match='install g\\+\\+, set CXX, or take backend "eager"'):
        kernel_module.kernel.__wrapped__()
    monkeypatch.setenv("CXX", "false")
    with pytest.raises(RuntimeError, match='cannot build kernel.cpp; take backend "eager"'):
        kernel_module.kernel.__wrapped__()


def test_without_a_home_or_a_folder_to_write_a_process_builds_its_own(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: (_ for _ in ()).throw(KeyError(uid)))
    assert kernel_module.kernel.__wrapped__()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert kernel_module.kernel.__wrapped__()


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match='backend must be "auto", "eager" or "compiled", got \'cuda\''):
        DualFocalLoss(backend="cuda")


def same_bits(first, second):
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_the_kernel_is_taken_by_itself_where_a_compiler_is():
    logits, target = random_case(11, (40, 40), dtype=torch.float32)
    results = {b: value_and_gradient(DualFocalLoss(backend=b), logits, target) for b in ("auto", "eager", "compiled")}
    assert same_bits(results["auto"], results["compiled"])
    assert not same_bits(results["auto"], results["eager"])  # so that the line above can fail
    assert same_bits(value_and_gradient(DualFocalLoss(), logits, target), results["compiled"])


@pytest.mark.parametrize(("compiler", "warned"), [("no-such-compiler", 0), ("false", 1)])
def test_without_a_working_compiler_auto_is_eager_with_one_warning_if_it_fails(tmp_path, monkeypatch, compiler, warned):
    logits, target = random_case(11, (40, 40), dtype=torch.float32)
    expected = value_and_gradient(DualFocalLoss(backend="eager"), logits, target)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CXX", compiler)
    kernel_module.kernel.cache_clear()
    kernel_module.is_available.cache_clear()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            results = [value_and_gradient(DualFocalLoss(), logits, target) for _ in range(3)]
    finally:
        kernel_module.kernel.cache_clear()
        kernel_module.is_available.cache_clear()
    assert all(same_bits(result, expected) for result in results)
    assert len([w for w in caught if "cannot build kernel.cpp" in str(w.message)]) == warned
