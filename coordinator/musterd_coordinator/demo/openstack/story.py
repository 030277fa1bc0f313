"""The story of an OpenStack is told step by step: watched, asked, broken, and left alone again."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from anyio import to_thread

from musterd.errors import ConfigError
from musterd.report.assessing import OURS
from musterd.testing.processes import ServerError
from musterd_coordinator.demo.board import Board
from musterd_coordinator.demo.openstack import nova_python
from musterd_coordinator.demo.openstack.asking import CONTROLLER, Controller
from musterd_coordinator.demo.openstack.cast import (
    HOSTS,
    INTERVAL,
    SERVICE_DOWN_TIME,
    SWEEP_PERIOD,
    NovaCast,
)
from musterd_coordinator.demo.openstack.confs import ASKS
from musterd_coordinator.demo.openstack.play import Play
from musterd_coordinator.demo.openstack.process import NovaProcess
from musterd_coordinator.demo.scenes import Scene, after, play

PROGRAM = Path(__file__).with_name("hosts.py")
START = 60.0
FOUND = SERVICE_DOWN_TIME + 2 * INTERVAL + 4 * SWEEP_PERIOD
GONE = 2.0 * SERVICE_DOWN_TIME
AWAY = 5.0
QUIET = SERVICE_DOWN_TIME + INTERVAL + 1.0
"""Seconds after which all are called down who ever will be."""

MOST = 0.5
"""The share of living hosts that Nova's own rule calls down at least when its database comes back."""

_BEGIN = f"""\
musterd demo --nova: {HOSTS} compute hosts whose reports, each {INTERVAL} s, are Nova's own code;
a MariaDB with Nova's own tables; and Nova asked for every host again and again, by its drivers db and mc.
There is no RabbitMQ: hosts write to the database as a conductor does for them.
service_down_time is {SERVICE_DOWN_TIME} s for Nova and for musterd."""


async def tell(keep: bool) -> bool:
    """Tell the whole story; say whether every step went as told. Raises ConfigError."""
    python = nova_python()
    board = Board(HOSTS)
    board.say(_BEGIN)
    try:
        with (
            TemporaryDirectory(prefix="musterd-demo-") as name,
            calling_cast(),
            NovaCast(Path(name)) as cast,
        ):
            async with _playing(python, cast, board) as given:
                scenes = await play(acts_of(given), board.say)
                if keep:
                    await _keep(given)
    finally:
        board.close()
    return all(scene.well for scene in scenes)


@contextmanager
def calling_cast() -> Iterator[None]:
    """Raise ConfigError where a server is missing or does not start."""
    try:
        yield
    except ServerError as error:
        raise ConfigError(f"--nova: {error}") from None


@asynccontextmanager
async def _playing(python: Path, cast: NovaCast, board: Board) -> AsyncIterator[Play]:
    await to_thread.run_sync(cast.start_database)
    words = PROGRAM, cast.by_db, str(HOSTS)
    async with (
        NovaProcess.running(python, cast.by_db.with_name("hosts.log"), *words) as hosts,
        anyio.create_task_group() as tasks,
    ):
        given = Play(python, cast, hosts, board, tasks)
        tasks.start_soon(given.show)
        tasks.start_soon(given.musterd.run)
        yield given
        tasks.cancel_scope.cancel()


def acts_of(given: Play) -> dict[str, Callable[[], Awaitable[Scene]]]:
    """Return the acts of the story by their titles."""
    acts = {
        "A coordinator watches Nova's database, and nothing of Nova's changes": _watch,
        "Nova is switched on to ask musterd, by its nova.conf": _switch_on,
        "A host stops reporting": _death,
        f"The database is away for {GONE:g} s, twice the down time": _outage,
        f"The coordinator is killed, and starts {AWAY:g} s later": _coordinator_dies,
        "Nova is switched off again: one line less in its nova.conf": _switch_off,
        "musterd report reads what the coordinator recorded of all this": _report,
    }
    return {title: partial(act, given) for title, act in acts.items()}


async def _watch(given: Play) -> Scene:
    await given.start(given.by_db)
    await given.do(given.cast.watch)
    everybody = len(given.names)
    took = await given.until(
        lambda: given.watched() == everybody and not given.by_db.opinions.down, START
    )
    return Scene("all up in both", after(f"all {everybody} up", took), took is not None)


async def _switch_on(given: Play) -> Scene:
    await given.do(given.cast.door.start)
    bites, said = await given.do(given.cast.check)
    given.board.say("\n".join(f"   {line}" for line in said.splitlines()))
    await given.start(given.by_door)
    driver, down = given.by_door.driver, len(given.by_door.opinions.down)
    seen = f"Nova asks by its driver {driver}, of {len(given.names)} hosts {down} are down"
    well = not bites and driver == "mc" and not down
    return Scene("nothing bites, all up", seen, well)


