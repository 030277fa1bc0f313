"""What a load run notes of a coordinator's events."""

from datetime import UTC, datetime

import msgspec
import pytest
from benchmarks.load.watch import Change, Changes, Watch

from musterd.answers import EventChanges, EventSnapshot, MemberChange
from musterd.client.view import Event
from musterd.model import State, Verdict

AT = datetime(2026, 1, 1, tzinfo=UTC)
GONE = MemberChange(8, AT, "g", "m1", State.DOWN, False, False, True, "silent")
BACK = MemberChange(8, AT, "g", "m2", State.UP, True, True, False, "beating")
DOWN, UP = Verdict(False, False, True, State.DOWN), Verdict(True, True, False, State.UP)


@pytest.fixture
def watch() -> Watch:
    return Watch("http://127.0.0.1:1", "g")


def test_every_change_after_a_version_is_noted(watch: Watch) -> None:
    changes = Changes(watch, "g", 7)
    assert changes.resume == "7"
    part = EventChanges(8, True, 0.0, [GONE, BACK], False)
    changes.apply(Event("changes", "r-8", msgspec.json.encode(part)))
    assert watch.changes == [Change("m1", State.DOWN, AT), Change("m2", State.UP, AT)]
    assert not watch.overrun
    assert not changes.members


def test_where_changes_were_lost_whoever_is_down_counts(watch: Watch) -> None:
    changes = Changes(watch, "g", 7)
    part = EventSnapshot(99, True, 0.0, {"g": {"m1": DOWN, "m2": UP}, "h": {"m3": DOWN}}, False)
    changes.apply(Event("snapshot", "r-99", msgspec.json.encode(part)))
    assert [(change.member, change.state) for change in watch.changes] == [("m1", State.DOWN)]
    assert watch.overrun
