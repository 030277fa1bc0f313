"""`musterd health`, against the real HTTP API over a desk of known answers."""

import json

from msgspec.structs import replace

from musterd.cli.health import faults
from tests.http_desk import DictDesk
from tests.unit.cli_desk import NOBODY, Coordinator, Run


def test_a_coordinator_is_well(run: Run, coordinator: Coordinator) -> None:
    assert run("health") == (0, f"{coordinator.url}: well\n", "")
    told = json.loads(run("health", "--json")[1])
    assert told == [{"of": coordinator.url, "well": True, "why": []}]


def test_one_that_is_not_ready_or_does_not_hear_is_not(run: Run, coordinator: Coordinator) -> None:
    coordinator.desk.ready = False
    status, out, _ = run("health")
    assert (status, out) == (
        1,
        f"{coordinator.url}: it has not listened for long enough to answer\n",
    )
    coordinator.desk.ready = True
    coordinator.do(coordinator.desk.listen, False, 12.0)
    status, out, _ = run("health")
    assert status == 1
    assert "does not hear its whole store" in out


def test_one_that_does_not_answer_is_not_and_the_others_are_asked(
    run: Run, coordinator: Coordinator
) -> None:
    status, out, err = run("health", "--coordinator", f"{NOBODY}, {coordinator.url}")
    assert (status, err) == (1, "")
    away, there = out.splitlines()
    assert away.startswith(f"{NOBODY}: ")
    assert "well" not in away
    assert there == f"{coordinator.url}: well"


def test_a_registry_that_is_lost_is_a_reason() -> None:
    answer = replace(DictDesk().status(), registry_ok=False, registry_reason="disk full")
    assert list(faults(answer)) == ["its registry is lost: disk full"]


def test_wrong_use_is_no_illness(run: Run) -> None:
    assert run("health", "--coordinator", "h:8420")[0] == 2
