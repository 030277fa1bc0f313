"""``musterd nova`` is wired here: what is started in which order, and how it stops."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from math import isinf
from pathlib import Path
from time import time

import anyio
import anyio.to_thread
import structlog
from anyio.abc import TaskGroup

from musterd.answers import MemberAnswer
from musterd.client import AsyncClient
from musterd.settings.login import token_in
from musterd.settings.settings import Settings
from musterd.systemd import PassedSocket, Systemd
from musterd_coordinator.nova import lastview
from musterd_coordinator.nova.door import NovaDoor
from musterd_coordinator.nova.following import Following
from musterd_coordinator.nova.keeping import KEPT, KeptConnections
from musterd_coordinator.nova.lateness import Lateness
from musterd_coordinator.process.daemon import lasting
from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.turns import in_steps

log = structlog.get_logger(__name__)

VIEW = "musterd-nova.view"
"""The file of the last view, where no other is named."""

_LATE_TIMEOUT = 5.0  # seconds for a page of members

SAVE_PERIOD = 5.0
"""Seconds from one save of what changed to the next."""

Kept = tuple[bytes, bool, float]
"""A service that wrote of itself: its key, whether it is down, and its seconds of silence."""


class DoorService:
    """A `DoorService` is all the parts of one ``musterd nova``; it is made inside a running loop."""

    def __init__(
        self, settings: Settings, systemd: Systemd, passed: Sequence[PassedSocket]
    ) -> None:
        listening = [one.socket for one in passed if not one.name.startswith(KEPT)]
        self._kept = [one for one in passed if one.name.startswith(KEPT)]
        self.following = Following(settings, token_in(settings))
        self.door = NovaDoor(
            settings,
            self.following,
            wall=time,
            passed=listening,
            keeping=KeptConnections(systemd, [one.name for one in self._kept]),
        )
        self._file = Path(settings.nova_view or VIEW)
        self._saving = anyio.Lock()
        self._saved: object = None
        self._failed = False

    def renew(self) -> None:
        """Take renewed certificates now."""
        if self.door.tls is not None:
            self.door.tls.look(patient=False)

    def remember(self) -> None:
        """Begin with the last view of an earlier run, if there is one that is of use."""
        last = lastview.read(self._file, self.following.topics, time())
        if last is None:
            return
        self.following.remember(last)
        self.door.writers.restore(last.writers)
        log.info(
            "last view remembered",
            members=len(last.verdicts),
            writers=len(last.writers),
            age=round(last.age, 1),
        )

    async def open(self) -> None:
        """Listen, and go on with the connections that systemd kept."""
        await self.door.server.start()
        for kept in self._kept:
            await self.door.server.adopt(kept.name, kept.socket)

    async def keep_saving(self) -> None:
        """Save what is known, time and again, until cancelled."""
        while True:
            await anyio.sleep(SAVE_PERIOD)
            await self.save()

    async def save(self) -> None:
        """Save what is known, or, where that is what was saved last, since when it holds.

        A file that cannot be written is told of once.
        """
        async with self._saving:
            writers, known = await in_steps(self._known())
            age = self.following.age
            if isinf(age) or not (self.following.verdicts or writers):
                return
            same, since = known == self._saved, time() - age
            content = None if same else await in_steps(self._packed(writers, since))
            try:
                await anyio.to_thread.run_sync(lastview.write, self._file, since, content)
            except OSError as error:
                if not self._failed:
                    log.warning("last view not saved", file=str(self._file), reason=str(error))
                self._saved, self._failed = None, True
            else:
                self._saved, self._failed = known, False

    def _packed(self, writers: Sequence[Kept], since: float) -> Steps[bytes]:
        """Return the file's content, made in steps: a thread would take the interpreter from answers."""
        verdicts, topics = self.following.verdicts, self.following.topics
        return lastview.packed(topics, verdicts, writers, since)

    def _known(self) -> Steps[tuple[list[Kept], object]]:
        """Return services that wrote of themselves, and what differs when more than times changed."""
        writers, states, changes = list[Kept](), bytearray(), self.following.changes
        for number, (key, is_down, silence) in enumerate(self.door.writers.kept(), 1):
            writers.append((key, is_down, silence))
            states += b"%b%d" % (key, is_down)
            if not number % lastview.PORTION:
                yield
        return writers, (changes, states)

    async def close(self) -> None:
        """Save what is known, and leave connections to the next run where systemd keeps them."""
        await self.save()
        self.door.server.leave()
        await self.door.aclose()


@asynccontextmanager
async def running(
    settings: Settings, systemd: Systemd, passed: Sequence[PassedSocket] = ()
) -> AsyncIterator[DoorService]:
    """Run the door, which opens when it has verdicts; leave nothing running behind.

    Raises ConfigError or CannotListen when it cannot begin.
    """
    service = DoorService(settings, systemd, passed)
    await service.door.check(settings)
    service.remember()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lasting, "following", service.following.run)
        systemd.notify(STATUS="waits for verdicts: closed until a coordinator tells who is up")
        await service.following.known()
        await service.open()
        _keep_up(service, settings, tasks)
        try:
            yield service
        finally:
            with anyio.CancelScope(shield=True):
                await service.close()
            tasks.cancel_scope.cancel()


def _keep_up(service: DoorService, settings: Settings, tasks: TaskGroup) -> None:
    service.door.keep_up(tasks)
    tasks.start_soon(lasting, "last view", service.keep_saving)
    tasks.start_soon(lasting, "late members", partial(_keep_late, service, settings))


async def _keep_late(service: DoorService, settings: Settings) -> None:
    files = {key: getattr(settings, key) for key in ("ca_file", "cert_file", "key_file")}
    token = token_in(settings)
    async with AsyncClient(settings.coordinator, _LATE_TIMEOUT, token=token, **files) as client:
        ask = partial(_late, client)
        topics, interval = service.following.topics, settings.interval
        await Lateness(service.door.answers, topics, ask, interval).keep_asking()


async def _late(
    client: AsyncClient, group: str, seconds: float
) -> AsyncGenerator[MemberAnswer, None]:
    async for member in client.members(group, up=True, silent_for=seconds):
        yield member
