"""The roll: seats, versions, reasons, restoring, forgetting."""

from datetime import UTC, datetime

import pytest

from musterd.errors import NotFound
from musterd.model import Facts, Mark, State
from musterd_coordinator.registry.base import Gone, Portion, portion_of
from musterd_coordinator.sweep.base import Roster
from musterd_coordinator.sweep.loop import SweepOutcome
from tests.unit.stage import Stage, entry, host


def test_what_stands_in_the_store_at_the_start_is_nobodys_beat() -> None:
    stage = Stage()
    stage.sweep({0: (7, 40), 1: (8, 90)}, seated=((0, host("a")), (1, host("b"))))
    assert (stage.state("a"), stage.state("b")) == (State.UNKNOWN, State.UNKNOWN)
    stage.sweep({0: (7, 41), 1: (8, 90)})
    assert (stage.state("a"), stage.state("b")) == (State.UP, State.UNKNOWN)


def test_the_first_record_in_a_slot_taken_later_is_a_beat() -> None:
    stage = Stage()
    stage.sweep()
    stage.sweep({0: (7, 1)}, seated=((0, host("a")),))
    assert stage.state("a") is State.UP


def test_records_read_before_the_first_complete_sweep_stay_nobodys_beat() -> None:
    stage = Stage()
    stage.sweep({0: (7, 40)}, seated=((0, host("a")), (1, host("b"))), proven=False)
    stage.sweep({0: (7, 40), 1: (8, 90)})
    stage.sweep({0: (7, 40), 1: (8, 90)})
    assert (stage.state("a"), stage.state("b")) == (State.UNKNOWN, State.UNKNOWN)


def test_one_sweep_is_one_version_with_all_its_changes() -> None:
    stage = Stage()
    stage.sweep()
    before = stage.roll.version
    stage.sweep({0: (7, 1), 1: (8, 1)}, seated=((0, host("a")), (1, host("b"))))
    assert stage.roll.version == before + 1
    changes = stage.roll.changes.changes_since(before, None)
    assert changes is not None
    assert [(c.member, c.state, c.version) for c in changes] == [
        ("a", State.UP, before + 1),
        ("b", State.UP, before + 1),
    ]
    stage.sweep({0: (7, 2), 1: (8, 2)})
    assert stage.roll.version == before + 1


def test_a_change_says_which_marks_the_member_bears() -> None:
    stage = Stage()
    stage.sweep()
    stage.sweep({0: (7, 1)}, seated=((0, host("a")),))
    row, before = stage.roll.directory.row("compute", "a"), stage.roll.version
    assert row is not None
    ordered = Facts(disabled=True, disabled_reason="disk", forced_down=True, forced_down_reason="x")
    stage.roll.set_facts(row, ordered, "operator: forced down")
    stage.roll.set_facts(row, Facts(), "operator: enabled")
    changes = stage.roll.changes.changes_since(before, None)
    assert changes is not None
    assert [(c.marks, c.disabled_reason, c.forced_down_reason) for c in changes] == [
        ((Mark.DISABLED, Mark.FORCED_DOWN), "disk", "x"),
        ((), "", ""),
    ]


def test_a_death_is_explained_in_words() -> None:
    stage = Stage()
    stage.sweep()
    stage.sweep({0: (7, 1)}, seated=((0, host("a")),))
    for _ in range(8):
        stage.sweep({0: (7, 1)})
    answer = stage.answers.member("compute", "a")
    assert answer.state is State.DOWN
    assert answer.down
    assert not answer.up
    assert answer.reason == (
        "silent for 4.0 s of listening; last beat seen 2023-11-14T22:13:21Z;"
        " shard mc1:11211 proven 0.0 s ago"
    )


def test_a_missing_record_is_only_no_new_beat() -> None:
    stage = Stage()
    stage.sweep()
    stage.sweep({0: (7, 1)}, seated=((0, host("a")),))
    for _ in range(7):
        stage.sweep()
    assert stage.state("a") is State.UP


def test_a_member_whose_seat_is_gone_still_answers_and_goes_down() -> None:
    stage = Stage()
    stage.sweep()
    stage.sweep({0: (7, 1)}, seated=((0, host("a")),))
    stage.sweep(vacated=(0,))
    assert stage.state("a") is State.UP
    for _ in range(8):
        stage.sweep()
    assert stage.state("a") is State.DOWN


def test_a_seat_that_moves_keeps_the_member_alive() -> None:
    stage = Stage()
    stage.sweep()
    stage.sweep({0: (7, 1)}, seated=((0, host("a")),))
    stage.sweep({5: (7, 2)}, seated=((5, host("a")),))
    assert stage.answers.member("compute", "a").silent_for == 0
    stage.sweep({0: (9, 1)}, seated=((0, host("b")),))
    assert (stage.state("a"), stage.state("b")) == (State.UP, State.UP)


