"""The module stands for relays, which take the beats of agents and show none."""

from typing import NoReturn

from musterd.errors import ConfigError
from musterd.stores.relay import RelayDriver
from musterd_coordinator.sweep.signed.signing import Signing


def open_reader(
    driver: RelayDriver, shard: int, coordinator: str, signing: Signing | None
) -> NoReturn:
    """Raise ConfigError: there is no way to read beats from a relay."""
    del shard, coordinator, signing
    names = ",".join(server.name for server in driver.servers)
    raise ConfigError(
        f"store relay://{names} takes the beats of agents and shows none: give a coordinator"
        " the postgresql:// or mysql:// URL that the relays write to"
    )
