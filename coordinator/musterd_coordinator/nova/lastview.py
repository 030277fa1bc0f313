"""The last view is kept in a file, so that a door that starts again answers by it at once."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from musterd.model import State, Verdict

log = structlog.get_logger(__name__)

OLDEST = 86_400.0
"""Seconds after which a view is not used: what it says of hosts is too likely wrong by then."""

_FORMAT = 1
_KEY = 20  # bytes of SHA-1

_UP = Verdict(up=True, schedulable=True, down=False, state=State.UP)
_DOWN = Verdict(up=False, schedulable=False, down=True, state=State.DOWN)


class Writer(NamedTuple):
    """A `Writer` is a service that wrote of itself: whether it is down, and its seconds of silence."""

    key: bytes
    down: bool
    silence: float


class LastView(NamedTuple):
    """A `LastView` has verdicts and writers by Nova's key, as the file keeps them.

    Of a verdict it says only whether the member is down.
    """

    verdicts: dict[bytes, Verdict]
    writers: list[Writer]
    age: float


class _Kept(msgspec.Struct, frozen=True):
    """A `_Kept` is the content of the file; keys are binary, and end to end."""

    format: int
    saved: float
    topics: dict[str, str]
    living: bytes
    down: bytes
    writers: list[tuple[bytes, bool, float]]


def write(
    file: Path,
    topics: Mapping[str, str],
    verdicts: Mapping[bytes, Verdict],
    writers: Iterable[tuple[bytes, bool, float]],
    now: float,
) -> None:
    """Write what is known ``now``, in Unix seconds, in place of what was there. Raises OSError."""
    living, down = bytearray(), bytearray()
    for key, verdict in verdicts.items():
        (down if verdict.down else living).extend(_packed(key))
    kept = [(_packed(key), is_down, silence) for key, is_down, silence in writers]
    text = msgspec.msgpack.encode(
        _Kept(_FORMAT, now, dict(topics), bytes(living), bytes(down), kept)
    )
    new = file.with_name(f"{file.name}.new")
    new.write_bytes(text)
    os.replace(new, file)  # noqa: PTH105  # the same, and says no more


def read(file: Path, topics: Mapping[str, str], now: float) -> LastView | None:
    """Return what the file has; None, with a word in the log, where that is of no use."""
    try:
        kept = msgspec.msgpack.decode(file.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("last view not read", file=str(file), reason=str(error))
        return None
    age = now - kept.saved
    if why := _why_of_no_use(kept, topics, age):
        log.warning("last view not used", file=str(file), reason=why)
        return None
    verdicts = {**_with(_UP, kept.living), **_with(_DOWN, kept.down)}
    return LastView(verdicts, [Writer(_key(one[0]), *one[1:]) for one in kept.writers], age)


def _why_of_no_use(kept: _Kept, topics: Mapping[str, str], age: float) -> str:
    if kept.format != _FORMAT or (len(kept.living) + len(kept.down)) % _KEY:
        return "another version of musterd wrote it"
    if kept.topics != topics:
        return "it is of other groups"
    if not -OLDEST < age < OLDEST:
        return f"it is {age:.0f} s old"
    return ""


def _with(verdict: Verdict, keys: bytes) -> dict[bytes, Verdict]:
    return {_key(keys[at : at + _KEY]): verdict for at in range(0, len(keys), _KEY)}


def _packed(key: bytes) -> bytes:
    return bytes.fromhex(key.decode())


def _key(packed: bytes) -> bytes:
    return packed.hex().encode()
