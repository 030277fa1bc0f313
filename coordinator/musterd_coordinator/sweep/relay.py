"""The module stands for relays, which take the beats of agents and show none."""

from typing import NoReturn

from musterd.errors import ConfigError
from musterd.stores.relay import RelayDriver


def open_reader(driver: RelayDriver, shard: int, coordinator: str) -> NoReturn:
    """Raise ConfigError: there is no way to read beats from a relay."""
    del shard, coordinator
    names = ",".join(server.name for server in driver.servers)
    raise ConfigError(
        f"store relay://{names} takes the beats of agents and shows none: give a coordinator"
        " the postgresql:// URL that the relays write to"
    )
