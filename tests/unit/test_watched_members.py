"""Members that Nova lists: what Nova says of them holds, and who is listed no more is not judged."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from musterd.errors import Conflict, NotFound
from musterd.model import Facts, FactsChange, Mark, State
from musterd_coordinator.registry.base import portion_of
from musterd_coordinator.roll.verdicts import overruled
from musterd_coordinator.service.expiry import FEW, UnlistedReaper
from tests.unit.bureau import Bureau, bureau
from tests.unit.stage import Stage, entry, host, told

DISABLED = Facts(disabled=True, disabled_reason="in Nova: memory")
FORCED = Facts(forced_down=True, forced_down_reason="in Nova")


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Bureau]:
    async with bureau(tmp_path, watched=True) as made:
        yield made


def stage_of(*names: str) -> Stage:
    """Members that were heard, all on the second of two shards."""
    stage = Stage(shards=2, watched=True)
    stage.sweep(shard=0)
    stage.sweep(shard=1)
    seated = tuple((slot, host(name)) for slot, name in enumerate(names))
    stage.sweep(dict.fromkeys(range(len(names)), (7, 1)), seated=seated, shard=1)
    return stage


def test_what_was_ordered_in_nova_is_shown_with_where() -> None:
    stage = stage_of("a", "b")
    before = stage.roll.version
    stage.sweep(shard=1, ordered=((0, DISABLED), (1, FORCED)))
    a, b = (stage.answers.member("compute", name) for name in "ab")
    assert (a.up, a.schedulable, a.disabled_reason) == (True, False, "in Nova: memory")
    assert (b.up, b.down, b.state, b.observed) == (False, True, State.DOWN, State.UP)
    assert b.reason.startswith("forced down: in Nova; observed up")
    assert (a.marks, b.marks) == ((Mark.DISABLED,), (Mark.FORCED_DOWN,))
    (summaries,) = stage.answers.summaries("compute")
    assert [one.facts for one in summaries] == [DISABLED, FORCED]
    changes = stage.roll.view.changes.changes_since(before, "compute")
    assert changes is not None
    assert {change.member: change.down for change in changes} == {"a": False, "b": True}
    stage.sweep(shard=1, ordered=((0, Facts()), (1, Facts())))
    assert stage.answers.member("compute", "b").up
    assert stage.answers.member("compute", "a").schedulable


def test_a_shard_that_comes_later_is_listened_to_like_the_others() -> None:
    stage = stage_of("a")
    stage.roll.add_shards(["cell2 rpc"])
    stage.sweep({0: (9, 1)}, seated=((0, host("b")),), shard=2)
    for beat in range(2, 6):
        stage.sweep({0: (7, beat)}, shard=1)
        stage.sweep({0: (9, beat)}, shard=2)
    assert (stage.state("a"), stage.state("b")) == (State.UP, State.UP)
    assert stage.roll.view.hearing.listening == [True, True, True]
    for _ in range(12):
        stage.sweep({0: (9, 5)}, shard=2)
    assert (stage.state("a"), stage.state("b")) == (State.UP, State.DOWN)
    stage.sweep(vacated=(0,), shard=2)
    row = stage.roll.directory.row("compute", "b")
    assert row is not None
    assert stage.roll.detector.silence_of(row) == 0.0
    assert len(stage.roll.view.unlisted()) == 1


def test_what_was_ordered_here_stays_beside_it() -> None:
    here = Facts(zone="rack-1", disabled=True, disabled_reason="here")
    assert overruled(here, Facts()) == here
    both = overruled(here, FORCED)
    assert (both.zone, both.disabled_reason, both.forced_down) == ("rack-1", "here", True)
    assert overruled(here, DISABLED).disabled_reason == "in Nova: memory"


def test_the_registry_keeps_nothing_of_what_nova_says() -> None:
    stage = stage_of("a")
    stage.sweep(shard=1, ordered=((0, DISABLED),))
    assert stage.roll.view.facts(0) is None
    assert stage.roll.view.said(0) == DISABLED


def test_who_is_listed_no_more_is_not_judged() -> None:
    stage = stage_of("a", "b")
    stage.sweep(shard=1, vacated=(0,))
    for turn in range(20):
        stage.sweep(shard=0)
        stage.sweep({1: (7, 2 + turn)}, shard=1)
    assert (stage.state("a"), stage.state("b")) == (State.UP, State.UP)
    assert stage.answers.member("compute", "a").silent_for == 0.0
    assert stage.roll.view.unlisted().tolist() == [0]
    assert told(stage).uncovered == 0
    assert stage.answers.freshness("compute")[0]


def test_who_is_listed_again_is_judged_again() -> None:
    stage = stage_of("a", "b")
    stage.sweep(shard=1, vacated=(0,))
    stage.sweep(shard=1, seated=((2, host("a")),))
    for turn in range(20):
        stage.sweep({1: (7, 2 + turn)}, shard=1)
    assert (stage.state("a"), stage.state("b")) == (State.DOWN, State.UP)


def test_who_was_known_before_is_not_judged_before_it_is_listed() -> None:
    stage = Stage(shards=2, watched=True)
    stage.roll.restore(portion_of([entry("a", State.UP), entry("b", State.DOWN)]))
    for _ in range(20):
        stage.sweep(shard=0)
        stage.sweep(shard=1)
    assert (stage.state("a"), stage.state("b")) == (State.UP, State.DOWN)
    with capture_logs() as lines:
        stage.sweep({0: (7, 1)}, seated=((0, host("a")),), shard=1)
    assert not [line for line in lines if line["event"] == "members placed differently"]


async def test_orders_that_are_novas_are_refused_with_its_own_command(watched: Bureau) -> None:
    watched.stage.sweep(
        seated=((0, host("a", metadata={"binary": "nova-compute"})),)  # type: ignore[arg-type]
    )
    with pytest.raises(Conflict, match="openstack compute service set --down a nova-compute"):
        await watched.office.change_facts("compute", "a", FactsChange(forced_down=True))
    with pytest.raises(Conflict, match="openstack compute service set --enable a nova-compute"):
        await watched.office.change_facts("compute", "a", FactsChange(disabled=False))
    answer = await watched.office.change_facts("compute", "a", FactsChange(zone="rack-1"))
    assert answer.zone == "rack-1"


async def test_an_order_from_before_nova_was_watched_can_be_taken_back(watched: Bureau) -> None:
    await watched.office.change_facts("compute", "a", FactsChange(zone="rack-1"))
    watched.stage.roll.set_facts(0, Facts(forced_down=True), "operator: forced down")
    await watched.registry.change_facts("compute", "a", lambda facts: Facts(forced_down=True))
    answer = await watched.office.change_facts("compute", "a", FactsChange(forced_down=False))
    assert not answer.forced_down


async def test_who_is_listed_is_not_forgotten(watched: Bureau) -> None:
    with pytest.raises(Conflict, match="openstack compute service delete"):
        await watched.office.forget("compute", "b", force=True)
    watched.stage.sweep(vacated=(1,))
    await watched.office.forget("compute", "b")
    with pytest.raises(NotFound):
        watched.office.member("compute", "b")


async def test_whom_nova_lists_no_more_is_forgotten_after_a_while(watched: Bureau) -> None:
    reaper = UnlistedReaper(watched.stage.roll.view, watched.office, lambda: 4.0)
    await reaper.once()
    watched.stage.sweep(vacated=(1,))
    await reaper.once()
    assert watched.office.member("compute", "b").state is State.UNKNOWN
    watched.stage.now += 4.0
    await reaper.once()
    with pytest.raises(NotFound):
        watched.office.member("compute", "b")
    assert watched.office.member("compute", "a").state is State.UP


async def test_who_is_listed_again_meanwhile_is_not(watched: Bureau) -> None:
    reaper = UnlistedReaper(watched.stage.roll.view, watched.office, lambda: 4.0)
    watched.stage.sweep(vacated=(1,))
    await reaper.once()
    watched.stage.sweep(seated=((3, host("b")),))
    watched.stage.now += 4.0
    await reaper.once()
    watched.stage.sweep(vacated=(3,))
    await reaper.once()
    assert watched.office.member("compute", "b").state is State.UNKNOWN


async def test_many_who_are_gone_at_once_are_kept_and_told_of(watched: Bureau) -> None:
    names = [f"h{number}" for number in range(2 * FEW)]
    watched.stage.sweep(seated=tuple((10 + at, host(name)) for at, name in enumerate(names)))
    watched.stage.sweep(vacated=tuple(range(10, 11 + FEW)))
    reaper = UnlistedReaper(watched.stage.roll.view, watched.office, lambda: 0.0)
    with capture_logs() as lines:
        await reaper.once()
        await reaper.once()
    [line] = lines
    assert (line["event"], line["count"]) == ("services gone from Nova", FEW + 1)
    assert watched.office.member("compute", "h0").state is State.UNKNOWN
    await watched.office.forget("compute", "h0")
    await reaper.once()
    with pytest.raises(NotFound):
        watched.office.member("compute", "h1")
