"""What several coordinators say of the same incidents is put together here. Pure: times come in."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from musterd.incidents import Incident
from musterd_coordinator.notify.matters import Matter, away, matter_of

SOUND = 90.0
"""Seconds for which a coordinator is followed, and hears its store, until its silence of an incident
counts: one that has just started waits for longer than a minute before it tells of some."""

AWAY_FOR = 60.0
"""Seconds after which a coordinator that does not answer is told of; its last word counts until then."""

MOST = 500
"""Incidents of one coordinator that are taken, the worst: bounded, whatever it says."""


class Voice:
    """A `Voice` is one coordinator at ``address``, and what it said last.

    It counts as lost from the beginning, ``now`` by a monotonic clock, until it is followed.
    """

    def __init__(self, address: str, now: float, wall: datetime) -> None:
        self.address = address
        self.lost: float | None = now
        self.lost_at = wall
        self.why = "it was not reached yet"
        self.sound: float | None = None  # since when it is followed and hears its store
        self.matters: Sequence[Matter] = ()

    def say(self, incidents: Sequence[Incident], *, listening: bool, now: float) -> None:
        """Take what it says now, being followed."""
        self.lost = None
        self.matters = [matter_of(one, self.address) for one in incidents[:MOST]]
        if not listening:
            self.sound = None
        elif self.sound is None:
            self.sound = now

    def lose(self, why: str, now: float, wall: datetime) -> None:
        """Note that it is followed no more, and ``why``."""
        self.sound, self.why = None, why
        if self.lost is None:
            self.lost, self.lost_at = now, wall

    def is_away(self, now: float) -> bool:
        """Say whether it is lost for so long that it is worth a word."""
        return self.lost is not None and now - self.lost >= AWAY_FOR

    def is_sound(self, now: float) -> bool:
        """Say whether what it does not tell does not go on."""
        return self.sound is not None and now - self.sound >= SOUND


class Heard(NamedTuple):
    """A `Heard` is all that goes on by what coordinators say, by id.

    ``silence_counts``: an incident that is not among them is over.
    """

    matters: dict[str, Matter]
    silence_counts: bool


def heard(voices: Iterable[Voice], now: float) -> Heard:
    """Return what all say: of one incident, what the coordinator says that counts most members.

    One that is away is a matter of its own; what it said last stands while no other one is sound.
    """
    matters = dict[str, Matter]()
    every = list(voices)
    sound = any(voice.is_sound(now) for voice in every)
    for voice in every:
        is_away = voice.is_away(now)
        for matter in () if is_away and sound else voice.matters:
            known = matters.get(matter.id)
            if known is None or matter.count > known.count:
                matters[matter.id] = matter
        if is_away:
            gone = away(voice.address, voice.lost_at, voice.why)
            matters[gone.id] = gone
    return Heard(matters, sound)