async def _death(given: Play) -> Scene:
    given.begin()
    host = given.names[-1]
    await given.stop(host)
    took = dict[str, float | None]()

    async def find(whose: str, controller: Controller) -> None:
        took[whose] = await given.until(lambda: host in controller.opinions.down, FOUND)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(find, "by Nova's rule", given.by_db)
        tasks.start_soon(find, "by the door", given.by_door)
    seen = "; ".join(after(f"down {whose}", took[whose]) for whose in sorted(took))
    return _scene(given, "found by both, nobody else", seen, None not in took.values())


async def _outage(given: Play) -> Scene:
    given.begin()
    await given.do(given.cast.database.stop)
    deaf = await given.until(lambda: not given.musterd.listening, START)
    await anyio.sleep(GONE - (deaf or 0.0))
    asked = given.by_door.opinions.answers
    await given.do(given.cast.database.start)
    heard = await given.until(lambda: given.musterd.listening, START)
    await anyio.sleep(QUIET)
    nova = given.by_db.opinions.wronged(given.dead)
    living = len(given.names) - len(given.dead)
    seen = (
        f"Nova's own rule called {nova.hosts} of {living} living hosts down,"
        f" for {nova.longest:.1f} s at most; the door was asked {asked} times for each meanwhile;"
        f" musterd {after('not listening', deaf)}, {after('listening again', heard)}"
    )
    well = nova.hosts > MOST * living and asked > 0 and deaf is not None and heard is not None
    return _scene(given, "Nova's rule is wrong, the door is not", seen, well)


async def _coordinator_dies(given: Play) -> Scene:
    given.begin()
    await given.do(given.cast.coordinator.kill)
    await anyio.sleep(AWAY)
    await given.do(given.cast.coordinator.start)
    heard = await given.until(lambda: given.musterd.listening, START)
    await anyio.sleep(QUIET)
    asked = given.by_door.opinions.answers
    seen = f"the door was asked {asked} times for each; {after('listening again', heard)}"
    return _scene(given, "the door keeps its view", seen, heard is not None)


async def _switch_off(given: Play) -> Scene:
    given.by_door.stop()
    await given.do(given.cast.switch_off)
    given.by_door = given.controller(given.cast.by_door)
    await given.start(given.by_door)
    driver = given.by_door.driver
    same = await given.until(lambda: given.by_door.opinions.down == given.dead, FOUND)
    seen = f"without {ASKS!r}, and without a door, Nova asks by its driver {driver}"
    well = driver == "db" and same is not None
    return Scene("as it was before", seen, well)


async def _report(given: Play) -> Scene:
    text, answer = await given.do(given.cast.report)
    given.board.say("\n".join(f"   {line}" for line in text.splitlines()))
    wrong = {judge: said.members for judge, said in answer.total.judges.items()}
    found = answer.total.deaths.found
    seen = "; ".join(
        f"{judge} called {count} living hosts down, and found {found.get(judge, 0)} dead"
        for judge, count in sorted(wrong.items())
    )
    living = len(given.names) - len(given.dead)
    well = not wrong[OURS] and wrong["db"] > MOST * living and found.get(OURS) == len(given.dead)
    return Scene("the same in figures", seen, well)


def _scene(given: Play, expected: str, seen: str, well: bool) -> Scene:
    """Return a scene, which is well only if the door knows who is dead and called nobody else so."""
    wronged = given.by_door.opinions.wronged(given.dead)
    if wronged.hosts:
        seen = f"{seen}; the door called {wronged.hosts} living hosts down, for {wronged.longest:.1f} s"
    elif failed := given.by_door.failed:
        seen = f"{seen}; a question to the door failed: {failed}"
    else:
        seen = f"{seen}; the door called nobody alive down"
    knows = given.by_door.opinions.down == given.dead
    return Scene(expected, seen, well and knows and not wronged.hosts and not given.by_door.failed)


async def _keep(given: Play) -> None:  # pragma: no cover  # until a signal ends the demo
    cast = given.cast
    given.board.say(f"""
Hosts, database and coordinator keep running; Ctrl-C here ends them. From another terminal:
  musterd members compute --coordinator {cast.url}
  musterd status --coordinator {cast.url}
To go through docs/openstack.md with this database, begin with these lines; the administrator's password
is {cast.database.password}
{cast.assignments()}
What a Nova says that starts with this nova.conf, its driver and who is down by that:
  echo | {given.python} -I -W ignore {CONTROLLER} {cast.by_db}""")
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        await anext(signals)
