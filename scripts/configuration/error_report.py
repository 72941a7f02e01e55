"""What a person sees when a run stops: one line for an error of the user's, the whole traceback for one of ours.

MONAI wraps an exception in a config component several times, so that the cause stands under pages of traceback. The
hook here looks through the chain of causes for a ``UserError``, for a disk that is full or read-only, and for an
argument of a config component that is misspelt or has an impossible value. Everything else keeps its traceback.
``ADFL_TRACEBACK=1`` shows every traceback.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import warnings
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from ..errors import UserError
from ..runs.processes import is_echo, names_lost_process
from ..storage.home import provide_home

SCRIPTS = Path(__file__).resolve().parents[1]
COMPONENT = re.compile(r"Failed to instantiate component '([^']*)' with keywords: (\S*)")  # MONAI's words
BUILDING_BLOCKS = ("scripts.networks", "scripts.losses")  # what they hand to PyTorch is what the configuration says
LOST_REFERENCES = {  # MONAI's words, and ours for what a user can mend
    re.compile(r"the referring item `(.+?)` is not defined"): "the configuration refers to {}, which it does not have; "
    "correct the name",
    re.compile(r"Cannot locate class or function path: '(.+?)'"): "the configuration names {}, which can't be found; "
    "correct its _target_, or install what it belongs to",
    re.compile(r"detected circular references '(.+?)'"): "the configuration lets {} refer to itself; give it a value",
}
DEAD_WORKER = re.compile(r"DataLoader worker \(pid(\(s\))? ")  # torch's complaint
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
REFUSALS = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.ENOTDIR, errno.ENAMETOOLONG,
    errno.EISDIR, errno.ELOOP, errno.EIO, errno.ESTALE,
}  # fmt: skip


def report_user_errors() -> None:
    """Install the hook that prints an error of the user's as one line; safe to call twice.

    Also silences a warning of MONAI's that every start prints: an optional GPU codec for DICOM is not installed. And
    where the user has no home, it gives the process one.
    """
    provide_home()
    sys.excepthook = _excepthook
    logging.getLogger("ignite").setLevel(logging.CRITICAL)  # it announces every exception that it passes on
    warnings.filterwarnings("ignore", message="NvImgCodecPydicomReader")


def causes(error: BaseException) -> list[BaseException]:
    """The error and what caused it, outermost first."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain


def printable(text: str) -> str:
    r"""A line without signs that a terminal obeys, such as the colours and directions that a file's name may hold.

    >>> print(printable("a" + chr(27) + "[31mb.png"))
    a\x1b[31mb.png
    """
    return _OBEYED.sub(lambda sign: sign[0].encode("unicode_escape").decode(), text)


def user_message(error: BaseException) -> str | None:
    """The one line for an error that the user can fix, or None for any other error."""
    chain = causes(error)
    for cause in chain:
        if isinstance(cause, UserError) or _is_full_or_read_only(cause):
            return printable(re.sub(r"\s*[\r\n]\s*", " ", str(cause).strip()))  # two spaces in a path stay two
        if isinstance(cause, RuntimeError) and DEAD_WORKER.match(str(cause)):
            return (
                f"a loader's worker was killed ({' '.join(str(cause).split())[:120]}); when memory was short, lower "
                "--num_workers or --batch_size; a training goes on with --resume true"
            )
        lost = _lost_reference(cause)
        if lost is not None:
            return lost
        if names_lost_process(cause):
            return "another process of this work has ended or can't be reached; a training goes on with --resume true"
    cause = chain[-1]
    if isinstance(cause, TypeError) and "unexpected keyword argument" in str(cause) and cause is not error:
        return (
            f"the config sets an argument that its component does not have: {cause}; see the component's documentation"
        )
    return _refused_value(chain)


def _lost_reference(error: BaseException) -> str | None:
    """The line for a name in the configuration that nothing has: a misspelt ``@key`` or ``_target_``."""
    for words, line in LOST_REFERENCES.items():
        found = words.search(str(error)) if isinstance(error, ValueError | ModuleNotFoundError) else None
        if found:
            return line.format(found[1])
    return None


def _refused_value(chain: list[BaseException]) -> str | None:
    """The line for a value that a component of another library refuses, such as an optimiser's ``betas: [2, 3]``."""
    cause = chain[-1]
    component = next((match for error in reversed(chain[:-1]) if (match := COMPONENT.match(str(error)))), None)
    if component is None or not isinstance(cause, TypeError | ValueError | AssertionError):
        return None
    name, arguments = component.groups()
    trace = cause.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    raised_here = trace is not None and Path(trace.tb_frame.f_code.co_filename).is_relative_to(SCRIPTS)
    if raised_here or (name.startswith("scripts.") and not name.startswith(BUILDING_BLOCKS)):
        return None
    said = " ".join(str(cause).split()) or type(cause).__name__
    return f"{name} can't be made of {arguments.replace(',', ', ')}: {said}; set other values in the configuration"


def _is_full_or_read_only(error: BaseException) -> bool:
    """Whether the operating system refused to read or write: a full disk, a quota, a place that is of another kind."""
    return isinstance(error, OSError) and error.errno in REFUSALS


def _excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    for bar in list(getattr(tqdm, "_instances", ())):
        bar.close()  # a progress bar would draw itself again below the message
    message = None if os.environ.get("ADFL_TRACEBACK") else user_message(error)
    if message is None:
        sys.__excepthook__(kind, error, trace)
    elif not is_echo():
        sys.stderr.write(f"error: {message}\n")
