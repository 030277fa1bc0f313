"""At SIGHUP the configuration is read again, and what can change while a daemon runs changes.

The rest is named, and waits for a restart. A configuration that cannot be used changes nothing.
"""

import signal
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
from msgspec.structs import asdict, replace

from musterd import log as output
from musterd.errors import ConfigError
from musterd.logger import get_logger
from musterd.settings.options import Role
from musterd.settings.settings import OPTIONS, Settings, aloud
from musterd.settings.sources import Loaded
from musterd.systemd import Systemd

log = get_logger(__name__)

Reread = Callable[[], Loaded]

LIVE = frozenset({"log_level"})
"""What every daemon changes while it runs."""


_early: list[int] = []  # SIGHUPs that nothing listened for yet


def keep_hangups() -> None:
    """Let SIGHUP end nothing, and keep it until something listens for it.

    A daemon that still starts has read its file already: a reload that is asked for now is not
    lost, it is done as soon as something listens.
    """
    _early.clear()
    signal.signal(signal.SIGHUP, lambda number, frame: _early.append(number))


def differing(old: Settings, new: Settings, role: Role) -> dict[str, tuple[Any, Any]]:
    """Return what daemons of ``role`` read and has changed: by option, the old and the new."""
    before, after = asdict(old), asdict(new)
    read = [key for key, option in OPTIONS.items() if option.role.includes(role)]
    if role is Role.AGENT:
        read.append("listed")
        if new.listed:  # then these are of no member
            read = [key for key in read if key not in ("group", "member", "zone", "owner")]
    return {key: (before[key], after[key]) for key in read if before[key] != after[key]}


class Reloading:
    """A ``Reloading`` has a daemon's settings while it runs.

    ``apply`` takes settings in which only options of ``live`` and :data:`LIVE` are new. ``renew``
    takes what is new in other files, certificates for one, whatever the configuration is.
    """

    def __init__(
        self,
        settings: Settings,
        reread: Reread,
        role: Role,
        *,
        live: Iterable[str] = (),
        apply: Callable[[Settings], None] = lambda settings: None,
        renew: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self._reread = reread
        self._role = role
        self._live = LIVE | set(live)
        self._apply = apply
        self._renew = renew

    async def run(self, systemd: Systemd) -> None:
        """Reload at every SIGHUP, until cancelled; ignore SIGHUP afterwards."""
        async with _hangups() as signals:
            if _early:
                await self._obey(systemd)
            async for _ in signals:
                await self._obey(systemd)

    async def _obey(self, systemd: Systemd) -> None:
        with systemd.reloading():
            await self.once()

    async def once(self) -> None:
        """Reload, and say in a line what came of it."""
        self._renew()
        try:
            loaded = await anyio.to_thread.run_sync(self._reread, abandon_on_cancel=True)
            new = loaded.settings
            changed = differing(self.settings, new, self._role)
            live = {key: both for key, both in changed.items() if key in self._live}
            fresh = replace(self.settings, **{key: new for key, (_, new) in live.items()})
            if live:
                self._apply(fresh)
        except ConfigError as error:
            reason = str(error)  # and no traceback, for a user's mistake
            log.error("configuration refused", reason=reason, note="nothing changed")  # noqa: TRY400
            return
        except Exception:  # no thread, no memory: not worth a daemon
            log.exception("configuration not read", note="nothing changed")
            return
        self.settings = fresh
        output.set_level(self.settings.log_level)
        for warning in loaded.warnings:
            log.warning("configuration doubtful", detail=warning)
        late = sorted(changed.keys() - live.keys())
        _say(loaded, {key: _words(key, *both) for key, both in live.items()}, late)


def _say(loaded: Loaded, changed: dict[str, str], late: list[str]) -> None:
    facts: dict[str, object] = {"file": str(loaded.file or "none"), "changed": changed or "nothing"}
    if late:
        names = ["[[member]]" if key == "listed" else key for key in late]
        facts["needs_restart"] = names
    # Somebody asked for it: it is said at whatever level.
    speak = {"warning": log.warning, "error": log.error}.get(loaded.settings.log_level, log.info)
    speak("configuration read again", **facts)


def _words(key: str, old: object, new: object) -> str:
    before, after = ("default" if value is None else f"{aloud(key, value)}" for value in (old, new))
    return f"{before} -> {after}"


@asynccontextmanager
async def _hangups() -> AsyncIterator[AsyncIterator[int]]:
    """Give SIGHUPs as they come; ignore them afterwards.

    An event loop that gives a signal up leaves it to its default, which is the end of the process.
    """
    try:
        with anyio.open_signal_receiver(signal.SIGHUP) as signals:
            try:
                yield signals
            finally:
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
