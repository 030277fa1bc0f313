"""ServiceRows of Nova's services become members that beat, whatever befalls the rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from musterd.errors import ShardCorrupt
from musterd.model import Facts, Member
from musterd_coordinator.steps import whole
from musterd_coordinator.sweep.nova.mysql import rows_in
from musterd_coordinator.sweep.nova.service import Service, ServiceSeating
from musterd_coordinator.sweep.nova.table import Look, ServiceRows, ServiceTable

ids = st.integers(1, 12)


def rows(*some: tuple[int, int], digest: int = 0, orders: int = 0) -> ServiceRows:
    """ServiceRows with these ids and counts."""
    number = np.array(some, np.int64).reshape(-1, 2)
    same = np.ones(len(some), np.int64)
    return ServiceRows(number[:, 0], number[:, 1], digest * same, orders * same)


def seating() -> ServiceSeating:
    return ServiceSeating("db", "musterd", "topic", "cell1", lambda host: f"zone of {host}")


def service(number: int, host: str = "", topic: str = "compute") -> Service:
    return Service(number, host or f"h{number}", topic, f"nova-{topic}", "")


class Watched:
    """A table whose services are told as soon as they are due."""

    def __init__(self, *, shared: bool = False) -> None:
        self.table = ServiceTable(shared=shared)
        self.seating = seating()
        self.names: dict[int, str] = {}  # of members, by slot

    def look(self, *some: tuple[int, int], digest: int = 0) -> Look:
        look = self.table.look(rows(*some, digest=digest))
        self.tell()
        return look

    def tell(self, names: dict[int, str] | None = None) -> None:
        slots, due = self.table.due(100)
        seats = [
            seat
            for slot, number in zip(slots.tolist(), due.tolist(), strict=True)
            if (seat := self.seating.seat(slot, service(number, (names or {}).get(number, ""))))
        ]
        roster = self.table.tell(slots, seats)
        for slot in roster.vacated:
            self.names.pop(slot, None)
        self.names |= {slot: member.name for slot, member in roster.seated}

    def beats(self) -> dict[str, int]:
        """The sequence of each member that beats."""
        beats = self.table.beats(10_000, 0)
        slots = zip(beats.slot.tolist(), beats.sequence.tolist(), strict=True)
        return {self.names[slot]: sequence for slot, sequence in slots}


def test_a_count_is_a_sequence_and_an_id_a_run() -> None:
    watched = Watched()
    watched.look((7, 0), (9, 41))
    assert watched.beats() == {"h7": 1, "h9": 42}
    watched.look((7, 0), (9, 42))
    assert watched.beats() == {"h7": 1, "h9": 43}
    beats = watched.table.beats(10_000, 0)
    assert (beats.incarnation.tolist(), set(beats.interval_ms.tolist())) == ([7, 9], {10_000})


def test_who_comes_later_beats_once_it_has_reported() -> None:
    watched = Watched()
    watched.look((1, 5))
    assert watched.beats() == {"h1": 6}
    watched.look((1, 5), (2, 99))
    assert watched.beats() == {"h1": 6}, "it may be the last word of a dead one"
    watched.look((1, 5), (2, 100))
    assert watched.beats() == {"h1": 6, "h2": 101}


def test_reports_are_counts_that_grew() -> None:
    watched = Watched()
    watched.look((1, 5), (2, 5), (3, 5))
    look = watched.look((1, 6), (2, 4), (3, 5))
    assert [watched.names[slot] for slot in look.reported.tolist()] == ["h1"]
    look = watched.look((1, 6), (2, 5), (3, 5))
    assert [watched.names[slot] for slot in look.reported.tolist()] == ["h2"]


def test_processes_that_count_in_one_row_are_one_member_that_goes_on() -> None:
    watched = Watched(shared=True)
    for count in (500, 490, 501, 491, 492, 502):
        watched.look((1, count))
        watched.beats()
    assert watched.beats() == {"h1": 501 + (501 - 490) + 1 + (502 - 492)}


def test_a_row_that_is_gone_vacates_its_slot_and_its_id_never_returns_to_another() -> None:
    watched = Watched()
    watched.look((1, 5), (2, 5))
    [slot] = watched.look((2, 5)).vacated.tolist()
    assert set(watched.names.values()) == {"h2"}
    watched.look((2, 5), (3, 0))
    assert watched.names[slot] == "h3", "the slot is free once that was told"


def test_a_slot_is_not_given_away_before_its_vacancy_was_told() -> None:
    table, seats = ServiceTable(shared=False), seating()
    table.look(rows((1, 5)))
    slots, _ = table.due(9)
    table.tell(slots, [seat for seat in [seats.seat(0, service(1))] if seat])
    table.look(rows((2, 5)))
    slots, numbers = table.due(9)
    assert (slots.tolist(), numbers.tolist()) == ([1], [2])
    roster = table.tell(slots, [])
    assert roster.vacated == [0]


def test_a_service_is_told_again_where_its_row_says_something_else() -> None:
    watched = Watched()
    watched.look((1, 5), digest=3)
    assert not watched.table.left()
    watched.table.look(rows((1, 6), digest=4))
    assert watched.table.left()
    watched.tell({1: "renamed"})
    assert watched.names == {0: "renamed"}
    watched.table.look(rows((1, 6), digest=4, orders=2))
    assert watched.table.left()


def test_orders_are_told_where_there_are_any_and_once_they_are_over() -> None:
    table, some = ServiceTable(shared=False), seating()

    def told(
        orders: int, *, disabled: bool = False, forced_down: bool = False
    ) -> list[tuple[int, Facts]]:
        table.look(rows((1, 5), orders=orders))
        slots, _ = table.due(9)
        ordered = service(1)._replace(
            disabled_reason="me\x1bmory", disabled=disabled, forced_down=forced_down
        )
        seats = [some.seat(slot, ordered) for slot in slots.tolist()]
        return list(table.tell(slots, filter(None, seats)).ordered)

    assert told(0) == []
    assert told(2, disabled=True) == [
        (0, Facts(disabled=True, disabled_reason="in Nova: memory")),
    ]
    assert told(3, disabled=True, forced_down=True)[0][1].forced_down_reason == "in Nova"
    assert told(0) == [(0, Facts())]
    assert told(0) == []


def test_names_that_no_member_has_are_left_alone() -> None:
    watched = Watched()
    watched.table.look(rows((1, 5), (2, 5), (3, 5)))
    watched.tell({1: "no name", 2: "x" * 256})
    assert list(watched.names.values()) == ["h3"]
    assert len(watched.seating.refused) == 2
    assert watched.beats() == {"h3": 6}
    watched.table.look(rows((1, 6), (2, 5), (3, 5), digest=1))
    watched.tell({2: "x" * 256})
    assert sorted(watched.names.values()) == ["h1", "h3"]
    assert watched.beats() == {"h3": 6}, "its row is old, and was never seen to grow since"
    watched.look((1, 7), (2, 5), (3, 5), digest=1)
    assert watched.beats() == {"h1": 8, "h3": 6}


def test_a_count_that_is_none_spoils_its_member_alone() -> None:
    watched = Watched()
    watched.look((1, 5), (2, 5))
    look = watched.look((1, -1), (2, 6))
    assert [watched.names[slot] for slot in look.spoiled.tolist()] == ["h1"]
    assert watched.beats() == {"h1": 6, "h2": 7}


def test_a_member_has_what_its_row_says() -> None:
    seat = seating().seat(3, service(1, "h1"))
    assert seat is not None
    facts = {"cell": "cell1", "binary": "nova-compute"}
    assert seat.member == Member("compute", "h1", zone="zone of h1", metadata=facts)
    by_binary = ServiceSeating("db", "musterd", "binary", "", lambda host: "").seat(3, service(1))
    assert by_binary is not None
    assert (by_binary.member.group, by_binary.member.metadata) == (
        "nova-compute",
        {"binary": "nova-compute"},
    )


@dataclass
class Real:
    """A row as it really is; ``seen`` is one more than the count that was read last."""

    count: int
    digest: int = 0
    seen: int = 0
    reported: bool = False


class Rewritten(RuleBasedStateMachine):
    """ServiceRows that come, go, count and change in whatever order."""

    @initialize(first=st.dictionaries(ids, st.integers(0, 5)))
    def begin(self, first: dict[int, int]) -> None:
        self.watched = Watched()
        self.there = {number: Real(count, reported=True) for number, count in first.items()}
        self._look()

    @rule(number=ids, count=st.integers(0, 5))
    def come(self, number: int, count: int) -> None:
        self.there.setdefault(number, Real(count))
        self._look()

    @rule(some=st.sets(ids))
    def go(self, some: set[int]) -> None:
        for number in some:
            self.there.pop(number, None)
        self._look()

    @rule(some=st.sets(ids), by=st.integers(-3, 3))
    def count(self, some: set[int], by: int) -> None:
        for number in some & self.there.keys():
            self.there[number].count = max(0, self.there[number].count + by)
        self._look()

    @rule(number=ids)
    def change(self, number: int) -> None:
        if number in self.there:
            self.there[number].digest += 1
        self._look()

    @invariant()
    def members_are_the_rows(self) -> None:
        names = list(getattr(self, "watched", Watched()).names.values())
        assert sorted(names) == sorted(f"h{number}" for number in getattr(self, "there", ()))

    @invariant()
    def those_beat_that_were_there_at_first_or_reported(self) -> None:
        there: dict[int, Real] = getattr(self, "there", {})
        told = {f"h{number}": real.count + 1 for number, real in there.items() if real.reported}
        assert not there or self.watched.beats() == told

    def _look(self) -> None:
        columns: Sequence[tuple[int, int, int]] = [
            (number, real.count, real.digest) for number, real in self.there.items()
        ]
        every = np.array(columns, np.int64).reshape(-1, 3)
        number, count, digest = every.T
        self.watched.table.look(ServiceRows(number, count, digest, np.zeros(len(every), np.int64)))
        self.watched.tell()
        for real in self.there.values():
            real.reported |= real.seen > 0 and real.count + 1 > real.seen
            real.seen = real.count + 1


TestRewritten = Rewritten.TestCase


numbers = st.integers(-(1 << 31), (1 << 31) - 1)
columns = st.lists(
    st.tuples(numbers, numbers, st.integers(0, (1 << 32) - 1), st.booleans(), st.booleans()),
    max_size=30,
)


@given(columns, st.integers(1, 7))
def test_joined_rows_are_parsed_as_they_were(
    some: list[tuple[int, int, int, bool, bool]], page: int
) -> None:
    base = 4_000_000_000
    texts = [
        "".join(f"{number + base:010}" for number in row[:3]) + f"{row[3]:d}{row[4]:d}"
        for row in some
    ]
    pages = [texts[at : at + page] for at in range(0, len(texts), page)]
    parsed = whole(rows_in([(len(each), "".join(each)) for each in pages]))
    assert parsed.id.tolist() == [row[0] for row in some]
    assert parsed.report_count.tolist() == [row[1] for row in some]
    assert parsed.digest.tolist() == [row[2] for row in some]
    assert parsed.orders.tolist() == [2 * row[3] + row[4] for row in some]


@pytest.mark.parametrize("joined", [(2, "4" * 32), (1, "4" * 31 + "2"), (1, "4" * 29 + "x11")])
def test_other_texts_are_refused(joined: tuple[int, str]) -> None:
    with pytest.raises(ShardCorrupt):
        whole(rows_in([joined]))
