"""The module opens Nova's databases as a store that coordinators watch, by URL.

Members are rows of Nova's own table ``services``, which Nova's services write themselves: see
``docs/watching.md``. A cell's database has two shards, for its rows come there by two ways that fail
independently of each other: see :class:`Leg`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NoReturn

from musterd.errors import ConfigError
from musterd.keys import Keyring
from musterd.stores.base import BothDrivers, Guarantees, Store
from musterd.stores.nova.url import NovaUrl, parse_url, target_of


class Leg(StrEnum):
    """A ``Leg`` is a way by which rows of ``services`` come to change.

    What nova-compute says passes a message queue and a conductor (``RPC``). All other services write
    to the database themselves (``DIRECT``).
    """

    DIRECT = "direct"
    RPC = "rpc"


@dataclass(frozen=True, slots=True)
class Cell:
    """A ``Cell`` is one of Nova's cells, and the URL of its database.

    It has no ``name`` where only its database is known.
    """

    name: str
    database: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A ``Rhythm`` says how often Nova's services report and a coordinator sweeps, in seconds."""

    interval: float = 10.0
    sweep_period: float = 1.0


@dataclass(frozen=True, slots=True)
class NovaDriver:
    """A ``NovaDriver`` has what is watched: the ``cells``, once they are known.

    ``zoned``: the URL is of the API database, which knows zones. ``signed``: agents beside it sign, so
    that numbers of beats never go back. ``timed``: when services were last seen up is read as well, for a
    trace of what Nova makes of it.
    """

    nova: NovaUrl
    namespace: str
    timeout: float
    cells: Sequence[Cell] = ()
    rhythm: Rhythm = Rhythm()
    zoned: bool = False
    signed: bool = False
    timed: bool = False

    @property
    def legs(self) -> Sequence[tuple[Cell, Leg]]:
        """Return what each shard reads."""
        return [(cell, leg) for cell in self.cells for leg in Leg]

    def writer(self, shard: int) -> NoReturn:
        """Raise ConfigError: an agent has nothing to say there."""
        del shard
        raise ConfigError(
            f"store {self.nova.url} is read by coordinators, and takes no beats: give agents a store"
            " of musterd's own, such as memcached://mc1:11211"
        )


def open_url(
    url: str, *, namespace: str, timeout: float, beat_ttl: float, keyring: Keyring | None = None
) -> Store:
    """Return the store of a ``nova+…:`` URL, for one cell: see :func:`watching`.

    Raises ConfigError for a bad URL, and where the database's driver is not installed.
    """
    del beat_ttl, keyring
    nova = parse_url(url)
    if nova.database.startswith(("mysql:", "mariadb:")):
        from musterd.stores.mysql.store import check_driver

        check_driver()
    store = Store(
        url=nova.url,
        shard_names=(nova.target.name,),
        replicas=1,
        guarantees=Guarantees.NEVER_EVICTS | Guarantees.SHARED | Guarantees.SURVIVES_RESTART,
        driver=NovaDriver(nova, namespace, timeout),
    )
    return watching(store, [Cell("", nova.database)], Rhythm())


def timed(store: Store) -> Store:
    """Return ``store``, of Nova's databases, with a driver that is :attr:`NovaDriver.timed`."""
    assert isinstance(store.driver, NovaDriver)
    return replace(store, driver=replace(store.driver, timed=True))


def watching(store: Store, cells: Sequence[Cell], rhythm: Rhythm, *, zoned: bool = False) -> Store:
    """Return ``store`` with a shard for each leg of these ``cells``."""
    assert isinstance(store.driver, NovaDriver)
    driver = replace(store.driver, cells=tuple(cells), rhythm=rhythm, zoned=zoned)
    names = tuple(f"{target_of(cell.database).name} {leg}" for cell, leg in driver.legs)
    return replace(store, shard_names=names, driver=driver, listing=tuple(range(len(names))))


def watching_more(store: Store, cells: Sequence[Cell]) -> Store:
    """Return ``store``, be it beside one of agents, with shards for these ``cells`` after all others."""
    if isinstance(store.driver, BothDrivers):
        nova = store.driver.listing
        more = watching_more(nova, cells)
        return beside(store.driver.agents, more, signed=nova_driver(store).signed)
    driver = nova_driver(store)
    return watching(store, [*driver.cells, *cells], driver.rhythm, zoned=driver.zoned)


def nova_driver(store: Store) -> NovaDriver:
    """Return what ``store`` has of Nova's, be it beside one of agents."""
    driver = store.driver
    if isinstance(driver, BothDrivers):
        driver = driver.listing.driver
    assert isinstance(driver, NovaDriver)
    return driver


def beside(agents: Store, nova: Store, *, signed: bool = False) -> Store:
    """Return both stores as one: the shards of ``agents``, who may have ``signed``, and those of ``nova``."""
    assert isinstance(nova.driver, NovaDriver)
    nova = replace(nova, driver=replace(nova.driver, signed=signed))
    first, names = len(agents.shard_names), agents.shard_names + nova.shard_names
    return replace(
        agents,
        url=f"{agents.url} {nova.url}",
        shard_names=names,
        driver=BothDrivers(agents, nova),
        listing=tuple(range(first, len(names))),
    )


_TOPICS = (
    "compute",
    "conductor",
    "scheduler",
    "consoleauth",
    "console",
    "cert",
    "network",
    "cells",
)


def is_novas(group: str) -> bool:
    """Say whether ``group`` is one of those in which services of Nova are."""
    return group in _TOPICS or group.startswith("nova-")
