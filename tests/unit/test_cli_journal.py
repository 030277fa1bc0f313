"""What watch tells of events: every change once, in order, whatever the stream goes through."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.answers import EventChanges, EventSnapshot, MemberChange
from musterd.cli.journal import Change, Journal
from musterd.client.view import Event
from musterd.model import Mark, State, Verdict

THEN = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 2, tzinfo=UTC)
UP = Verdict(up=True, schedulable=True, down=False, state=State.UP)
HELD = Verdict(up=True, schedulable=False, down=False, state=State.UP)
DOWN = Verdict(up=False, schedulable=False, down=True, state=State.DOWN)

Line = tuple[str, str | None, str | None, str]


def snapshot(version: int, *, more: bool = False, **members: Verdict) -> Event:
    part = EventSnapshot(version, True, 0.5, {"g": members}, more)
    return Event("snapshot", "" if more else f"r-{version}", msgspec.json.encode(part))


def changes(*rows: MemberChange, more: bool = False) -> Event:
    version = max(row.version for row in rows)
    part = EventChanges(version, True, 0.5, list(rows), more)
    return Event("changes", "" if more else f"r-{version}", msgspec.json.encode(part))


def change(
    version: int,
    member: str,
    verdict: Verdict,
    reason: str = "because",
    *marks: Mark,
    gone: bool = False,
    group: str = "g",
) -> MemberChange:
    short = verdict.state, verdict.up, verdict.schedulable, verdict.down
    why = "disk" if Mark.DISABLED in marks else ""
    return MemberChange(version, THEN, group, member, *short, reason, gone, marks, why)


def journal_of(**members: Verdict) -> Journal:
    journal = Journal("g", lambda: NOW)
    part = EventSnapshot(1, True, 0.5, {"g": members}, more=False)
    journal.apply(Event("snapshot", "r-1", msgspec.json.encode(part)))
    assert journal.news() == []
    return journal


def lines(journal: Journal) -> list[Line]:
    return [(one.member, one.old, one.new, one.reason) for one in journal.news()]


def test_every_change_is_a_line() -> None:
    journal = journal_of(a=UP, b=UP)
    journal.apply(changes(change(2, "a", DOWN, "silent"), change(3, "a", UP, "beats again")))
    journal.apply(changes(change(4, "c", UP), change(4, "b", UP, gone=True)))
    assert journal.news()[0] == Change(THEN, "g", "a", "up", "down", "silent")
    journal.apply(changes(change(5, "a", DOWN, "silent"), change(6, "a", UP, "beats again")))
    journal.apply(changes(change(7, "c", UP, gone=True), change(7, "c", UP, "announced")))
    assert lines(journal) == [
        ("a", "up", "down", "silent"),
        ("a", "down", "up", "beats again"),
        ("c", "up", None, ""),
        ("c", None, "up", "announced"),
    ]


def test_a_restart_is_a_line_and_what_says_nothing_new_is_none() -> None:
    journal = journal_of(a=UP)
    journal.apply(changes(change(2, "a", UP, "another incarnation")))
    journal.apply(changes(change(3, "a", UP, "another incarnation")))
    journal.apply(changes(change(4, "a", UP, "and another")))
    journal.apply(changes(change(5, "nobody", UP, gone=True)))
    assert lines(journal) == [
        ("a", "up", "up", "another incarnation"),
        ("a", "up", "up", "and another"),
    ]


def test_marks_are_told_with_their_own_reasons() -> None:
    journal = journal_of(a=UP, b=HELD, c=HELD)
    journal.apply(changes(change(2, "a", HELD, "beats", Mark.DISABLED)))
    journal.apply(changes(change(3, "a", DOWN, "forced", Mark.DISABLED, Mark.FORCED_DOWN)))
    journal.apply(changes(change(4, "a", UP, "beats")))
    journal.apply(changes(change(5, "b", UP, "beats")))
    journal.apply(changes(change(6, "c", HELD, "restarted", Mark.DRAINING)))
    assert lines(journal) == [
        ("a", "up", "up, disabled: disk", ""),
        ("a", "up, disabled: disk", "down, forced down, disabled: disk", ""),
        ("a", "down, forced down, disabled: disk", "up", "beats"),
        ("b", "up, not schedulable", "up", ""),
        ("c", "up, draining", "up, draining", "restarted"),
    ]


def test_a_coordinator_that_tells_no_marks_is_understood() -> None:
    journal = journal_of(a=UP)
    journal.apply(changes(change(2, "a", HELD)))
    assert lines(journal) == [("a", "up", "up, not schedulable", "")]


def test_a_snapshot_in_between_tells_what_is_different() -> None:
    journal = journal_of(a=UP, b=UP, c=UP, d=UP)
    journal.apply(changes(change(2, "d", HELD, "beats", Mark.DISABLED)))
    journal.apply(changes(change(2, "c", HELD, "beats", Mark.DISABLED)))
    journal.news()
    journal.restart()
    journal.apply(snapshot(9, more=True, a=DOWN, c=HELD))
    assert journal.news() == []
    journal.apply(snapshot(9, d=UP, e=UP))
    assert [one.at for one in journal.news()] == [NOW] * 4
    journal.apply(changes(change(10, "c", UP, "beats")))
    assert lines(journal) == [("c", "up, disabled: disk", "up", "")]


def test_a_snapshot_in_between_is_told_by_name() -> None:
    journal = journal_of(b=UP, a=UP)
    journal.apply(changes(change(2, "b", HELD, "beats", Mark.DISABLED)))
    journal.news()
    journal.apply(snapshot(9, b=UP, c=UP))
    assert lines(journal) == [
        ("a", "up", None, ""),
        ("b", "up, disabled: disk", "up", ""),
        ("c", None, "up", ""),
    ]


def test_a_group_that_went_is_told_and_whoever_comes_is_new() -> None:
    journal = journal_of(a=UP)
    journal.nobody()
    journal.nobody()
    assert (lines(journal), journal.resume) == ([("a", "up", None, "")], "")
    journal.apply(snapshot(9, a=UP))
    assert lines(journal) == [("a", None, "up", "")]


def test_a_group_that_is_yet_to_come_begins_with_nobody() -> None:
    journal = Journal("g")
    journal.nobody()
    journal.apply(snapshot(1, a=UP))
    assert lines(journal) == [("a", None, "up", "")]


def test_all_groups_are_watched_or_one() -> None:
    rows = change(2, "a", UP, group="h"), change(2, "a", UP, group="g")
    for group, told in ((None, ["h", "g"]), ("g", ["g"])):
        journal = Journal(group)
        journal.apply(snapshot(1))
        journal.apply(changes(*rows))
        assert [one.group for one in journal.news()] == told


VERDICTS = [UP, HELD, DOWN]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([*VERDICTS, None])), max_size=12),
    st.lists(st.integers(1, 3), min_size=12, max_size=12),
    st.data(),
)
def test_a_stream_cut_anywhere_tells_each_change_once(
    steps: list[tuple[str, Verdict | None]], sizes: list[int], data: st.DataObject
) -> None:
    """Versions of one change each, sent by several in parts, cut off and resumed from the last id."""
    alive, rows = set[str](), list[MemberChange]()
    for at, (member, verdict) in enumerate(steps):
        if verdict is None and member not in alive:
            continue
        (alive.discard if verdict is None else alive.add)(member)
        rows.append(change(at + 2, member, verdict or UP, f"reason {at}", gone=verdict is None))
    whole, cut = journal_of(), journal_of()
    for row in rows:
        whole.apply(changes(row))
    done, turns = 0, iter(sizes)
    while done < len(rows):
        some = rows[done : done + next(turns)]
        for row in some[: data.draw(st.integers(0, len(some) - 1))]:
            cut.apply(changes(row, more=True))
        cut.restart()
        for row in some[:-1]:
            cut.apply(changes(row, more=True))
        cut.apply(changes(some[-1]))
        done += len(some)
    told = whole.news()
    assert cut.news() == told
    assert len(told) == len(rows)
    assert cut.members == whole.members


@pytest.mark.parametrize("verdict", VERDICTS)
def test_old_is_always_what_new_was(verdict: Verdict) -> None:
    journal = journal_of(a=verdict)
    for version, next_one in enumerate((UP, DOWN, HELD, UP), 2):
        journal.apply(changes(change(version, "a", next_one, str(version), Mark.DRAINING)))
    told = journal.news()
    assert [one.old for one in told[1:]] == [one.new for one in told[:-1]]
