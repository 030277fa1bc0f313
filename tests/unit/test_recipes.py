"""The recipes of docs/recipes do what their page says, against the real HTTP API."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from musterd import Client
from musterd.errors import CoordinatorUnreachable
from musterd.model import Member, State
from tests.http_desk import DictDesk
from tests.http_serving import served

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
PLACE, EVACUATE, INVENTORY = (
    runpy.run_path(str(RECIPES / f"{name}.py")) for name in ("place", "evacuate", "inventory")
)


def members(*names: str) -> list[Member]:
    return [Member("compute", name, "rack-1", "ops") for name in names]


def a_desk() -> DictDesk:
    desk = DictDesk()
    desk.put(*members("h1", "h2"))
    desk.put(*members("h3"), state=State.SUSPECT)
    desk.put(*members("h4"), state=State.DOWN)
    return desk


async def asked(desk: DictDesk, ask: Callable[[Client], Any]) -> Any:
    """What a program with a client of its own makes of ``desk``."""

    def run(url: str) -> Any:
        with Client(url) as musterd:
            return ask(musterd)

    async with served(desk) as url:
        return await anyio.to_thread.run_sync(run, url)


def refused(error: type[Exception], ask: Callable[[Client], object]) -> Callable[[Client], None]:
    def run(musterd: Client) -> None:
        with pytest.raises(error):
            ask(musterd)

    return run


def passed(musterd: Client) -> list[str]:
    found: list[str] = PLACE["hosts_that_pass"](musterd, ["h4", "h2", "h1", "h9"])
    return found


async def test_hosts_pass_that_may_take_work() -> None:
    assert await asked(a_desk(), passed) == ["h2", "h1"]


async def test_old_answers_are_good_for_a_while() -> None:
    desk = a_desk()
    desk.listen(False, 5.0)
    assert await asked(desk, passed) == ["h2", "h1"]


@pytest.mark.parametrize("age", [600.0, None])
async def test_answers_that_are_too_old_place_nothing(age: float | None) -> None:
    desk = a_desk()
    desk.listen(False, age)
    await asked(desk, refused(PLACE["NothingKnown"], passed))


def test_no_answer_places_nothing_and_evacuates_nobody() -> None:
    evacuated: list[str] = []
    with Client("http://127.0.0.1:9", timeout=1.0) as nobody:
        with pytest.raises(PLACE["NothingKnown"]):
            passed(nobody)
        with pytest.raises(CoordinatorUnreachable):
            EVACUATE["evacuate_the_dead"](nobody, evacuated.append, set())
    assert evacuated == []


def evacuated_by(done: set[str]) -> Callable[[Client], list[str]]:
    def look(musterd: Client) -> list[str]:
        found: list[str] = []
        EVACUATE["evacuate_the_dead"](musterd, found.append, done)
        return found

    return look


async def test_only_who_is_down_is_evacuated_and_only_once() -> None:
    desk, done = a_desk(), set[str]()
    assert await asked(desk, evacuated_by(done)) == ["h4"]
    assert await asked(desk, evacuated_by(done)) == []
    desk.put(*members("h4"))
    assert await asked(desk, evacuated_by(done)) == []
    assert done == set()


async def test_nobody_is_evacuated_while_musterd_does_not_listen() -> None:
    desk = a_desk()
    desk.listen(False, 5.0)
    assert await asked(desk, evacuated_by(set())) == []


async def test_a_person_looks_at_many() -> None:
    desk, done = a_desk(), set[str]()
    desk.put(*members(*(f"m{n}" for n in range(EVACUATE["MOST"]))), state=State.DOWN)
    await asked(desk, refused(EVACUATE["TooMany"], evacuated_by(done)))
    assert done == set()


async def test_the_inventory_has_hosts_by_state_zone_and_use() -> None:
    def listed(musterd: Client) -> Any:
        return json.loads(json.dumps(INVENTORY["inventory"](musterd, "compute")))

    found = await asked(a_desk(), listed)
    hosts = {name: group["hosts"] for name, group in found.items() if name != "_meta"}
    everybody = ["h1", "h2", "h3", "h4"]
    assert hosts["up"] == ["h1", "h2"]
    assert (hosts["suspect"], hosts["down"]) == (["h3"], ["h4"])
    assert hosts["zone_rack_1"] == everybody
    assert set(hosts["schedulable"]) >= {"h1", "h2"}
    assert "h4" not in hosts["schedulable"]
    assert list(found["_meta"]["hostvars"]) == everybody
    assert found["_meta"]["hostvars"]["h1"] == {"musterd_zone": "rack-1", "musterd_owner": "ops"}