def test_restored_members_keep_state_facts_and_since() -> None:
    stage = Stage()
    facts = Facts(disabled=True, disabled_reason="kernel", zone="z9")
    stage.roll.restore(portion_of([entry("a", State.UP, facts=facts), entry("b", State.DOWN)]))
    stage.sweep({0: (7, 40)}, seated=((0, host("a", zone="z1")),))
    a, b = (stage.answers.member("compute", name) for name in "ab")
    assert (a.state, a.disabled, a.disabled_reason, a.zone) == (State.UP, True, "kernel", "z9")
    assert a.up
    assert not a.schedulable
    assert (b.state, b.reason, b.since.year) == (State.DOWN, "as it was", 2026)


@pytest.mark.parametrize("gone", [State.DOWN, State.LEFT])
def test_who_had_gone_before_this_coordinator_began_is_not_raised_by_its_last_record(
    gone: State,
) -> None:
    stage = Stage()
    stage.roll.restore(portion_of([entry("a", gone)]))
    for _ in range(3):
        stage.sweep({0: (7, 40)}, seated=((0, host("a")),))
    assert stage.state("a") is gone


def test_an_announced_zone_is_taken_over() -> None:
    stage = Stage()
    stage.sweep(seated=((0, host("a", zone="z1")),))
    stage.sweep(seated=((0, host("a", zone="z2")),))
    assert stage.answers.group("compute").zones == {"z2": dict.fromkeys(State, 0) | {"unknown": 1}}


def test_a_fleet_takes_its_seats_a_part_at_a_time() -> None:
    stage, names = Stage(), [f"h{number}" for number in range(2500)]
    seated = [(slot, host(name, zone="z1")) for slot, name in enumerate(names)]
    swept = SweepOutcome(1.0, 1.1, False, "more to come", Roster(seated), None, 0.001, 0.01)
    taken = [stage.roll.shards[0].seats.count for _ in stage.roll.steps(0, swept)]
    assert sorted({0, *taken}) == list(range(0, 2501, 250))
    assert stage.answers.group("compute").members == 2500
    # A restart of the store: all of them elsewhere, and half in another zone.
    half = [host(name, zone=f"z{slot % 2}") for slot, name in enumerate(names)]
    stage.sweep(
        vacated=tuple(range(2500)), seated=tuple(zip(range(2499, -1, -1), half, strict=True))
    )
    zones = stage.answers.group("compute").zones
    assert {zone: states[State.UNKNOWN] for zone, states in zones.items()} == {
        "z0": 1250,
        "z1": 1250,
    }
    assert stage.roll.shards[0].seats.count == 2500
    assert all(stage.roll.shards[0].seats.holds(row) for row in range(2500))


def test_forgetting_is_a_change_and_frees_the_name() -> None:
    stage = Stage()
    stage.sweep(seated=((0, host("a")), (1, host("b"))))
    row = stage.answers.row("compute", "a")
    before = stage.roll.version
    stage.roll.remove([row])
    changes = stage.roll.changes.changes_since(before, "compute")
    assert changes is not None
    assert [(c.member, c.gone) for c in changes] == [("a", True)]
    with pytest.raises(NotFound, match="no member a among its 1"):
        stage.answers.member("compute", "a")


def test_who_was_forgotten_elsewhere_goes_at_once_and_returns_by_a_newer_beat_only() -> None:
    stage = Stage()
    stage.roll.restore(portion_of([entry("a", State.UP, facts=Facts(forced_down=True))]))
    stage.sweep({0: (7, 1), 1: (8, 1)}, seated=((0, host("a")), (1, host("b"))))
    stage.sweep({0: (7, 2), 1: (8, 2)})
    stage.roll.merge([Gone("compute", "a", 11), Gone("compute", "b", 11)])
    assert gone(stage) == {"a", "b"}
    stage.sweep({0: (7, 3), 1: (8, 3)})  # written before, perhaps: only remembered
    stage.sweep({0: (7, 3), 1: (8, 3)})
    assert gone(stage) == {"a", "b"}
    stage.sweep({0: (7, 4), 1: (8, 3)})
    answer = stage.answers.member("compute", "a")
    assert (answer.state, answer.forced_down) == (State.UP, False)
    assert gone(stage) == {"b"}
    stage.roll.merge([Gone("compute", "a", 11)])  # the same once more
    assert stage.state("a") is State.UP


def test_what_others_order_is_taken_over_and_what_is_known_is_no_news() -> None:
    stage = Stage()
    stage.roll.restore(portion_of([]))
    stage.sweep({0: (7, 1)}, seated=((0, host("a")),))
    held = entry("a", State.UP, facts=Facts(disabled=True))
    stage.roll.merge([held])
    assert stage.answers.member("compute", "a").disabled
    version = stage.roll.version
    stage.roll.merge([held])
    assert stage.roll.version == version


def test_a_forgetting_that_is_told_twice_does_not_keep_a_newer_beat_from_counting() -> None:
    stage = Stage()
    stage.sweep({0: (7, 1), 1: (8, 1)}, seated=((0, host("a")), (1, host("b"))))
    stage.sweep({0: (7, 2), 1: (8, 2)})
    stage.roll.merge([Gone("compute", "a", 11)])
    stage.sweep({0: (7, 3), 1: (8, 3)})  # remembered
    stage.roll.merge([Gone("compute", "a", 11)])
    stage.sweep({0: (7, 4), 1: (8, 4)})
    assert stage.state("a") is State.UP


