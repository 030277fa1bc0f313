"""What the embedded store says of itself to tools that are made for memcached."""

import pytest

from musterd.stores.table.table import Table
from musterd_coordinator.memcache.server import MemcacheServer


def test_settings_and_items_are_those_of_the_table() -> None:
    table = Table(1 << 30, 1 << 16)
    server = MemcacheServer("127.0.0.1", 11311, table)
    assert server.statistics("items") == {}
    table.set(b"k", b"value")
    items, settings = server.statistics("items"), server.statistics("settings")
    assert items is not None
    assert settings is not None
    assert (items["items:1:number"], items["items:1:mem_requested"]) == (1, table.bytes_used)
    assert (settings["maxbytes"], settings["item_size_max"]) == (1 << 30, 1 << 16)
    assert (settings["inter"], settings["tcpport"]) == ("127.0.0.1", 11311)


@pytest.mark.parametrize("kind", ["sizes", "slabs", "conns", "detail"])
def test_of_memory_that_it_does_not_manage_it_has_nothing_to_say(kind: str) -> None:
    assert MemcacheServer("127.0.0.1", 11311, Table()).statistics(kind) == {}
