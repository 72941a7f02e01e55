"""State dicts in torchvision's layout, written from its published names and shapes, with seeded random values.

Sources: torchvision/models/resnet.py (ResNet, BasicBlock) and torchvision/models/vgg.py (configuration "E").
"""

import torch

Shapes = dict[str, tuple[int, ...]]


def random_state_dict(shapes: Shapes, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.tensor(3) if name.endswith("num_batches_tracked") else torch.rand(shape, generator=generator)
        for name, shape in shapes.items()
    }


def resnet18_shapes() -> Shapes:
    """Names and shapes of resnet18: 122 entries, `fc` and the counters of batch normalisation among them."""
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7), **_batch_norm("bn1", 64)}
    before = 64
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            name = f"layer{stage}.{block}"
            shapes[f"{name}.conv1.weight"] = (width, before, 3, 3)
            shapes |= _batch_norm(f"{name}.bn1", width)
            shapes[f"{name}.conv2.weight"] = (width, width, 3, 3)
            shapes |= _batch_norm(f"{name}.bn2", width)
            if before != width:
                shapes[f"{name}.downsample.0.weight"] = (width, before, 1, 1)
                shapes |= _batch_norm(f"{name}.downsample.1", width)
            before = width
    return shapes | {"fc.weight": (1000, 512), "fc.bias": (1000,)}


def vgg19_shapes() -> Shapes:
    """Names and shapes of vgg19: 38 entries. Numbers skip the ReLU after each convolution and the five poolings.

    The classifier's shapes are divided by 64, to save 0.5 GB that no network here reads.
    """
    shapes: Shapes = {}
    before = 3
    numbers = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
    widths = (64, 64, 128, 128, 256, 256, 256, 256, *(512,) * 8)
    for number, width in zip(numbers, widths, strict=True):
        shapes |= {f"features.{number}.weight": (width, before, 3, 3), f"features.{number}.bias": (width,)}
        before = width
    for number, out_features, in_features in ((0, 64, 392), (3, 64, 64), (6, 16, 64)):
        shapes |= {
            f"classifier.{number}.weight": (out_features, in_features),
            f"classifier.{number}.bias": (out_features,),
        }
    return shapes


def _batch_norm(name: str, width: int) -> Shapes:
    vectors: Shapes = {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}
    return vectors | {f"{name}.num_batches_tracked": ()}
