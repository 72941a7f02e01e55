"""What is mutated, and which fast tests are its judges."""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    """A module, its tests, and what of it draws pictures, builds or logs instead of computing."""

    path: str
    tests: tuple[str, ...]
    left_out: tuple[str, ...] = ()


LOSSES = (
    "tests/losses/test_baselines.py",
    "tests/losses/test_ignored_voxels.py",
    "tests/losses/test_input.py",
    "tests/losses/test_parts.py",
)
DUAL_FOCAL = ("tests/losses/dual_focal/test_loss.py", "tests/losses/dual_focal/test_gradient.py")
KERNEL = ("tests/losses/dual_focal/test_kernel.py",)
IN_USE = "tests/losses/test_in_use.py"
TABLES = ("tests/evaluation/test_tables.py",)

TARGETS = (
    Target("scripts/losses/class_weights.py", ("tests/losses/test_class_weights.py",)),
    Target("scripts/losses/cross_entropy.py", LOSSES),
    Target("scripts/losses/dice_dual_focal.py", LOSSES),
    Target("scripts/losses/focal.py", LOSSES),
    Target("scripts/losses/ignored_voxels.py", ("tests/losses/test_without_ignored.py", "tests/losses/test_parts.py")),
    Target("scripts/losses/registration.py", (IN_USE,)),
    Target("scripts/losses/targets.py", (*LOSSES, *DUAL_FOCAL)),
    Target("scripts/losses/voxelwise.py", (*LOSSES, *DUAL_FOCAL)),
    Target("scripts/losses/dual_focal/closed_form.py", (*DUAL_FOCAL, *LOSSES)),
    Target("scripts/losses/dual_focal/formula.py", (*DUAL_FOCAL, *LOSSES)),
    Target("scripts/losses/dual_focal/functional.py", (IN_USE, *DUAL_FOCAL)),
    Target("scripts/losses/dual_focal/gradient.py", (*DUAL_FOCAL, *LOSSES, *KERNEL)),
    Target(
        "scripts/losses/dual_focal/kernel.py", ("tests/losses/dual_focal/test_kernel_build.py", *KERNEL, *DUAL_FOCAL)
    ),
    Target("scripts/losses/dual_focal/loss.py", (*DUAL_FOCAL, *LOSSES, *KERNEL, IN_USE)),
    Target("scripts/evaluation/calibration.py", ("tests/evaluation/test_calibration.py",)),
    Target("scripts/evaluation/case_scores.py", TABLES),
    Target("scripts/evaluation/confusion.py", ("tests/evaluation/test_confusion.py",), ("draw_confusion", "_draw")),
    Target("scripts/evaluation/grid_scores.py", ("tests/evaluation/test_grid_scores.py", *TABLES)),
    Target("scripts/evaluation/metrics.py", ("tests/evaluation/test_metrics.py",)),
    Target("scripts/evaluation/object_scores.py", ("tests/evaluation/test_object_scores.py",)),
    Target("scripts/evaluation/original_grid.py", TABLES),
    Target("scripts/evaluation/score_line.py", ("tests/evaluation/test_score_line.py",)),
    Target("scripts/evaluation/score_summary.py", ("tests/evaluation/test_score_summary.py", *TABLES)),
    Target(
        "scripts/evaluation/surfaces.py",
        ("tests/evaluation/test_surfaces.py", "tests/evaluation/test_object_scores.py"),
    ),
    Target("scripts/evaluation/tables.py", TABLES, ("_say", "_track")),
    Target("scripts/evaluation/units.py", ("tests/evaluation/test_units.py",)),
    Target("scripts/datasets/slices.py", ("tests/datasets/test_slices.py",)),
    Target("scripts/datasets/splits.py", ("tests/datasets/test_splits.py",)),
    Target("scripts/runs/checkpoint.py", ("tests/runs/test_checkpoint.py",)),
)

# Seconds each, in processes of their own or by torch.compile: no judges here, they see the same values as the others.
TOO_SLOW = (
    "tests/losses/test_in_use.py::test_two_processes_train_as_one",
    "tests/losses/test_in_use.py::test_compiling_breaks_no_graph",
    "tests/losses/test_in_use.py::test_a_compiled_model_with_the_loss_inside_breaks_no_graph",
    "tests/losses/test_in_use.py::test_the_function_inside_a_compiled_step_breaks_no_graph",
    "tests/losses/dual_focal/test_kernel.py::test_it_is_built_once_and_a_missing_or_failing_compiler_is_named",
)
