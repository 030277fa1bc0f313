"""Who falls silent before it looked at the challenge holds up nobody: nothing was spoiled on its way."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musterd_coordinator.sweep.base import BeatBatch
from musterd_coordinator.sweep.columns import Rejected, no_beats
from musterd_coordinator.sweep.signed.lastwords import LAST_WORD_AFTER
from musterd_coordinator.sweep.spoilage import Spoilage
from tests.unit.sealed import OTHERS, Signer, Slots, altered, host, stage

BEFORE = b"what stood there before this coordinator began"


def claimed() -> tuple[Signer, Slots]:
    """A coordinator that has just begun, and an agent that beat once since, for the old challenge."""
    agent, slots = Signer(host(1)), Slots()
    slots.challenge = BEFORE
    slots.restart()
    slots.announce(0, agent.member)
    slots.records[0] = agent.record(BEFORE)
    slots.sweep()  # what stood there
    slots.records[0] = agent.record(BEFORE)
    return agent, slots


def proven() -> tuple[Signer, Slots]:
    """An agent that was heard, and that beat for another challenge after somebody lost its own."""
    agent = Signer(host(1))
    slots = stage(agent)
    slots.challenge = BEFORE
    slots.records[0] = agent.record(BEFORE)
    return agent, slots


def bad_for(slots: Slots, sweeps: int) -> list[bool]:
    """Whether the record counts as bad, in so many sweeps of a second each."""
    found = []
    for _ in range(sweeps):
        slots.sweep()
        assert slots.bad.isdisjoint(slots.told.last_words)
        assert 0 in slots.bad or list(slots.told.last_words) == [0]
        found.append(0 in slots.bad)
    return found


def test_a_record_that_stands_is_a_last_word_after_three_of_its_intervals() -> None:
    for agent, slots in (claimed(), proven()):
        assert bad_for(slots, 6) == [True] * 3 + [False] * 3
        assert slots.seals.unfresh == []
        slots.records[0] = agent.record(BEFORE)
        assert bad_for(slots, 2) == [True, True]  # it lives, and has not looked yet
        slots.records[0] = agent.record(slots.challenge)
        assert slots.sweep() == {0}
        assert slots.told.last_words == []


def test_nothing_else_is_a_last_word_however_long_it_stands() -> None:
    agent, slots = proven()
    slots.sweep()  # and the nonce is back
    before = agent.record(BEFORE)
    slots.records[0] = agent.record(slots.challenge)
    assert slots.sweep() == {0}
    stranger = Signer(agent.member, OTHERS, run=agent.run, sequence=50).record(BEFORE)
    other_run = Signer(agent.member, run=99).record(BEFORE)
    for record in (before, altered(agent.record(BEFORE), 20), stranger, other_run):
        slots.records[0] = record
        for _ in range(2 * int(LAST_WORD_AFTER)):
            slots.sweep()
            assert slots.told.last_words == []
            assert slots.bad == {0}


def test_a_last_word_is_in_doubt_no_more() -> None:
    spoilage = Spoilage("mc1", lambda: 10.0)

    def look(now: float, **found: object) -> str:
        batch = BeatBatch(no_beats(), Rejected(), **found)  # type: ignore[arg-type]
        return spoilage.update(batch, now).reason

    assert look(0.0, spoiled=np.array([3]), established=6)
    assert look(1.0, established=5), "it may be spoiled again"
    assert not look(2.0, last_words=[3], established=5)
    assert not look(3.0, established=5)


@dataclass
class Model:
    """What is known of the one record: since when it stands, and whether its member may have written it."""

    now: float = 0.0
    since: float = 0.0
    newest: int = 0  # the highest number of a good beat
    record: tuple[str, int] = ("late", 0)

    def write(self, record: tuple[str, int]) -> None:
        if record != self.record:
            self.record, self.since = record, self.now + 1.0

    def sweep(self) -> None:
        self.now += 1.0
        kind, number = self.record
        if kind == "good":
            self.newest = max(self.newest, number)

    @property
    def is_last_word(self) -> bool:
        kind, number = self.record
        stands = self.now - self.since >= LAST_WORD_AFTER
        return kind == "late" and number > self.newest and stands


@given(st.lists(st.sampled_from(["late", "good", "stay", "stay", "stay", "replay"]), max_size=40))
def test_only_the_newest_of_its_own_is_a_last_word_and_only_while_it_stands(
    deeds: list[str],
) -> None:
    agent, slots = claimed()
    slots.sweep()
    model = Model(now=1.0, since=1.0, record=("late", agent.sequence))
    written = {("late", agent.sequence): slots.records[0]}
    for deed in deeds:
        if deed in ("late", "good"):
            value = BEFORE if deed == "late" else slots.challenge
            record = agent.record(value)
            key = (deed, agent.sequence)
            written[key] = slots.records[0] = record
            model.write(key)
        elif deed == "replay":
            key = min(written, key=lambda each: each[1])
            slots.records[0] = written[key]
            model.write(key)
        good = slots.sweep()
        model.sweep()
        assert (list(slots.told.last_words) == [0]) == model.is_last_word
        assert (0 in slots.bad) == (not good and not model.is_last_word)