def test_a_sweep_that_was_under_way_at_a_forgetting_is_no_newer_beat() -> None:
    stage = Stage()
    stage.sweep({0: (7, 1)}, seated=((0, host("a")),))
    stage.now += 1.0
    stage.roll.merge([Gone("compute", "a", 11)])
    stage.now -= 1.0
    stage.sweep({0: (7, 2)})  # began before
    stage.now += 1.0
    stage.sweep({0: (7, 3)})
    assert gone(stage) == {"a", "b"}
    stage.sweep({0: (7, 4)})
    assert gone(stage) == {"b"}


def test_whoever_takes_a_seat_anew_after_losing_it_is_back_with_its_first_beat() -> None:
    stage = Stage()
    stage.sweep({0: (7, 1), 1: (8, 1)}, seated=((0, host("a")), (1, host("b"))))
    stage.roll.remove([stage.answers.row("compute", "a")], 5)
    stage.sweep(vacated=(0,))
    stage.sweep({0: (7, 2)}, seated=((0, host("a")),))
    assert stage.state("a") is State.UP
    assert len(stage.roll.absent) == 0


def test_a_seat_that_somebody_else_took_is_not_waited_for() -> None:
    stage = Stage()
    stage.sweep({0: (7, 1)}, seated=((0, host("a")),))
    stage.roll.remove([stage.answers.row("compute", "a")], 5)
    stage.sweep({0: (9, 1)}, seated=((0, host("c")),))
    stage.sweep({0: (9, 2)})
    assert gone(stage) == {"a", "b"}
    assert stage.state("c") is State.UP
    assert len(stage.roll.absent) == 0


def test_who_came_back_for_another_coordinator_is_back_in_its_seat() -> None:
    stage = Stage()
    stage.sweep({0: (7, 1)}, seated=((0, host("a")),))
    stage.roll.remove([stage.answers.row("compute", "a")], 5)
    stage.roll.merge([entry("a", State.UP)])
    for sequence in range(2, 30):
        stage.sweep({0: (7, sequence)})
    assert stage.state("a") is State.UP
    assert len(stage.roll.absent) == 0


def gone(stage: Stage) -> set[str]:
    return {n for n in ("a", "b") if stage.roll.directory.row("compute", n) is None}


def test_an_old_version_is_told_to_start_afresh() -> None:
    stage = Stage()
    assert stage.roll.changes.changes_since(stage.roll.version - 1, None) is None
    assert stage.roll.changes.changes_since(stage.roll.version + 1, None) is None
    assert stage.roll.changes.changes_since(stage.roll.version, None) == []


def test_freshness_is_that_of_the_slowest_shard() -> None:
    stage = Stage(shards=2, replicas=2)
    assert stage.answers.freshness() == (False, None)
    stage.sweep(shard=0)
    stage.sweep(shard=1)
    stage.sweep(shard=1, proven=False)
    stage.now += 1
    assert stage.answers.freshness() == (False, 2.0)


def test_pages_follow_names() -> None:
    stage = Stage()
    stage.sweep(seated=tuple((n, host(f"h{n}")) for n in range(7)))
    first = stage.answers.members("compute", limit=3)
    assert [m.member for m in first.members] == ["h0", "h1", "h2"]
    assert first.next == "h2"
    rest = stage.answers.members("compute", after="h2", limit=4)
    assert [m.member for m in rest.members] == ["h3", "h4", "h5", "h6"]
    assert rest.next is None


def test_ready_when_everybody_alive_has_been_heard() -> None:
    stage = Stage()
    assert not stage.roll.view.ready
    stage.sweep({0: (7, 40), 1: (8, 1)}, seated=((0, host("a")), (1, host("dead"))))
    assert not stage.roll.view.ready
    for sequence in range(41, 46):
        stage.sweep({0: (7, sequence), 1: (8, 1)})
    assert stage.roll.view.ready


def test_members_who_share_what_is_known_of_them_are_restored_each_by_name() -> None:
    stage, at = Stage(), datetime(2026, 1, 1, tzinfo=UTC)
    forced = entry("", State.UP, facts=Facts(forced_down=True))
    samples = [entry("", State.DOWN, reason="silent"), forced]
    stage.roll.restore(Portion(["a", "b", "c"], [at] * 3, [at] * 3, [1, 0, 0], samples))
    assert [stage.state(name) for name in "abc"] == [State.UP, State.DOWN, State.DOWN]
    rows = [stage.roll.directory.row("compute", name) for name in "abc"]
    reasons = [stage.roll.view.reason(row) for row in rows if row is not None]
    assert reasons == ["as it was", "silent", "silent"]
    assert stage.roll.facts == {rows[0]: Facts(forced_down=True)}
