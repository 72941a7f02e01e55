import pytest
import torch

from scripts.losses import inverse_frequency_weights


def test_weights_are_inverse_to_the_counts_and_sum_to_one():
    # 1/6, 1/3, 1/2 -> divided by their sum, which is 1
    torch.testing.assert_close(inverse_frequency_weights([6, 3, 2]), torch.tensor([1 / 6, 1 / 3, 1 / 2]))


def test_a_class_of_one_pixel_is_there():
    torch.testing.assert_close(inverse_frequency_weights([1, 3]), torch.tensor([0.75, 0.25]))
    torch.testing.assert_close(inverse_frequency_weights([1, 1]), torch.tensor([0.5, 0.5]))


def test_shares_of_classes_do_as_well_as_counts():
    torch.testing.assert_close(inverse_frequency_weights([0.75, 0.25]), torch.tensor([0.25, 0.75]))


def test_mean_normalization_gives_weights_with_mean_one():
    weights = inverse_frequency_weights([6, 3, 2], normalization="mean")
    torch.testing.assert_close(weights, torch.tensor([1 / 2, 1.0, 3 / 2]))


def test_an_absent_class_weighs_as_much_as_the_rarest_one():
    weights = inverse_frequency_weights(torch.tensor([100, 0, 25]))
    torch.testing.assert_close(weights, inverse_frequency_weights([100, 25, 25]))


def test_counts_of_a_large_data_set_are_not_rounded_away():
    weights = inverse_frequency_weights([10**15, 1])
    assert weights[0].item() == pytest.approx(1e-15, rel=1e-6)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([3, -1], r"class_counts must be finite and >= 0, got \[3.0, -1.0\]"),
        ([3, float("nan")], "class_counts must be finite"),
        ([0, 0], "at least one count above 0"),
        ([[1, 2]], r"one number per class, \(C,\), got shape \(1, 2\)"),
        ([], "one number per class"),
    ],
)
def test_wrong_counts_are_refused(counts, message):
    with pytest.raises(ValueError, match=message):
        inverse_frequency_weights(counts)


def test_an_unknown_normalization_is_refused():
    with pytest.raises(ValueError, match='normalization must be "sum" or "mean", got \'max\''):
        inverse_frequency_weights([1, 2], normalization="max")
