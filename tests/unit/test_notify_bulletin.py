"""What is told of incidents, and when: decided from what was told and what is heard."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import inf

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from musterd.incidents import IncidentKind
from musterd_coordinator.notify.bulletin import AGAIN, GATHER, GONE, MOST, Announced, Bulletin
from musterd_coordinator.notify.matters import Matter, Message, MessageKind, away, matter_of
from musterd_coordinator.notify.voices import AWAY_FOR, SOUND, Heard, Voice, heard
from tests.notify_desk import START, incident

OPENED, CHANGED, ONGOING, RESOLVED = (
    *(MessageKind.OPENED, MessageKind.CHANGED),
    *(MessageKind.ONGOING, MessageKind.RESOLVED),
)


def matter(name: str = "a", count: int = 3) -> Matter:
    return matter_of(incident(name, count), "http://c1:8420")


class Duty:
    """A bulletin, a clock, and whoever is told."""

    def __init__(self, kept: Sequence[Announced] = (), repeat: float = inf) -> None:
        self.now = 1000.0
        self.bulletin = Bulletin(kept, self.now, repeat)
        self.told: list[tuple[MessageKind, str]] = []
        self.takes = True

    @property
    def wall(self) -> datetime:
        return START + timedelta(seconds=self.now)

    def hear(self, *matters: Matter, after: float = 0.0, counts: bool = True) -> list[Message]:
        self.now += after
        said = Heard({one.id: one for one in matters}, silence_counts=counts)
        self.bulletin.hear(said, self.now, self.wall)
        due = list(self.bulletin.due(self.now, self.wall))
        for one in due if self.takes else ():
            assert one.incident is not None
            self.told.append((one.event, one.incident.id))
            self.bulletin.accepted(one, self.now)
        return due

    def open(self, *matters: Matter) -> None:
        self.hear(*matters)
        self.hear(*matters, after=GATHER)


def test_it_is_told_once_when_it_opens_and_once_when_it_is_over() -> None:
    duty = Duty()
    assert duty.hear(matter()) == []
    [opened] = duty.hear(matter(), after=GATHER)
    assert opened.text == "DEATHS: 3 members of rack-a are down. Go there."
    assert (opened.event, opened.before, opened.going_on) == (OPENED, None, 1)
    assert duty.hear(matter(), after=3600) == []
    assert duty.hear(after=1) == []
    gone_at = duty.wall
    [resolved] = duty.hear(after=GONE)
    assert resolved.text == "resolved: DEATHS: 3 members of rack-a are down"
    assert (resolved.event, resolved.until, resolved.going_on) == (RESOLVED, gone_at, 0)
    assert duty.hear(after=3600) == []
    assert duty.bulletin.kept() == []


def test_it_is_told_again_when_its_size_changes_by_a_half_and_seldom() -> None:
    duty = Duty()
    duty.open(matter(count=100))
    assert duty.hear(matter(count=149), after=AGAIN) == []
    [grown] = duty.hear(matter(count=150))
    assert grown.before is not None
    assert (grown.event, grown.before.count) == (CHANGED, 100)
    assert "(was 100)" in grown.text
    assert duty.hear(matter(count=300), after=AGAIN - 1) == []
    assert [one.event for one in duty.hear(matter(count=300), after=1)] == [CHANGED]
    assert [one.event for one in duty.hear(matter(count=150), after=AGAIN)] == [CHANGED]


def test_another_kind_is_told_at_once() -> None:
    duty = Duty()
    held = matter_of(incident(kind=IncidentKind.MASS_SILENCE), "")
    duty.open(held)
    [changed] = duty.hear(matter())
    assert (changed.event, changed.incident) == (CHANGED, matter())


def test_what_is_over_before_it_had_to_be_told_is_not_told() -> None:
    duty = Duty()
    duty.hear(matter())
    duty.hear(after=GATHER - 1)
    for _ in range(50):
        assert duty.hear(after=1) == []
    assert duty.bulletin.going_on == 0


def test_what_was_over_while_nobody_took_messages_is_told_once() -> None:
    duty = Duty()
    duty.takes = False
    duty.open(matter())
    duty.hear(after=1)
    duty.hear(after=GONE)
    duty.takes = True
    [message] = duty.hear(after=600)
    assert (message.event, message.before) == (RESOLVED, None)
    assert duty.hear(after=600) == []


def test_one_that_comes_back_soon_was_never_over() -> None:
    duty = Duty()
    duty.open(matter())
    duty.hear(after=1)
    assert duty.hear(after=GONE - 1) == []
    assert duty.hear(matter(), after=1) == []
    assert duty.hear(after=1) == []
    assert duty.hear(after=GONE - 1) == []


def test_a_silence_that_does_not_count_resolves_nothing() -> None:
    duty = Duty()
    duty.open(matter())
    for _ in range(10):
        assert duty.hear(after=GONE, counts=False) == []
    assert duty.hear(after=1) == []
    assert [one.event for one in duty.hear(after=GONE)] == [RESOLVED]


def test_nothing_is_told_twice_after_a_restart_and_what_was_over_meanwhile_is() -> None:
    before = Duty()
    before.open(matter("a"), matter("b"))
    kept = msgspec.json.decode(msgspec.json.encode(before.bulletin.kept()), type=list[Announced])
    after = Duty(kept)
    assert after.hear(counts=False) == []
    assert after.hear(matter("a"), after=SOUND) == []
    assert after.hear(matter("a"), matter("c"), after=GONE)[0].event == RESOLVED
    assert after.told == [(RESOLVED, "b")]
    assert [one.event for one in after.hear(matter("a", 30), matter("c"), after=GATHER)] == [
        *(CHANGED, OPENED)
    ]


def test_some_are_told_again_for_as_long_as_they_go_on() -> None:
    duty = Duty(repeat=60.0)
    duty.open(matter(count=100))
    [again] = duty.hear(matter(count=120), after=60)
    assert again.incident is not None
    assert (again.event, again.incident.count) == (ONGOING, 100)
    assert [one.event for one in duty.hear(matter(count=160), after=60)] == [CHANGED]


def test_parts_of_one_that_is_many_are_not_told_beside_it() -> None:
    duty = Duty()
    parts = [incident(f"{at}", 10) for at in range(8)]
    many = matter_of(replace(incident("many", 80), parts=parts), "")
    leaves = [matter_of(one, "") for one in parts]
    duty.open(many, leaves[0])  # as two coordinators may count
    assert duty.told == [(OPENED, "many")]
    # When few are left they are told one by one: that is no other incident, and it is smaller.
    [smaller] = duty.hear(*leaves[:3], after=AGAIN)
    assert smaller.incident is not None
    assert (smaller.event, smaller.incident.id, smaller.incident.count) == (CHANGED, "many", 30)
    assert "what is left of it is 10 members of rack-0" in smaller.text
    duty.hear(after=1)
    assert [one.event for one in duty.hear(after=GONE)] == [RESOLVED]


def test_one_that_became_a_part_is_not_over() -> None:
    duty = Duty()
    duty.open(matter("0"))
    many = matter_of(replace(incident("many"), parts=[incident("0"), incident("1")]), "")
    duty.open(many)
    duty.hear(many, after=2 * GONE)
    assert duty.told == [(OPENED, "0"), (OPENED, "many")]


def test_one_among_more_than_are_told_is_not_over() -> None:
    duty = Duty()
    duty.open(matter("small"))
    parts = [incident(f"{at}") for at in range(100)]
    many = matter_of(replace(incident("many"), parts=parts), "")
    duty.open(many)
    duty.hear(many, after=2 * GONE)
    assert duty.told == [(OPENED, "small"), (OPENED, "many")]


def test_more_than_can_be_kept_wait() -> None:
    duty = Duty()
    duty.open(*(matter(str(at)) for at in range(MOST + 5)))
    assert len(duty.told) == MOST
    assert duty.bulletin.left_out == 5


def test_a_message_that_is_refused_lets_others_go_first() -> None:
    duty = Duty()
    duty.takes = False
    duty.hear(matter("a"), matter("b"))
    first = duty.hear(matter("a"), matter("b"), after=GATHER)[0]
    duty.bulletin.refused(first, duty.now, 60.0)
    [other] = duty.hear(matter("a"), matter("b"), after=1)
    assert first.incident is not None
    assert other.incident is not None
    assert (first.incident.id, other.incident.id) == ("a", "b")
    assert [
        one.incident and one.incident.id for one in duty.hear(matter("a"), matter("b"), after=60)
    ] == [*("b", "a")]


# Several coordinators


def voice(address: str = "http://c1:8420", now: float = 0.0) -> Voice:
    return Voice(address, now, START)


def test_the_same_incident_of_two_coordinators_is_one() -> None:
    one, two = voice(), voice("http://c2:8420")
    one.say([incident(count=3)], listening=True, now=0.0)
    two.say([incident(count=5)], listening=True, now=0.0)
    [told] = heard([one, two], 1.0).matters.values()
    assert (told.count, told.source) == (5, "http://c2:8420")


def test_a_coordinator_counts_when_it_has_heard_for_long() -> None:
    one = voice()
    assert not heard([one], SOUND).silence_counts
    one.say([], listening=True, now=10.0)
    assert not heard([one], 9.0 + SOUND).silence_counts
    assert heard([one], 10.0 + SOUND).silence_counts
    one.say([], listening=False, now=200.0)
    one.say([], listening=True, now=201.0)
    assert not heard([one], 210.0).silence_counts


def test_a_coordinator_that_is_away_for_long_is_told_and_its_word_stands() -> None:
    one = voice()
    one.say([incident()], listening=True, now=0.0)
    one.lose("connection refused", 500.0, START)
    one.lose("no answer", 510.0, START)
    assert list(heard([one], 499.0 + AWAY_FOR).matters) == ["a"]
    told = heard([one], 500.0 + AWAY_FOR)
    assert (len(told.matters), told.silence_counts) == (2, False)
    what = [each.what for each in told.matters.values()][1]
    assert what == "the coordinator http://c1:8420 does not answer: no answer"
    other = voice("http://c2:8420")
    other.say([], listening=True, now=0.0)
    assert len(heard([one, other], 500.0 + AWAY_FOR).matters) == 1


def test_a_coordinator_that_is_back_is_told_whether_another_one_is_sound_or_not() -> None:
    duty = Duty()
    lost = away("http://c1:8420", START, "gone")
    duty.open(lost)
    duty.hear(after=1, counts=False)
    assert [one.event for one in duty.hear(after=GONE, counts=False)] == [RESOLVED]


# Whatever happens

NAMES = st.sampled_from("abcd")
TURNS = st.lists(
    st.tuples(
        st.dictionaries(NAMES, st.integers(0, 200), max_size=4),  # what is heard
        st.floats(0.5, 100.0),  # after so many seconds
        st.booleans(),  # silence counts
        st.sampled_from(["takes", "fails", "restarts"]),
    ),
    max_size=30,
)
QUIET: list[tuple[dict[str, int], float, bool, str]] = [({}, GONE, True, "takes")] * 3


@given(TURNS)
def test_each_is_opened_changed_and_resolved_in_turn_and_in_the_end_all_is_told(
    turns: list[tuple[dict[str, int], float, bool, str]],
) -> None:
    duty, open_now = Duty(), dict[str, bool]()
    told = list[tuple[MessageKind, str]]()
    last: dict[str, int] = {}
    for said, after, counts, what in [*turns, *QUIET]:
        if what == "restarts":
            duty, now = Duty(duty.bulletin.kept()), duty.now
            duty.now = now
        duty.takes, last = what != "fails", said
        duty.hear(
            *(matter(name, count) for name, count in said.items()), after=after, counts=counts
        )
        told += duty.told
        duty.told = []
    assert not last
    for event, name in told:
        if event is OPENED:
            assert not open_now.get(name), "no two openings without an end between"
        elif event is CHANGED:
            assert open_now[name]
        open_now[name] = event is not RESOLVED
    assert not any(open_now.values())
    assert duty.bulletin.kept() == []
    assert duty.bulletin.waiting == 0


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=60))
def test_what_was_told_last_is_never_off_by_a_half_for_long(counts: list[int]) -> None:
    duty = Duty()
    duty.open(matter(count=counts[0]))
    for count in counts:
        duty.hear(matter(count=count), after=AGAIN)
        [kept] = duty.bulletin.kept()
        assert abs(kept.told.count - count) < max(1, kept.told.count / 2)


@pytest.mark.parametrize("kind", IncidentKind)
def test_every_kind_has_a_severity(kind: IncidentKind) -> None:
    told = matter_of(incident(kind=kind), "")
    assert told.severity in ("critical", "warning", "info")
