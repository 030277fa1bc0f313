"""Tooz's ids are any bytes; musterd's names are letters, digits and a few signs. Each is the other's."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error

from musterd.errors import ConfigError
from musterd.model import check_name

ESCAPE = "b64:"
"""What begins the name of an id that could be no name, or that begins so itself."""

PLACE = "tooz:group"
"""The member that keeps the place of a group which nobody has joined yet. No id becomes this name."""


def name_of(kind: str, identity: bytes | str) -> str:
    """Return the name of an id; raise ConfigError for one that is too long, or empty."""
    raw = identity.encode() if isinstance(identity, str) else identity
    try:
        name = check_name(kind, raw.decode("ascii"))
    except (UnicodeDecodeError, ConfigError):
        name = ""
    if name and name != PLACE and not name.startswith(ESCAPE):
        return name
    if not raw:
        raise ConfigError(f"a {kind} without an id")
    return check_name(kind, ESCAPE + urlsafe_b64encode(raw).decode().rstrip("="))


def identity_of(name: str) -> bytes:
    """Return the id of a name, whether Tooz gave it or not."""
    if name.startswith(ESCAPE):
        text = name.removeprefix(ESCAPE)
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (Error, ValueError):
            return name.encode()
        if name_of("member", raw or b"\0") == name:
            return raw
    return name.encode()
