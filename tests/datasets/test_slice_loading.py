"""Slices are loaded as MONAI's transforms load them, kept within a share of memory, and the same from there."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import Compose, EnsureChannelFirstd, EnsureTyped, LoadImaged, ScaleIntensityRanged
from PIL import Image

from scripts.datasets import slice_cache
from scripts.datasets.slice_loading import LoadSlice

WIDTH, HEIGHT, COUNT = 7, 5, 4


def made_up(folder: Path, intensity_max: int = 65535, channels: int = 1) -> Any:
    """Files of a prepared data set, and what a loader asks it: three training slices and one of the validation."""
    draw = np.random.default_rng(0)
    shape = (HEIGHT, WIDTH) if channels == 1 else (HEIGHT, WIDTH, channels)
    items = []
    for index in range(COUNT):
        item: dict[str, Any] = {"case": f"case{index}", "case_index": index, "slice": 0}
        image = draw.integers(0, intensity_max, shape, dtype=np.uint16 if intensity_max > 255 else np.uint8)
        for key, array in (("image", image), ("label", draw.integers(0, 3, (HEIGHT, WIDTH), dtype=np.uint8))):
            path = folder / f"{key}s" / f"{index}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(array).save(path)
            item[key] = str(path)
        items.append(item)
    parts = {"train": items[:3], "val": items[3:]}
    facts = {"intensity_max": intensity_max, "image_size": (WIDTH, HEIGHT), "in_channels": channels}
    return SimpleNamespace(items=parts.__getitem__, **facts)


def all_items(dataset: Any) -> list[dict[str, Any]]:
    return [dict(item) for part in ("train", "val") for item in dataset.items(part)]


@pytest.mark.parametrize(("intensity_max", "channels"), [(255, 1), (65535, 1), (255, 3)])
def test_numbers_are_those_of_monais_transforms_to_the_last_bit(
    tmp_path: Path, intensity_max: int, channels: int
) -> None:
    dataset = made_up(tmp_path, intensity_max, channels)
    expected = Compose(
        [
            LoadImaged(["image", "label"], reader="PILReader"),
            EnsureChannelFirstd(["image", "label"]),
            ScaleIntensityRanged("image", a_min=0, a_max=intensity_max, b_min=0.0, b_max=1.0),
            EnsureTyped(["image", "label"], dtype=[torch.float32, torch.uint8], track_meta=False),
        ]
    )
    for share in (0.0, 0.5):
        load = LoadSlice(dataset, share)
        for item in [*all_items(dataset), *all_items(dataset)]:  # the second time from the cache
            got, wanted = load(item), expected(dict(item))
            for key in ("image", "label"):
                assert got[key].dtype == wanted[key].dtype
                assert got[key].is_contiguous()
                assert torch.equal(got[key], wanted[key])
            assert (got["case"], got["slice"]) == (item["case"], 0)


def test_a_slice_is_decoded_once(tmp_path: Path) -> None:
    dataset = made_up(tmp_path)
    load = LoadSlice(dataset, 0.5)
    assert len(load.cache) == COUNT
    first = [load(item) for item in all_items(dataset)]
    first[0]["image"].zero_()  # whoever gets a slice may change it
    first[0]["label"].zero_()
    for path in tmp_path.glob("*/*.png"):
        path.unlink()
    second = [load(item) for item in all_items(dataset)]
    assert bool(second[0]["image"].any())
    assert bool(second[0]["label"].any())
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(first[1:], second[1:], strict=True))


def test_what_a_forked_worker_has_decoded_is_there_for_all(tmp_path: Path) -> None:
    dataset = made_up(tmp_path)
    load, expected = LoadSlice(dataset, 0.5), [LoadSlice(dataset)(item) for item in all_items(dataset)]
    worker = multiprocessing.get_context("fork").Process(target=lambda: [load(item) for item in all_items(dataset)])
    worker.start()
    worker.join()
    for path in tmp_path.glob("*/*.png"):
        path.unlink()
    got = [load(item) for item in all_items(dataset)]
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(got, expected, strict=True))


def test_no_more_is_kept_than_the_share_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = made_up(tmp_path)
    each = WIDTH * HEIGHT * 3 + 1  # 16 bits and a mask of bytes, and whether they are there
    monkeypatch.setattr(slice_cache, "free_memory", lambda: 20 * each)
    load = LoadSlice(dataset, 0.1)
    assert len(load.cache) == 2
    assert len(load.cache._memory) == 2 * each
    expected = [LoadSlice(dataset)(item) for item in all_items(dataset)]
    for _ in range(2):
        got = [load(item) for item in all_items(dataset)]
        assert all(torch.equal(a["image"], b["image"]) for a, b in zip(got, expected, strict=True))
    assert len(LoadSlice(dataset, 0.0).cache) == 0
    assert len(LoadSlice(dataset, 0.04).cache) == 0


def test_a_worker_that_is_not_forked_decodes_itself(tmp_path: Path) -> None:
    dataset = made_up(tmp_path)
    load = LoadSlice(dataset, 0.5)
    expected = load(all_items(dataset)[0])
    sent = pickle.loads(pickle.dumps(load))
    assert len(sent.cache) == 0
    assert torch.equal(sent(all_items(dataset)[0])["image"], expected["image"])


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, True, "0.1"])
def test_a_share_out_of_range_is_refused(tmp_path: Path, share: Any) -> None:
    with pytest.raises(ValueError, match="cache_share must be a number >= 0 and below 1, got .*; set another"):
        LoadSlice(made_up(tmp_path), share)


def test_a_file_that_is_damaged_missing_or_of_another_size_is_named_with_the_remedy(tmp_path: Path) -> None:
    dataset = made_up(tmp_path)
    items = all_items(dataset)
    Path(items[0]["image"]).write_bytes(b"no picture")
    Path(items[1]["label"]).unlink()
    Image.fromarray(np.zeros((HEIGHT + 1, WIDTH), dtype=np.uint8)).save(items[2]["label"])
    load = LoadSlice(dataset, 0.5)
    for item, said in zip(items, ("image.*can't be read", "label.*can't be read", "label.*shape"), strict=False):
        with pytest.raises(ValueError, match=rf"{said}.*; delete {tmp_path} and prepare it again"):
            load(item)


def test_free_memory_is_no_more_than_the_system_or_the_control_group_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "meminfo"
    memory.write_text("MemTotal:  9000 kB\nMemAvailable:  5000 kB\n")
    monkeypatch.setattr(slice_cache, "MEMORY", memory)
    monkeypatch.setattr(slice_cache, "CGROUP", tmp_path)
    assert slice_cache.free_memory() == 5000 * 1024
    (tmp_path / "memory.current").write_text("1000\n")
    for limit, free in (("max", 5000 * 1024), ("3000", 2000), ("500", 0), ("99999999", 5000 * 1024)):
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        assert slice_cache.free_memory() == free
