"""Logins that an address may hold: never printed or logged, and not kept on disk."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

# user:password@ behind "://", also where the password holds an "@", or a "/" that should have been written as %2F
_LOGIN = re.compile(r"(?<=://)(?:[^/\s'\"]*@|[^/\s'\":@]*:(?!\d+(?:/|$))[^\s'\"]*@)(?=[\w\[])")
_SECRET = re.compile(r"((?:password|passwd|pwd|token)=)[^&\s'\"]+", re.IGNORECASE)


def redact(text: str) -> str:
    """A text in which whatever an address may hold of a login reads ``***``.

    >>> redact("http://me:secret@host:5000 does not answer")
    'http://***@host:5000 does not answer'
    """
    return _SECRET.sub(r"\1***", _LOGIN.sub("***@", text))


def without_password(tracking_uri: str) -> str:
    """An address as it is kept on disk: a database's without password, a server's without user and password.

    >>> without_password("postgresql://me:secret@host/db"), without_password("https://me:secret@host")
    ('postgresql://me@host/db', 'https://host')
    """
    login = _LOGIN.search(tracking_uri)
    if login is None:
        return _SECRET.sub(r"\1", tracking_uri)
    user = login.group().removesuffix("@").split(":")[0]
    keep = "" if urlsplit(tracking_uri).scheme in {"http", "https"} or not user else f"{user}@"
    return _SECRET.sub(r"\1", _LOGIN.sub(keep, tracking_uri, count=1))


def without_passwords(value: Any) -> Any:
    """A copy of a configuration whose texts hold no password of an address.

    >>> without_passwords({"tracking_uri": "https://me:secret@host", "seed": 0})
    {'tracking_uri': 'https://host', 'seed': 0}
    """
    if isinstance(value, dict):
        return {name: without_passwords(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_passwords(item) for item in value]
    return without_password(value) if isinstance(value, str) and "://" in value else value
