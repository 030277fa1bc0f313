"""What a registry is, and what it makes of rows that nobody of ours wrote."""

import pytest

from musterd.errors import ConfigError, RegistryError
from musterd_coordinator.registry.base import open_registry
from musterd_coordinator.registry.rows import portion_in

NOW = "2026-01-01T00:00:00+00:00"


def test_what_can_be_a_registry_is_said() -> None:
    with pytest.raises(
        ConfigError, match="begins with 'etcd'; it must be one of mariadb, mysql, postgres, "
    ):
        open_registry("etcd://h1/fleet", namespace="fleet", timeout=5.0)


@pytest.mark.parametrize("names", [[7, "b"], ["a", None]])
def test_a_name_that_is_no_text_is_damage(names: list[object]) -> None:
    with pytest.raises(RegistryError, match="are damaged: a name is no text"):
        portion_in([(name, NOW, NOW, "[]") for name in names])


async def test_of_nobody_no_database_is_asked() -> None:
    registry = open_registry("postgresql://u@192.0.2.1/fleet", namespace="fleet", timeout=5.0)
    assert (await registry.lacking([]), await registry.look_up([])) == ([], [])
