"""The checks that come before everything else, of what the configuration says as text and as plain values."""

from __future__ import annotations

from typing import Any

from ..datasets.preparation_settings import check_labels, check_size
from ..datasets.slice_grid import check_pixel_spacing
from ..networks.precision import choose_precision
from ..runs.run_folder import check_place
from ..runs.signals import stop_while_preparing
from ..tracking.addresses import check_tracking
from .bundle_root import settle_bundle_root
from .command_line import check_files, read_names
from .compatibility import check_options
from .error_report import report_user_errors
from .handed_over import take_what_is_handed_over
from .keys import refuse_unknown_keys
from .overrides import read_yaml_words
from .sections import check_sections
from .settings import FLAGS, NUMBERS, check_flags, check_keep, check_settings
from .workflow import executed_config, running_workflow

ACW_OPTIONS = ("acw_learning_rate_factor", "acw_normalization", "acw_positive")


def check_settings_before_start() -> None:
    """Refuse what can't run, before anything is read, built or written; from here on an error is one line.

    Configuration files, names, keys and sections; the place of the run; numbers, device, tracking server; options
    without effect. It asks the running workflow for the settings, since arguments of its own would be evaluated before
    the words of YAML are read as such.

    Raises:
        ValueError: names the key, the fault and the remedy.
    """
    report_user_errors()
    settle_bundle_root()
    stop_while_preparing()
    read_yaml_words()
    check_files()
    read_names()
    take_what_is_handed_over()
    refuse_unknown_keys()
    check_sections()
    workflow = running_workflow()
    if workflow is None:
        return
    parser, config = workflow.parser, executed_config()

    def settings(*names: str) -> dict[str, Any]:
        return {name: parser.get_parsed_content(name) for name in names if name in config}

    check_place(**settings("output_dir", "run_name", "resume"))
    check_settings(**settings("device", *NUMBERS))
    check_flags(**settings(*FLAGS))
    check_labels(**settings("labels"))
    check_size(**settings("image_size"))
    choose_precision(**settings("precision", "device"))
    check_pixel_spacing(**settings("pixel_spacing"))
    check_keep(parser.get_parsed_content("keep_checkpoints"))
    check_tracking(
        **settings("tracking_uri", "experiment_name"), patience=parser.get_parsed_content("tracking_patience")
    )
    check_options(**settings("loss_name", "accumulation_steps"), acw_options=settings(*ACW_OPTIONS))
