"""The demo tells its story step by step."""

import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from anyio import to_thread

from musterd.errors import ConfigError
from musterd.model import State
from musterd.settings.sources import Settings
from musterd_coordinator.demo.cast import GROUP, HOSTS, INTERVAL, SERVICE_DOWN_TIME, Cast
from musterd_coordinator.demo.scenes import Scene, after, play
from musterd_coordinator.demo.stage import Stage
from musterd_coordinator.http.app import make_app
from musterd_coordinator.http.server import serve_http
from musterd_coordinator.wiring import running

SWEEP_PERIOD = 0.5
START = 30.0  # a slow machine needs time to start its processes
FOUND = SERVICE_DOWN_TIME + SWEEP_PERIOD + INTERVAL + 1.0
HANG = 2 * SERVICE_DOWN_TIME
AWAY = 1.5 * SERVICE_DOWN_TIME
PUSH = 0.8 * INTERVAL


async def tell(members: int, keep: bool) -> bool:
    """Tell the whole story; say whether every step went as told."""
    if members <= HOSTS:
        raise ConfigError(f"--members {members}: the demo kills {HOSTS} hosts; take at least 4")
    with TemporaryDirectory(prefix="musterd-demo-") as name, Cast(members) as cast:
        async with running(_settings(cast, Path(name))) as desk, anyio.create_task_group() as tasks:
            urls: list[str] = await tasks.start(serve_http, make_app(desk), "127.0.0.1:0")
            stage = Stage(desk, members)
            tasks.start_soon(stage.run)
            try:
                scenes = await _play(cast, stage, urls[0])
                if keep:
                    await _keep(stage, urls[0])
            finally:
                stage.close()
            tasks.cancel_scope.cancel()
    return all(scene.well for scene in scenes)


def _settings(cast: Cast, directory: Path) -> Settings:
    return Settings(
        store=cast.store_url,
        service_down_time=SERVICE_DOWN_TIME,
        sweep_period=SWEEP_PERIOD,
        interval=INTERVAL,
        listen="127.0.0.1:0",
        registry=f"sqlite:///{directory / 'registry.db'}",
    )


async def _play(cast: Cast, stage: Stage, url: str) -> list[Scene]:
    stage.say(
        f"musterd demo: {len(cast.names)} hosts beat once a second into a store, all of them real"
        f" processes.\nDown after {SERVICE_DOWN_TIME:g} s of listening without a beat; swept twice a"
        f" second.\nThe coordinator answers at {url} (a page, too)"
    )
    acts: dict[str, Callable[[Cast, Stage], Awaitable[Scene]]] = {
        "All hosts start": _roll_call,
        f"{HOSTS} hosts are killed with kill -9": _deaths,
        f"The store hangs for {HANG:g} s, twice the down time": _hang,
        f"The store is killed and comes back empty {AWAY:g} s later": _restart,
        f"The {HOSTS} hosts come back": _return,
    }
    return await play({title: partial(act, cast, stage) for title, act in acts.items()}, stage.say)


async def _roll_call(cast: Cast, stage: Stage) -> Scene:
    await to_thread.run_sync(cast.start)
    took = await stage.until(cast.names, State.UP, START)
    return Scene("all up", after("all up", took), took is not None)


async def _deaths(cast: Cast, stage: Stage) -> Scene:
    stage.mortal |= set(cast.hosts)
    await to_thread.run_sync(cast.kill_hosts)
    took = await stage.until(cast.hosts, State.DOWN, FOUND)
    return _scene(stage, "3 down, nobody else", after("down", took), took is not None)


async def _hang(cast: Cast, stage: Stage) -> Scene:
    cast.store.pause()
    deaf = await stage.until_listening(False, START)
    await anyio.sleep(HANG - (deaf or 0.0))
    cast.store.resume()
    return await _recovery(cast, stage, deaf)


async def _restart(cast: Cast, stage: Stage) -> Scene:
    cast.store.kill()
    deaf = await stage.until_listening(False, START)
    await anyio.sleep(AWAY - (deaf or 0.0))
    await to_thread.run_sync(cast.store.start)
    return await _recovery(cast, stage, deaf)


async def _recovery(cast: Cast, stage: Stage, deaf: float | None) -> Scene:
    """Wait until the store is heard again and a whole down time of listening has passed."""
    heard = await stage.until_listening(True, START)
    await anyio.sleep(SERVICE_DOWN_TIME + INTERVAL + PUSH + SWEEP_PERIOD)
    alive = [name for name in cast.names if name not in stage.mortal]
    beating = stage.silence(alive) <= 2 * INTERVAL + SWEEP_PERIOD
    seen = (
        f"{after('not listening', deaf)}; {after('listening again', heard)};"
        f" all {len(alive)} beat again"
        if beating
        else f"silent for {stage.silence(alive):.1f} s"
    )
    return _scene(stage, "nobody accused", seen, deaf is not None and heard is not None and beating)


async def _return(cast: Cast, stage: Stage) -> Scene:
    await to_thread.run_sync(cast.start_hosts)
    took = await stage.until(cast.hosts, State.UP, START)
    return _scene(stage, "all up", after("up", took), took is not None)


def _scene(stage: Stage, expected: str, seen: str, well: bool) -> Scene:
    """Return a scene, which is well only if no living member was accused up to its end."""
    if not stage.accused:
        return Scene(expected, f"{seen}; nobody alive accused", well)
    name, said = next(iter(stage.accused.items()))
    seen = f"{seen}; {len(stage.accused)} alive accused, such as {name}: {said}"
    stage.accused = {}
    return Scene(expected, seen, False)


async def _keep(stage: Stage, url: str) -> None:  # pragma: no cover  # until a signal ends the demo
    stage.say(
        f"\nAll of it keeps running. Try, from another terminal:\n"
        f"  musterd members {GROUP} --coordinator {url}\n"
        f"  musterd status --coordinator {url}\n"
        f"  kill -9 a process of the group of {os.getpid()}; Ctrl-C here ends it."
    )
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        await anext(signals)
