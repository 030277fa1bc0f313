"""The words that lines of a trace use, where there is a fixed set of them."""

from enum import StrEnum


class Rule(StrEnum):
    """A ``Rule`` is one of Nova's drivers of ServiceGroup, by its name in ``servicegroup_driver``."""

    DB = "db"
    MC = "mc"


class ShardEnd(StrEnum):
    """A ``ShardEnd`` is how sweeps of a shard end."""

    OK = "ok"
    DEAF = "deaf"
    PARTIAL = "partial"


class DeafKind(StrEnum):
    """A ``DeafKind`` is why sweeps of a shard prove nothing."""

    AWAY = "away"  # no answer, or an error
    STARTING = "starting"  # who is there is being read still
    DOUBT = "doubt"  # the way of its members may be closed: a herd that is in doubt, a table that is locked
    CHALLENGE = "challenge"  # agents must see another challenge first
    SPOILED = "spoiled"  # too many records are no beats
    CANARY = "canary"  # the canary did not come back, or another one did
    SLOW = "slow"  # longer than it may take


class EventKind(StrEnum):
    """An ``EventKind`` is what a ``TraceEvent`` tells of, with its facts."""

    STORM = "storm"  # a mass silence is held: group, zone, silent, living
    STORM_OVER = "storm over"  # group, zone
    DOUBT = "doubt"  # the way of a shard's members is in doubt
    DOUBT_OVER = "doubt over"
    PAUSE = "pause"  # no sweep of the shard began since the t in ``since``
    CLOCK = "clock"  # the wall clock here was stepped by ``by`` seconds
    LOST = "lost"  # lines: so many were not written
