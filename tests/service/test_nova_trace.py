"""Nova's own rule is recorded beside musterd's verdicts, of tables in MariaDB and PostgreSQL."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from musterd.model import State
from musterd.testing.mariadb import MariaDb
from musterd.testing.servers import Postgres
from musterd.trace.lines import RuleChange, SilenceEnded, TraceMember, VerdictChange
from tests.service.nova_lab import ROLE, NovaLab, nova_lab
from tests.service.trace_lab import TracedWatch

WARM = 60
HOSTS = [f"h{number:02}" for number in range(40)]
DOWN_TIME = 60.0
COLUMNS = "last_seen_up, created_at"


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDb]:
    with MariaDb(**MariaDb.cheap) as server:
        yield server


@pytest.fixture(params=["mariadb", "postgresql"])
def lab(request: pytest.FixtureRequest, mariadb: MariaDb, postgres: Postgres) -> Iterator[NovaLab]:
    """Nova's tables in one of them."""
    with nova_lab(mariadb if request.param == "mariadb" else postgres) as made:
        yield made


@pytest.fixture
async def watch(lab: NovaLab, tmp_path: Path) -> AsyncIterator[TracedWatch]:
    """A coordinator that has watched 40 hosts and a conductor for a minute, and records that."""
    lab.come(HOSTS)
    lab.come(["c1"], "conductor", count=7)
    made = TracedWatch(lab, HOSTS, ["c1"], path=tmp_path / "trace")
    await made.begin()
    await made.look(WARM)
    yield made
    await made.aclose()


async def test_a_host_that_is_stopped_is_dead_to_nova_and_then_here(watch: TracedWatch) -> None:
    assert watch.lines(RuleChange) == []
    assert len(watch.lines(TraceMember)) == len(HOSTS) + 1
    watch.muted = {"h07"}
    reported = 57.0  # its turn is each tenth second, from the seventh on
    await watch.look(90)
    number = watch.number("h07")
    assert watch.lines(RuleChange) == [
        RuleChange(reported + DOWN_TIME + 1, number, "db", 0, DOWN_TIME + 1)
    ]
    [down] = [line for line in watch.lines(VerdictChange) if line.state == "down"]
    assert (down.id, down.reason) == (number, "silent")
    assert reported + 75.0 <= down.t <= reported + 77.0
    watch.muted = set()
    await watch.look(10)
    [back] = watch.lines(SilenceEnded)
    assert (back.id, back.last, back.t, back.restart) == (number, reported, reported + 100.0, "")
    assert watch.lines(RuleChange)[1:] == [RuleChange(back.t, number, "db", 1, 0.0)]


async def test_a_clock_that_is_stepped_is_an_error_of_the_rule_alone(watch: TracedWatch) -> None:
    watch.ahead = 90.0
    await watch.look(5)
    dead = watch.lines(RuleChange)
    assert {line.alive for line in dead} == {0}
    assert len({line.id for line in dead}) == len(HOSTS) + 1
    assert {line.t for line in dead} == {WARM + 1.0}
    assert all(90.0 <= line.age <= 101.0 for line in dead if line.age is not None)
    watch.ahead = -70.0
    await watch.look(5)
    # Who reported less than ten seconds ago is in the future, by more than the rule takes.
    watch.ahead = 0.0
    await watch.look(1)
    alive = watch.lines(RuleChange)[len(dead) :]
    assert {line.id for line in alive if line.alive} == {line.id for line in dead}
    assert set(watch.states().values()) == {State.UP}
    assert not [line for line in watch.lines(VerdictChange) if line.state != "up"]


async def test_one_that_never_reported_is_as_old_as_its_row(watch: TracedWatch) -> None:
    watch.lab.come(["new"])
    watch.lab.execute(f"UPDATE services SET created_at = '{watch.instant()}' WHERE host = 'new'")
    await watch.look(62)
    assert watch.lines(RuleChange) == [
        RuleChange(WARM + 61.0, watch.number("new"), "db", 0, DOWN_TIME + 1)
    ]


async def test_without_the_right_to_read_the_times_all_else_goes_on(watch: TracedWatch) -> None:
    watch.lab.execute(f"REVOKE SELECT ({COLUMNS}) ON services FROM {ROLE}")
    watch.ahead = 90.0
    await watch.look(40)
    assert watch.lines(RuleChange) == []
    assert set(watch.reasons.values()) == {""}
    assert set(watch.states().values()) == {State.UP}
    watch.lab.execute(f"GRANT SELECT ({COLUMNS}) ON services TO {ROLE}")
    await watch.look(61)
    assert {line.alive for line in watch.lines(RuleChange)} == {0}
