from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import itk
import numpy as np
import pytest

from scripts.datasets import MetaImageReader, find_phantom, find_promise12

SMALL = (40, 32, 6)


def read(path):
    reader = MetaImageReader()
    return reader.get_data(reader.read(path))[0], itk.imread(path)


def hash_tree(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """Six cases at full size."""
    folder = tmp_path_factory.mktemp("phantom")
    return [(read(case.image), read(case.label)) for case in find_phantom(folder, num_cases=6)]


def test_the_gland_fills_2_to_5_percent_of_every_case_and_leaves_slices_empty(phantom):
    for (image, _), (label, _) in phantom:
        assert image.shape == label.shape == (160, 160, 12)
        assert image.dtype == np.int16
        assert sorted(np.unique(label)) == [0, 1]
        assert 0.02 <= label.mean() <= 0.05
        assert 2 <= (~label.any(axis=(0, 1))).sum() <= 7


def test_the_grid_is_anisotropic_and_oblique_and_shared_with_the_mask(phantom):
    for (_, image), (_, label) in phantom:
        np.testing.assert_allclose(image.GetSpacing(), (0.9, 0.9, 3.6))
        direction = np.asarray(image.GetDirection())
        np.testing.assert_allclose(direction @ direction.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(direction) == pytest.approx(1.0)
        # The slices' normal leans forward by 0.1 to 0.3 rad.
        assert np.cos(0.3) <= direction[2, 2] <= np.cos(0.1)
        assert np.abs(direction - np.eye(3)).max() > 0.05
        np.testing.assert_array_equal(direction, np.asarray(label.GetDirection()))
        assert tuple(image.GetOrigin()) == tuple(label.GetOrigin())


def test_no_threshold_finds_the_gland(phantom):
    for (image, _), (label, _) in phantom:
        gland = label > 0
        edges = np.percentile(image, np.arange(0, 101, 5))
        best = 0.0
        for i, low in enumerate(edges):
            for high in edges[i + 1 :]:
                inside = (image >= low) & (image <= high)
                best = max(best, 2 * (inside & gland).sum() / (inside.sum() + gland.sum()))
        assert best < 0.25


def test_a_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 0), ("b", 1), ("c", 0)):
        find_phantom(tmp_path / name, num_cases=2, size=SMALL, seed=seed)
    a, b, c = (hash_tree(tmp_path / name) for name in "abc")
    assert a == c
    assert a["Case00.raw"] != b["Case00.raw"]
    assert a["Case00.raw"] != a["Case01.raw"]


def test_a_case_does_not_depend_on_how_many_there_are(tmp_path):
    find_phantom(tmp_path / "a", num_cases=1, size=SMALL)
    find_phantom(tmp_path / "b", num_cases=3, size=SMALL)
    assert (tmp_path / "a" / "Case00.raw").read_bytes() == (tmp_path / "b" / "Case00.raw").read_bytes()


def test_it_is_written_once_and_is_a_promise12_data_set(tmp_path):
    first = find_phantom(tmp_path / "p", num_cases=2, size=list(SMALL))
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "p").iterdir()}
    assert find_phantom(tmp_path / "p", num_cases=2, size=SMALL) == first == find_promise12(tmp_path / "p")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "p").iterdir()} == times


def test_other_settings_and_other_files_are_refused_and_kept(tmp_path):
    find_phantom(tmp_path / "p", num_cases=2, size=SMALL)
    before = hash_tree(tmp_path / "p")
    with pytest.raises(
        ValueError, match=r"holds a phantom made with .*'num_cases': 2.* delete the folder or name another"
    ):
        find_phantom(tmp_path / "p", num_cases=3, size=SMALL)
    assert hash_tree(tmp_path / "p") == before
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds files that are not the phantom's; name an empty folder"):
        find_phantom(tmp_path / "q")
    assert [p.name for p in (tmp_path / "q").iterdir()] == ["thesis.txt"]
    with pytest.raises(ValueError, match=r"thesis\.txt is a file"):
        find_phantom(tmp_path / "q" / "thesis.txt")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_cases": 0}, "num_cases of the phantom must be 1 to 10,000, got 0"),
        ({"num_cases": 10_001}, "num_cases of the phantom must be 1 to 10,000, got 10001"),
        ({"size": (16, 160, 12)}, r"size of the phantom must be at least \(32, 32, 4\), got \(16, 160, 12\)"),
        ({"size": (160, 160)}, r"size of the phantom must be at least \(32, 32, 4\), got \(160, 160\)"),
        ({"seed": -1}, "seed of the phantom must be >= 0, got -1"),
    ],
)
def test_impossible_settings_are_refused_before_anything_is_written(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        find_phantom(tmp_path / "p", **settings)
    assert not list(tmp_path.iterdir())


def test_some_that_start_together_all_find_it_whole(tmp_path):
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: find_phantom(tmp_path / "p", num_cases=3, size=SMALL), range(3)))
    assert [len(cases) for cases in found] == [3, 3, 3]
    assert json.loads((tmp_path / "p" / "phantom.json").read_text())["num_cases"] == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == [".p.lock", "p"]
