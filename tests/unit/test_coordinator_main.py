"""What a coordinator's process does besides its work."""

import gc
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel

from musterd_coordinator.process.garbage import settle
from musterd_coordinator.wiring import located


async def test_what_is_kept_of_members_is_collected_no_more_once_all_are_known() -> None:
    known, frozen, thresholds = anyio.Event(), gc.get_freeze_count(), gc.get_threshold()
    gc.disable()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(settle, known.is_set, poll=0.0))
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            assert gc.get_freeze_count() == frozen
            assert not gc.isenabled()
            known.set()
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            assert gc.get_freeze_count() > frozen
            assert gc.isenabled()
            assert gc.get_threshold()[:2] == thresholds[:2]
            assert gc.get_threshold()[2] > 1000 * thresholds[2]
            tasks.cancel_scope.cancel()
    finally:
        gc.enable()
        gc.unfreeze()
        gc.set_threshold(*thresholds)


async def test_a_start_that_takes_long_has_its_garbage_collected() -> None:
    frozen = gc.get_freeze_count()
    gc.disable()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(settle, lambda: False, poll=0.0, busy=0.0))
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            assert gc.isenabled()
            assert gc.get_freeze_count() == frozen
            tasks.cancel_scope.cancel()
    finally:
        gc.enable()


def test_a_registry_is_named_by_its_whole_path() -> None:
    assert located("sqlite:///musterd.db") == f"sqlite:///{Path.cwd()}/musterd.db"
    assert located("sqlite:////var/lib/m.db") == "sqlite:////var/lib/m.db"
    assert located("postgresql://u:***@h/d") == "postgresql://u:***@h/d"
