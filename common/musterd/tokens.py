"""The module makes, reads and checks tokens, which say who asks and orders over HTTP. Pure.

A token is ``mt_`` and eight hexadecimal digits, its id, which may be shown; then ``_`` and 43
characters, its secret: 32 random bytes. Whoever keeps tokens keeps the SHA-256 of the secret. That is
enough for 256 random bits, which nobody finds by trying; a slow hash is for what people think up.
"""

import hmac
import re
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from secrets import token_hex, token_urlsafe
from typing import Annotated, NamedTuple

import msgspec

from musterd.errors import ConfigError
from musterd.model import NAME_PATTERN, check_name

BEGINNING = "mt_"
SECRET_BYTES = 32
_TEXT = re.compile(r"mt_([0-9a-f]{8})_([A-Za-z0-9_-]{43})", re.ASCII)
MOST_DAYS = 36500


class Rank(StrEnum):
    """A ``Rank`` says what a token is good for: each does all that those before it do."""

    READER = "reader"  # asks
    OPERATOR = "operator"  # orders
    ADMIN = "admin"  # manages tokens, and forgets by force

    def covers(self, needed: "Rank") -> bool:
        """Say whether it does what takes ``needed``."""
        return needed is Rank.READER or _ORDER[self] >= _ORDER[needed]  # most ask, and often


_ORDER = {rank: place for place, rank in enumerate(Rank)}


class TokenFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``TokenFacts`` are what may be said of a token; its secret is not.

    ``groups`` are those that it sees and orders; empty: all. Without ``expires`` it is good until it
    is revoked.
    """

    name: str
    role: Rank
    id: str
    created: datetime
    created_by: str = ""
    groups: tuple[str, ...] = ()
    expires: datetime | None = None
    revoked: datetime | None = None


class TokenList(msgspec.Struct, frozen=True):
    """A ``TokenList`` has all tokens by name, those that are good for nothing any more too."""

    tokens: list[TokenFacts]


_Name = Annotated[str, msgspec.Meta(extra_json_schema={"maxLength": 255, "pattern": NAME_PATTERN})]


class TokenOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A ``TokenOrder`` is the body of a POST: the token to make. ``days`` null: for good."""

    name: _Name
    role: Rank
    groups: Annotated[tuple[_Name, ...], msgspec.Meta(extra_json_schema={"uniqueItems": True})] = ()
    days: Annotated[float, msgspec.Meta(gt=0, le=MOST_DAYS)] | None = None


class NewToken(msgspec.Struct, frozen=True):
    """A ``NewToken`` is the answer to that: ``text`` is the token itself, said this once."""

    token: TokenFacts
    text: str


class Made(NamedTuple):
    """A ``Made`` is a token that was just drawn: its id, its whole text, and what to keep of it."""

    id: str
    text: str
    digest: bytes


class TokenParts(NamedTuple):
    """`TokenParts` are the two parts of a token's text."""

    id: str
    secret: str


def draw() -> Made:
    """Return a new token."""
    made, secret = token_hex(4), token_urlsafe(SECRET_BYTES)
    return Made(made, f"{BEGINNING}{made}_{secret}", digest(secret))


def parts(text: str) -> TokenParts | None:
    """Return the parts of a token's ``text``; None if it is none."""
    found = _TEXT.fullmatch(text)
    return TokenParts(*found.groups()) if found else None


def digest(secret: str) -> bytes:
    """Return what to keep of a secret (32 bytes): its text, of which no other is as good."""
    return sha256(secret.encode()).digest()


def fits(secret: str, kept: bytes) -> bool:
    """Say whether ``secret`` is the one of which ``kept`` was kept, in the same time whatever it is."""
    return hmac.compare_digest(digest(secret), kept)


def check_token(where: str, text: str) -> str:
    """Return ``text`` without space around it if it is a token; else raise ConfigError.

    The error names ``where`` it was given and repeats nothing of it: it may be another secret.
    """
    text = text.strip()
    if parts(text) is None:
        raise ConfigError(
            f"what {where} has is no token of musterd: it begins with {BEGINNING} and has 55"
            " characters, as `musterd token create` prints them"
        )
    return text


def check_token_order(order: TokenOrder) -> TokenOrder:
    """Return ``order`` itself if such a token can be made; else raise ConfigError."""
    check_name("token", order.name)
    if parts(order.name):
        raise ConfigError("the name is a token itself; name what the token is for")
    for group in order.groups:
        check_name("group", group)
    if len(set(order.groups)) < len(order.groups):
        raise ConfigError("a group is named twice; name each once")
    if order.days is not None and not 0 < order.days <= MOST_DAYS:
        raise ConfigError(f"days is {order.days:g}; give more than 0 and at most {MOST_DAYS}")
    if order.groups and order.role is Rank.ADMIN:
        raise ConfigError("an admin manages the tokens of all groups: leave out groups, or admin")
    return order
