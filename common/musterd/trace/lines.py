"""The lines of a trace are declared here, for what writes and what reads them. Pure.

A line is a JSON array: the word of its kind, then the fields of the struct in their order. The first
line of each file is the header, an object. Times are as in :mod:`musterd.trace`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

FORMAT = 1
"""The version of the format; a reader refuses a later one."""

NOT_SEATED = -1
"""The shard of a member that has no place in any."""

GONE = "gone"
"""The state in the last line of a member that was forgotten."""

Setting = float | int | str | None


class TraceHeader(msgspec.Struct, frozen=True, kw_only=True):
    """A ``TraceHeader`` begins each file: ``at`` is the wall clock at t = 0 of its ``run``.

    ``t`` is that of the file's first line. ``settings`` are those of the coordinator that decide, by name.
    ``source`` is the scheme of the store's URL, and of the one that is watched beside it. ``shards`` are told
    apart by their places in it.
    ``rules`` are those of Nova's that are judged beside: ``db``, ``mc``.
    """

    trace: int = FORMAT
    run: str
    at: datetime
    t: float
    musterd: str
    settings: Mapping[str, Setting]
    source: str
    shards: Sequence[str]
    anonymous: bool
    rules: Sequence[str]


class _Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A `_Line` is an array with the word of its kind first."""


class TraceMember(_Line, tag="m", frozen=True):
    """A ``TraceMember`` names a member: it is ``id`` in this run. ``shard`` is its first place.

    ``interval`` is how often it beats, in seconds; 0: as the header says. ``also`` are its other shards.
    """

    id: int
    group: str
    name: str
    zone: str
    shard: int
    interval: float = 0.0
    also: tuple[int, ...] = ()


class ShardTurn(_Line, tag="s", frozen=True):
    """A ``ShardTurn`` says that sweeps of ``shard`` end like this since ``t``, a sweep in each ``period``.

    ``how`` is ``ok``, ``deaf`` (nobody is judged) or ``partial`` (not all was read, and nobody is judged);
    ``kind`` is a :class:`~musterd.trace.words.DeafKind`, or empty.
    """

    t: float
    shard: int
    how: str
    kind: str = ""
    period: float = 0.0


class SilenceEnded(_Line, tag="g", frozen=True):
    """A ``SilenceEnded`` says that a member beat again at ``t``, after a silence since ``last``.

    Both are when the sweep began that saw it. Briefer ones than 1.5 intervals are not told. ``restart`` is
    the word of it where another run of its agent beats; then it may have been dead meanwhile.
    """

    t: float
    id: int
    last: float
    restart: str = ""


RESTART = "restart"
"""What :attr:`SilenceEnded.restart` says of another run."""


class StillSilent(_Line, tag="q", frozen=True):
    """A ``StillSilent`` says that a member is silent since ``last``, and was not heard until ``t``.

    There is one where a rule or a verdict says that it is dead, and as a file ends.
    """

    t: float
    id: int
    last: float


class VerdictChange(_Line, tag="d", frozen=True):
    """A ``VerdictChange`` says that musterd's verdict of a member is ``state`` from ``t`` on.

    ``reason`` is the word of a cause, as ``silent`` or ``beat``; empty where that is not known.
    """

    t: float
    id: int
    state: str
    reason: str = ""


class RuleChange(_Line, tag="n", frozen=True):
    """A ``RuleChange`` says that Nova's ``rule`` calls a member ``alive`` (1) or dead (0) from ``t`` on.

    ``age`` is what the rule decided by, in seconds by wall clocks; None: there was nothing to be had.
    """

    t: float
    id: int
    rule: str
    alive: int
    age: float | None = None


class TraceEvent(_Line, tag="e", frozen=True):
    """A ``TraceEvent`` is what may be a cause: of one ``shard``, or of all (None).

    ``kind`` is one of :class:`~musterd.trace.words.EventKind`, which says what its ``facts`` are.
    """

    t: float
    shard: int | None
    kind: str
    facts: Mapping[str, Setting] = {}


class HeadCount(_Line, tag="c", frozen=True):
    """A ``HeadCount`` says that the recorder lived at ``t``, with so many ``members``.

    ``up`` of them, ``suspect`` and ``down``; by each of Nova's rules so many are ``dead``.
    """

    t: float
    members: int
    up: int
    suspect: int = 0
    down: int = 0
    dead: Mapping[str, int] = {}


class WallStep(_Line, tag="w", frozen=True):
    """A ``WallStep`` says that the wall clock was stepped: it says ``wall`` (Unix seconds) at ``t``."""

    t: float
    wall: float


TraceLine = (
    TraceMember
    | ShardTurn
    | SilenceEnded
    | StillSilent
    | VerdictChange
    | RuleChange
    | TraceEvent
    | HeadCount
    | WallStep
)
"""Any line but the first of a file."""

_encoder = msgspec.json.Encoder()


def encoded(lines: Sequence[TraceLine | TraceHeader]) -> bytes:
    """Return ``lines`` as they stand in a file, each with its end."""
    return _encoder.encode_lines(lines)
