"""The last view is kept in a file, so that a door that starts again answers by it at once.

The file begins with since when it holds, which is written anew while nothing else changes. Then comes
what else is known, and then the keys of members, binary and end to end: those of the living first.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import msgspec
import structlog

from musterd.model import State, Verdict
from musterd_coordinator.steps import Steps

log = structlog.get_logger(__name__)

OLDEST = 86_400.0
"""Seconds after which a view is not used: what it says of hosts is too likely wrong by then."""

PORTION = 1000
"""Members that are packed in one step, in some tenth of a millisecond."""

_FORMAT = b"musterd2"
_KEY = 20  # bytes of SHA-1
_SINCE = Struct("!d")  # Unix seconds
_BEGIN = Struct("!d8sI")  # that, the format, and the bytes of what else is known

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


class _Known(msgspec.Struct, frozen=True):
    """A `_Known` is what the file says besides keys, and how many of those there are."""

    topics: dict[str, str]
    living: int
    down: int
    writers: list[tuple[bytes, bool, float]]


def packed(
    topics: Mapping[str, str],
    verdicts: Mapping[bytes, Verdict],
    writers: Iterable[tuple[bytes, bool, float]],
    since: float,
) -> Steps[bytes]:
    """Return the content of the file: what was known at ``since``, in Unix seconds.

    ``verdicts`` may change between steps; then some are as they were, and some as they became.
    """
    living, down, keys = bytearray(), bytearray(), list(verdicts)
    for at in range(0, len(keys), PORTION):
        some = [key for key in keys[at : at + PORTION] if key in verdicts]
        living += _packed(key for key in some if not verdicts[key].down)
        down += _packed(key for key in some if verdicts[key].down)
        yield
    kept = [(_packed((key,)), is_down, silence) for key, is_down, silence in writers]
    known = msgspec.msgpack.encode(
        _Known(dict(topics), len(living) // _KEY, len(down) // _KEY, kept)
    )
    return b"".join((_BEGIN.pack(since, _FORMAT, len(known)), known, living, down))


def write(file: Path, since: float, content: bytes | None = None) -> None:
    """Write what :func:`packed` made, in place of what was there. Raises OSError.

    Without ``content``, write that what is there still held at ``since``, in Unix seconds.
    """
    if content is None:
        with file.open("r+b", buffering=0) as opened:
            opened.write(_SINCE.pack(since))  # within one block of a disk: all of it or nothing
        return
    new = file.with_name(f"{file.name}.new")
    new.write_bytes(content)
    os.replace(new, file)  # noqa: PTH105  # the same, and says no more


def read(file: Path, topics: Mapping[str, str], now: float) -> LastView | None:
    """Return what the file has; None, with a word in the log, where that is of no use."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("last view not read", file=str(file), reason=str(error))
        return None
    try:
        return _view_in(content, topics, now)
    except (ValueError, msgspec.MsgspecError) as error:
        log.warning("last view not used", file=str(file), reason=str(error))
        return None


def _view_in(content: bytes, topics: Mapping[str, str], now: float) -> LastView:
    """Return what is in ``content``. Raises ValueError where it is of no use."""
    since, known, keys = _parts(content)
    if known.topics != topics:
        raise ValueError("it is of other groups")
    age = now - since
    if not -OLDEST < age < OLDEST:
        raise ValueError(f"it is {age:.0f} s old")
    border = known.living * _KEY
    verdicts = {**_with(_UP, keys[:border]), **_with(_DOWN, keys[border:])}
    return LastView(verdicts, [Writer(_key(one[0]), *one[1:]) for one in known.writers], age)


def _parts(content: bytes) -> tuple[float, _Known, bytes]:
    """Return since when it holds, what else is known, and keys. Raises ValueError."""
    if len(content) < _BEGIN.size:
        raise ValueError("it is cut off")
    since, form, size = _BEGIN.unpack_from(content)
    if form != _FORMAT:
        raise ValueError("another version of musterd wrote it")
    end = _BEGIN.size + size
    known, keys = msgspec.msgpack.decode(content[_BEGIN.size : end], type=_Known), content[end:]
    if len(keys) != (known.living + known.down) * _KEY:
        raise ValueError("it is cut off")
    return since, known, keys


def _with(verdict: Verdict, keys: bytes) -> dict[bytes, Verdict]:
    return {_key(keys[at : at + _KEY]): verdict for at in range(0, len(keys), _KEY)}


def _packed(keys: Iterable[bytes]) -> bytes:
    return bytes.fromhex(b"".join(keys).decode())


def _key(packed: bytes) -> bytes:
    return packed.hex().encode()
