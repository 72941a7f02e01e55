from __future__ import annotations

import json

import numpy as np
import pytest

from scripts.datasets import MetaImageReader, find_promise12, prepare_dataset

pytestmark = pytest.mark.real_data


def test_real_prostate_volumes_are_prepared(tmp_path, real_data):
    cases = find_promise12(real_data / "prostate_mr")
    assert len(cases) == 50
    prepared = prepare_dataset(
        cases[:6],
        name="prostate_mr",
        labels=["background", "prostate"],
        image_size=96,
        prepared_dir=tmp_path,
        num_folds=3,
    )
    assert prepared.intensity_max == 255
    background, prostate = prepared.class_counts()
    assert 0.01 < prostate / (background + prostate) < 0.05
    text = json.dumps(json.loads((prepared.root / "dataset.json").read_text()))
    assert str(real_data.resolve()) not in text


def test_a_mask_of_signed_bytes_in_an_oblique_geometry_is_read(real_data):
    reader = MetaImageReader()
    path = real_data / "prostatex" / "ProstateX-0000" / "ProstateX-0000_t2w_segmentation.mhd"
    mask, meta = reader.get_data(reader.read(path))
    assert mask.shape == (384, 384, 19)
    assert sorted(np.unique(mask)) == [0, 1]
    np.testing.assert_allclose(np.linalg.norm(meta["affine"][:3, :3], axis=0), [0.5, 0.5, 3.0], rtol=1e-6)
