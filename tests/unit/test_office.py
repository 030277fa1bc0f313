"""Orders of operators and the writing behind, over a real SQLite registry."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from musterd.beat import Status
from musterd.errors import ConfigError, Conflict, NotFound
from musterd.model import Facts, FactsChange, State
from musterd_coordinator.registry.base import Entry, portion_of
from musterd_coordinator.roll.versions import LOG_LIMIT, ChangeLog
from musterd_coordinator.service.changing import changed, described
from musterd_coordinator.service.expiry import LeftReaper
from musterd_coordinator.service.peers import Peers
from tests.unit.bureau import Away, Bureau, bureau, loaded
from tests.unit.stage import Stage, host


async def test_an_order_is_durable_shown_and_in_the_history(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        change = FactsChange(disabled=True, reason="kernel")
        answer = await at.office.change_facts("compute", "a", change)
        assert (answer.up, answer.schedulable, answer.disabled_reason) == (True, False, "kernel")
        (entry,) = [e for e in await loaded(at.registry) if e.member.name == "a"]
        assert entry.facts == Facts(disabled=True, disabled_reason="kernel")
        history = await at.office.history("compute", "a", 10)
        assert [change.reason for change in history.changes] == [
            "operator: disabled: kernel",
            "first beat seen",
        ]


async def test_forced_down_is_down_whatever_the_beats_say(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        await at.office.change_facts("compute", "a", FactsChange(forced_down=True, reason="psu"))
        at.stage.sweep({0: (7, 2)})
        verdict = at.office.query("compute", ["a"]).members["a"]
        assert (verdict.up, verdict.down, verdict.state) == (False, True, State.DOWN)
        member = at.office.member("compute", "a")
        assert (member.state, member.observed) == (State.DOWN, State.UP)
        assert member.reason.startswith("forced down: psu; observed up: ")
        [change] = at.office.changes_since(at.stage.roll.version - 1) or []
        assert (change.state, change.reason) == (State.DOWN, member.reason)
        answer = await at.office.change_facts("compute", "a", FactsChange(forced_down=False))
        assert (answer.up, answer.forced_down_reason) == (True, "")


async def test_one_that_is_up_is_forgotten_only_by_force(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        for forced_down in (False, True):  # it beats all the same, and would be up at once
            await at.office.change_facts("compute", "a", FactsChange(forced_down=forced_down))
            with pytest.raises(Conflict, match="a is up: stop its agent first"):
                await at.office.forget("compute", "a")
        await at.office.forget("compute", "a", force=True)
        await at.office.forget("compute", "b")
        assert [member.name for member in at.retired] == ["a", "b"]
        assert await loaded(at.registry) == []
        with pytest.raises(NotFound, match="no group compute"):
            at.office.member("compute", "a")
        assert (await at.office.history("compute", "a", 10)).changes  # kept until it is pruned


async def test_who_said_goodbye_is_forgotten_after_a_while(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        farewell = LeftReaper(at.stage.roll.view, at.office, after=60.0, clock=at.clock)
        at.stage.sweep(seated=((2, host("c")),))
        at.stage.sweep({1: (8, 1), 2: (9, 1)})
        at.stage.sweep({1: (8, 2), 2: (9, 2)}, status=Status.LEAVING)
        await at.office.change_facts("compute", "c", FactsChange(disabled=True, reason="broken"))
        at.stage.now += 59.0
        await farewell.once()
        assert at.retired == []
        at.stage.now += 1.0
        await farewell.once()
        assert at.retired == [host("b")]  # c has an operator's word, and a never left
        assert [entry.member.name for entry in await loaded(at.registry)] == ["c"]


async def test_who_left_before_a_restart_is_forgotten_too(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        at.stage.roll.restore(portion_of([left_entry(at.stage.wall - 61.0)]))
        await LeftReaper(at.stage.roll.view, at.office, after=60.0, clock=at.clock).once()
        assert at.retired == [host("z")]


def left_entry(since: float) -> Entry:
    at = datetime.fromtimestamp(since, UTC)
    return Entry(host("z"), Facts(), State.LEFT, "left", at, at, 1.0)


async def test_nonsense_is_refused(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        for change, what in (
            (FactsChange(reason="why"), "reason is kept with"),
            (FactsChange(zone="z\n"), "control characters"),
            (FactsChange(metadata={"a b": "c"}), "metadata key"),
        ):
            with pytest.raises(ConfigError, match=what):
                await at.office.change_facts("compute", "a", change)
        with pytest.raises(NotFound, match="no member c among its 2"):
            await at.office.change_facts("compute", "c", FactsChange(disabled=True))
        with pytest.raises(NotFound):
            await at.office.history("compute", "c", 10)


async def test_a_forgetting_is_a_line_of_history_and_no_order_is_none(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        order = FactsChange(disabled=True, reason="x")
        await at.office.change_facts("compute", "a", order)
        version = at.office.version
        await at.office.change_facts("compute", "a", order)
        assert at.office.version == version
        await at.office.forget("compute", "a", force=True)
        changes = (await at.office.history("compute", "a", 10)).changes
        assert [change.reason for change in changes] == [
            *("operator: forgotten", "operator: disabled: x", "first beat seen"),
        ]
        assert (changes[0].old, changes[0].new) == (State.UP, State.UNKNOWN)
        assert {change.coordinator for change in changes} == {"c1"}


async def test_other_coordinators_are_shown_and_whether_they_count_otherwise() -> None:
    class Shared(Away):
        told: Sequence[tuple[str, float, str]] = ()

        async def exchange_reports(self, text: str) -> Sequence[tuple[str, float, str]]:
            assert (
                text
                == '{"listening":true,"states":{"unknown":1,"up":1,"suspect":0,"down":0,"left":0}}'
            )
            return self.told

    registry = Shared()
    at = Bureau(registry)  # type: ignore[arg-type]
    peers = Peers(registry, at.office)  # type: ignore[arg-type]
    registry.told = [
        ("c2", 1.0, '{"listening":true,"states":{"up":1,"unknown":1}}'),
        ("c3", 1.0, '{"listening":true,"states":{"up":2}}'),
        ("c4", 1.0, '{"listening":false,"states":{}}'),
        ("c5", 99.0, '{"listening":true,"states":{}}'),
        ("c6", 1.0, '{"listening":7}'),
    ]
    await peers.once()
    status = at.office.status()
    assert [(peer.coordinator, peer.differs) for peer in status.peers] == [
        *(("c2", False), ("c3", True), ("c4", False), ("c5", False)),
    ]


@pytest.mark.parametrize(
    ("change", "facts", "words"),
    [
        (
            FactsChange(disabled=True, reason="x"),
            Facts(disabled=True, disabled_reason="x", zone="z"),
            "operator: disabled: x",
        ),
        (FactsChange(disabled=False), Facts(zone="z"), "operator: enabled"),
        (FactsChange(zone=None), Facts(), "operator: zone as announced"),
        (FactsChange(owner="me"), Facts(zone="z", owner="me"), "operator: owner set to me"),
        (
            FactsChange(forced_down=True),
            Facts(zone="z", forced_down=True),
            "operator: forced down",
        ),
    ],
)
def test_a_change_changes_what_it_names(change: FactsChange, facts: Facts, words: str) -> None:
    assert changed(Facts(zone="z"), change) == facts
    assert described(change) == words


async def test_waiting_for_a_version_ends_with_the_next_one() -> None:
    stage = Stage()
    before = stage.roll.version
    seen: list[int] = []

    async def wait() -> None:
        seen.append(await stage.roll.changes.wait(before))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        stage.sweep(seated=((0, host("a")),))
    assert seen == [before + 1] * 3


def test_a_change_too_large_for_the_log_sends_readers_back_to_the_start() -> None:
    stage = Stage()
    log: ChangeLog = stage.roll.changes
    before = log.version
    stage.sweep(seated=tuple((n, host(f"h{n}")) for n in range(LOG_LIMIT + 1)))
    assert log.changes_since(before, None) is None
    assert log.changes_since(log.version, None) == []
