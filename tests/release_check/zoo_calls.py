"""The calls of MONAI's that the model zoo's checks make on a bundle, in a process that knows only the bundle.

    python tests/release_check/zoo_calls.py FOLDER/models/dual_focal_loss_segmentation

It is run as a file, so that no ``scripts`` but the bundle's can be found. A line of what could not be looked at begins
with "unchecked:".
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from pathlib import Path


def main(bundle: Path) -> None:
    """Make the calls on the bundle of a folder; ends with a message where one fails."""
    warnings.simplefilter("ignore")
    import torch
    from monai.bundle import ckpt_export, load, verify_metadata, verify_net_in_out

    bundle = bundle.resolve()
    sys.path.insert(0, str(bundle))  # as the zoo does
    meta = str(bundle / "configs" / "metadata.json")
    places = {"meta_file": meta, "bundle_root": str(bundle)}

    with tempfile.TemporaryDirectory() as folder:
        try:
            verify_metadata(meta_file=meta, filepath=f"{folder}/schema.json")
        except (OSError, RuntimeError) as error:  # no network
            if not isinstance(error, OSError) and "download" not in str(error).lower():
                raise
            kind = type(error).__name__
            print(f"unchecked: metadata.json against MONAI's schema, which could not be fetched ({kind})")
        for name in ("inference.json", "inference.yaml"):
            config = str(bundle / "configs" / name)
            verify_net_in_out(net_id="network_def", config_file=config, device="cpu", **places)
            ckpt_export(
                net_id="network_def",
                filepath=f"{folder}/verify.ts",
                ckpt_file=str(bundle / "models" / "model.pt"),
                config_file=config,
                **places,
            )
        exported, shipped = (torch.jit.load(f) for f in (f"{folder}/verify.ts", str(bundle / "models" / "model.ts")))

    declared = json.loads(Path(meta).read_text(encoding="utf-8"))["network_data_format"]
    image = torch.rand(2, declared["inputs"]["image"]["num_channels"], *declared["inputs"]["image"]["spatial_shape"])
    pred = declared["outputs"]["pred"]
    loaded = load(bundle.name, bundle_dir=str(bundle.parent), device="cpu").eval()
    with torch.no_grad():
        logits = [network(image) for network in (exported.eval(), shipped.eval(), loaded)]
    for given in logits:
        if tuple(given.shape) != (2, pred["num_channels"], *pred["spatial_shape"]) or given.dtype != torch.float32:
            raise SystemExit(f"the network gives {tuple(given.shape)} of {given.dtype}, metadata.json says {pred}")
        if not torch.allclose(given, logits[0], atol=1e-5, rtol=1e-5):
            raise SystemExit("model.pt, model.ts and what ckpt_export makes of them give different logits")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
