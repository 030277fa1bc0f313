"""What the demo with Nova's code is played with starts a Nova that asks, and shows who is up."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio

from musterd.model import State
from musterd_coordinator.demo.board import Board
from musterd_coordinator.demo.openstack.play import Play

HOSTS = ["h1", "h2"]
ANSWERS = """
print('{"driver": "db"}', flush=True)
for line in sys.stdin:
    print(json.dumps({"down": ["h1"]}), flush=True)
"""


async def test_a_nova_is_started_until_it_answers_and_all_is_shown(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!{sys.executable}\nimport json, sys\n{ANSWERS}\n")
    python.chmod(0o755)
    confs = {"by_db": tmp_path / "nova.conf", "by_door": tmp_path / "asks.conf"}
    made_up = cast(Any, SimpleNamespace(url="http://127.0.0.1:1", **confs))
    hosts = cast(Any, SimpleNamespace(ready={"hosts": HOSTS}))
    shown = list[tuple[str, int, str]]()
    board = Board(len(HOSTS))
    board.show = lambda *what: shown.append(what)  # type: ignore[method-assign]  # it is no terminal
    async with anyio.create_task_group() as tasks:
        given = Play(python, made_up, hosts, board, tasks)
        await given.start(given.by_db)
        tasks.start_soon(given.show)
        await given.until(lambda: bool(shown), 10)
        assert await given.do(lambda: 7) == 7
        given.begin()
        given.by_db.stop()
        tasks.cancel_scope.cancel()
    assert given.by_db.opinions.down == {"h1"}
    assert shown[0] == ("musterd", 0, "; by Nova's own rule 1; NOT LISTENING")
    given.musterd.status = cast(Any, SimpleNamespace(states={State.UP: 2}))
    assert given.watched() == 2
