"""The module finds cells that are mapped while a coordinator watches Nova."""

from collections.abc import Callable

import anyio
import structlog

from musterd.errors import ConfigError, StoreError
from musterd.stores import Store
from musterd.stores.nova.store import nova_driver, watching_more
from musterd.stores.nova.url import target_of
from musterd_coordinator.sweep.nova import cells

log = structlog.get_logger(__name__)

LOOK_EVERY = 6
"""Intervals of Nova's services from one look to the next: a minute by default."""


class NewCells:
    """A `NewCells` looks into ``cell_mappings`` now and then, and tells ``watch`` of a store with more cells.

    The cells of ``store`` are known. Those that are mapped no more are still watched.
    """

    def __init__(self, store: Store, watch: Callable[[Store], None]) -> None:
        self._store = store
        self._watch = watch
        self._said = ""

    async def run(self) -> None:
        """Look for ever, where the URL is of the database that knows cells."""
        while (driver := nova_driver(self._store)).zoned:
            await anyio.sleep(LOOK_EVERY * driver.rhythm.interval)
            await self.look()

    async def look(self) -> None:
        """Look once. What cannot be read, or watched, is logged once, and looked at again."""
        driver = nova_driver(self._store)
        try:
            found, _ = await cells.find(driver)
        except (StoreError, ConfigError) as error:
            if str(error) != self._said:
                log.warning("cells not known", reason=str(error))
            self._said = str(error)
            return
        self._said = ""
        known = {target_of(cell.database).name for cell in driver.cells}
        if more := [cell for cell in found if target_of(cell.database).name not in known]:
            log.info("cells found", cells=[cell.name for cell in more])
            self._store = watching_more(self._store, more)
            self._watch(self._store)
