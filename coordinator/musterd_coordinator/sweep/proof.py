"""A sweep proves something or not: here is why not, in a word that is counted and for an operator."""

from enum import StrEnum
from typing import NamedTuple

from musterd.beat import Beat
from musterd.errors import StoreError
from musterd_coordinator.sweep.base import BeatBatch
from musterd_coordinator.sweep.spoilage import Spoiled


class CanaryLate(StoreError):
    """A `CanaryLate` means that a canary was not accepted in the time that agents give a beat."""


class NoProof(StrEnum):
    """A `NoProof` is why a sweep proved nothing, in one of a few words."""

    TIMEOUT = "timeout"
    STORE = "store"
    DRIVER = "driver"
    ROSTER = "roster"
    INCOMPLETE = "incomplete"
    CANARY_LOST = "canary_lost"
    CHALLENGE = "challenge"
    SPOILED = "spoiled"
    STORE_DOUBTS = "store_doubts"
    NO_CANARY = "no_canary"
    OTHER_CANARY = "other_canary"
    TOO_LONG = "too_long"


class Unproven(NamedTuple):
    """An `Unproven` is why a sweep proved nothing: in a word, and for an operator."""

    doubt: NoProof
    reason: str


LOST_CANARY = "the shard lost the canary of the last sweep: restarted, flushed or evicting"


def doubt_of(sweep: BeatBatch, spoiled: Spoiled) -> Unproven | None:
    """Return what a whole sweep itself says against what it read, and what its records do; None: nothing."""
    if sweep.unproven:
        return Unproven(NoProof.CHALLENGE, sweep.unproven)
    if spoiled.reason:
        return Unproven(NoProof.SPOILED, spoiled.reason)
    return Unproven(NoProof.STORE_DOUBTS, sweep.doubt) if sweep.doubt else None


def doubt_of_canary(read: Beat | None, written: Beat) -> Unproven | None:
    """Return what the canary that was ``read`` says against a sweep; None: it is the one ``written``."""
    if read is None:
        return Unproven(NoProof.NO_CANARY, "the canary was accepted and did not come back")
    if (read.incarnation, read.sequence) != (written.incarnation, written.sequence):
        return Unproven(
            NoProof.OTHER_CANARY,
            "an older canary came back: reads are stale, or another coordinator has our name",
        )
    if read.mac != written.mac:
        return Unproven(
            NoProof.OTHER_CANARY,
            "the canary that came back is not ours: somebody else writes it too",
        )
    return None
