"""What the demo with Nova's code decides, and how it speaks to programs of Nova's environment."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.errors import ConfigError
from musterd.settings.novacache import DoorFacts, Severity, findings
from musterd.settings.novafile import read_with_others
from musterd.testing.busy import in_time
from musterd.testing.processes import ServerError
from musterd_coordinator.demo.board import until
from musterd_coordinator.demo.openstack import nova_python
from musterd_coordinator.demo.openstack.asking import Controller, StatusFollower
from musterd_coordinator.demo.openstack.confs import NovaFacts, nova_conf, switched_off, switched_on
from musterd_coordinator.demo.openstack.opinions import Opinions
from musterd_coordinator.demo.openstack.process import NovaProcess
from musterd_coordinator.demo.openstack.story import calling_cast

HOSTS = ["h1", "h2", "h3"]
answers = st.lists(st.sets(st.sampled_from(HOSTS)), min_size=1)

# Opinions


def test_who_was_called_down_and_for_how_long_is_kept() -> None:
    opinions = Opinions()
    for at, down in enumerate([["h1"], ["h1", "h2", "h3"], ["h1", "h3"], ["h1"], ["h1"]]):
        opinions.take(float(at), down)
    assert opinions.down == {"h1"}
    assert opinions.answers == 5
    assert opinions.wronged({"h1"}) == (2, 2.0)
    opinions.begin()
    opinions.take(5.0, ["h1"])
    assert opinions.wronged({"h1"}) == (0, 0.0)
    assert opinions.wronged() == (1, 5.0)


@given(answers, st.sets(st.sampled_from(HOSTS)))
def test_whoever_was_called_down_once_and_lives_is_counted(
    said: list[set[str]], dead: set[str]
) -> None:
    opinions = Opinions()
    for at, down in enumerate(said):
        opinions.take(float(at), down)
    assert opinions.down == said[-1]
    assert opinions.wronged(dead).hosts == len(set().union(*said) - dead)
    assert opinions.wronged(dead).longest <= len(said) - 1


# nova.conf


def test_what_is_switched_on_bites_nowhere_and_goes_with_one_line(tmp_path: Path) -> None:
    plain = nova_conf(
        NovaFacts("mysql+pymysql://h/nova_api", "mysql+pymysql://h/nova_cell1", 3, 10)
    )
    on = switched_on(plain, "127.0.0.1:11511")
    file = tmp_path / "nova.conf"
    file.write_text(on)
    found = findings(read_with_others(file), DoorFacts("127.0.0.1", 11511, tls=False))
    assert [one for one in found if one.severity is Severity.BITES] == []
    assert set(on.splitlines()) - set(switched_off(on).splitlines()) == {"servicegroup_driver = mc"}
    assert switched_off(on).startswith(plain)


# Programs of Nova's environment


def pretender(place: Path, program: str) -> Path:
    """A Python that runs this, whatever it is told to run."""
    python = place / "python"
    python.write_text(f"#!{sys.executable}\nimport json, sys\n{program}\n")
    python.chmod(0o755)
    return python


ANSWERS = """
print('{"driver": "mc"}', flush=True)
for line in sys.stdin:
    print(json.dumps({"down": ["h1"], "of": json.loads(line)}), flush=True)
"""
FAILS = 'print(\'{"driver": "db"}\\n{"failed": "DBError"}\\n{"down": []}\', flush=True); sys.stdin.read()'


async def test_orders_are_answered(tmp_path: Path) -> None:
    python = pretender(tmp_path, ANSWERS)
    async with NovaProcess.running(python, tmp_path / "log", "program") as nova:
        assert nova.ready == {"driver": "mc"}
        assert (await nova.order("stop", host="h1"))["of"] == {"order": "stop", "host": "h1"}


async def ask_twice(python: Path, log: Path) -> None:
    async with NovaProcess.running(python, log) as nova:
        await nova.order("ask")
        await nova.order("ask")


@pytest.mark.parametrize("program", ["", "print('{}', flush=True); sys.stdin.readline()"])
async def test_a_program_that_ends_is_an_error_with_its_last_words(
    program: str, tmp_path: Path
) -> None:
    python = pretender(tmp_path, f"{program}\nsys.exit('No module named nova')")
    with pytest.raises(ConfigError, match="ended: No module named nova"):
        await ask_twice(python, tmp_path / "log")


async def test_one_that_says_nothing_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without a word"):
        await ask_twice(pretender(tmp_path, ""), tmp_path / "log")


async def test_a_controller_is_asked_until_it_is_stopped(tmp_path: Path) -> None:
    controller = Controller(pretender(tmp_path, ANSWERS), tmp_path / "log", tmp_path / "nova.conf")
    with in_time(10):
        async with anyio.create_task_group() as tasks:
            await tasks.start(controller.run)
            assert controller.driver == "mc"
            await until(lambda: controller.opinions.answers > 1, 10)
            controller.stop()
    assert controller.opinions.down == {"h1"}
    assert controller.failed == ""


async def test_what_a_controller_could_not_answer_is_kept(tmp_path: Path) -> None:
    controller = Controller(pretender(tmp_path, FAILS), tmp_path / "log", tmp_path / "nova.conf")
    with in_time(10):
        async with anyio.create_task_group() as tasks:
            await tasks.start(controller.run)
            await until(lambda: bool(controller.opinions.answers), 10)
            controller.stop()
    assert controller.failed == "DBError"


async def test_a_coordinator_that_does_not_answer_is_not_listening() -> None:
    follower = StatusFollower("http://127.0.0.1:1")
    follower.status = cast(Any, SimpleNamespace(ready=True, listening=True))
    assert follower.listening
    with in_time(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follower.run)
            await until(lambda: follower.status is None, 10)
            tasks.cancel_scope.cancel()
    assert not follower.listening


# What it takes


def test_without_nova_it_says_which_command_brings_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no Nova in .*; .*make demo ARGS=--nova"):
        nova_python(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    (tmp_path / "done").touch()
    assert nova_python(tmp_path) == tmp_path / "bin" / "python"


def test_a_server_that_is_missing_is_one_line() -> None:
    with pytest.raises(ConfigError, match="--nova: mariadbd is not installed"), calling_cast():
        raise ServerError("mariadbd is not installed: run 'make setup'")
