"""What MLflow's errors mean: away, which passes; no, which stays; or no to whoever asks."""

from __future__ import annotations

import re

from ..configuration.passwords import redact
from ..errors import UserError

_STATUS = re.compile(r"failed with error code (\d{3})")
_AGAIN = {408, 409, 423, 425, 429, 499}  # an answer that says: later
_LOGIN = {401, 403, 407, 511}
_ASIDE = "(raised as a result of"  # SQLAlchemy's, before it says what has happened
_LENGTH = 300  # characters of a reason that are shown


class TrackingRefusedError(UserError):
    """MLflow answers, and takes nothing of a run until somebody does what the message says."""


def is_refusal(error: BaseException) -> bool:
    """Whether the same request will be refused again, so that what it brings must not hold up the rest."""
    status = _status(error)
    return status is not None and 400 <= status < 500 and status not in _AGAIN and not is_denied(error)


def is_denied(error: BaseException) -> bool:
    """Whether the server refuses whoever asks, or is none of MLflow's: everything waits until that is put right."""
    return _status(error) in _LOGIN or getattr(error, "error_code", None) == "ENDPOINT_NOT_FOUND"


def reason(error: BaseException) -> str:
    """An error in one line, without a login that its text may hold."""
    lines = [line for line in str(error).strip().splitlines() if not line.startswith(_ASIDE)] or [""]
    text = redact(lines[0])[:_LENGTH]
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


def explain(error: BaseException) -> str:
    """What an error of MLflow's means for a run, in one line, with the remedy where somebody has to act."""
    if isinstance(error, UserError):
        return reason(error)
    if is_denied(error) and _status(error) in _LOGIN:
        return (
            f"MLflow refuses this user ({reason(error)}); set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
            "or MLFLOW_TRACKING_TOKEN"
        )
    if is_denied(error):
        return f"the address answers, but not as MLflow ({reason(error)}); correct --tracking_uri"
    if is_refusal(error):
        return f"MLflow refuses this run ({reason(error)})"
    if type(error).__name__ == "RestException":
        return f"MLflow answers with an error ({reason(error)})"
    return f"MLflow can't be reached ({reason(error)})"


def remedy(error: BaseException) -> str:
    """What to do about one thing that MLflow has refused."""
    if _status(error) == 413:
        return "raise the server's limit of an upload (nginx: client_max_body_size) and run sync"
    return "correct what it names and run sync"


def _status(error: BaseException) -> int | None:
    """The HTTP status of MLflow's answer, or the one that stands for its error code; None without an answer."""
    response = getattr(error, "response", None)
    if response is not None:
        return int(response.status_code)
    if not hasattr(error, "get_http_status_code"):
        return None
    said = _STATUS.search(str(error))
    if said:
        return int(said.group(1))
    if getattr(error, "error_code", None) == "INVALID_STATE":
        return 400
    return int(error.get_http_status_code())
