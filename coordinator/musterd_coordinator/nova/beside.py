"""A coordinator of a small cloud opens the door itself, where its option ``nova_listen`` says."""

from time import time

import anyio
import structlog

from musterd.errors import MusterdError
from musterd.settings.declared.door import topics_of
from musterd.settings.settings import Settings
from musterd_coordinator.nova.door import NovaDoor
from musterd_coordinator.nova.lateness import Lateness
from musterd_coordinator.nova.ownroll import OwnRoll
from musterd_coordinator.process.daemon import lasting
from musterd_coordinator.service.contract import CoordinatorApi

log = structlog.get_logger(__name__)

AGAIN = 10.0
"""Seconds until a door that could not open is tried again: a coordinator goes on without it."""


class OwnDoor:
    """An `OwnDoor` is a coordinator's; it is made inside a running loop."""

    def __init__(self, settings: Settings, desk: CoordinatorApi) -> None:
        self._settings = settings
        self._roll = OwnRoll(desk, topics_of(settings.nova_groups))
        self.door = NovaDoor(settings, self._roll, wall=time)

    async def check(self) -> None:
        """Raise ConfigError for a door that nobody should open."""
        await self.door.check(self._settings)

    def renew(self) -> None:
        """Take renewed certificates now."""
        if self.door.tls is not None:
            self.door.tls.look(patient=False)

    async def run(self) -> None:
        """Open when there are verdicts, and answer until cancelled."""
        topics, interval = topics_of(self._settings.nova_groups), self._settings.interval
        late = Lateness(self.door.answers, topics, self._roll.late, interval)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lasting, "following the roll", self._roll.run)
            await self._roll.known()
            await self._open()
            self.door.keep_up(tasks)
            tasks.start_soon(lasting, "late members", late.keep_asking)
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await self.door.aclose()

    async def _open(self) -> None:
        while True:
            try:
                await self.door.server.start()
            except MusterdError as error:
                reason = str(error)  # and no traceback, for a user's mistake
                log.error("door not open", reason=reason, again_in=AGAIN)  # noqa: TRY400
                await anyio.sleep(AGAIN)
            else:
                log.info("door open", listen=self.door.server.address)
                return
