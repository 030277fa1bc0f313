"""Store URLs of memcached and of the embedded store."""

import pytest

from musterd.errors import ConfigError
from musterd.stores import Store, open_store


def opened(url: str) -> Store:
    return open_store(url, namespace="fleet", timeout=1, beat_ttl=600)


@pytest.mark.parametrize(
    ("url", "names", "replicas"),
    [
        ("memcached://h1", ["h1:11211"], 1),
        ("memcached://h1:1/", ["h1:1"], 1),
        ("memcached://h1,h2", ["h1:11211", "h2:11211"], 2),
        ("memcached://h1,h2,h3:7", ["h1:11211", "h2:11211", "h3:7"], 2),
        ("memcached://h1,h2?replicas=1", ["h1:11211", "h2:11211"], 1),
        ("memcached://h1,h2,h3?replicas=3", ["h1:11211", "h2:11211", "h3:11211"], 3),
        ("memcached://H1.Example.ORG., h2", ["h1.example.org:11211", "h2:11211"], 2),
        ("memcached://[::1],[2001:DB8:0::5]:7", ["[::1]:11211", "[2001:db8::5]:7"], 2),
        ("memcached://10.0.0.1:11212", ["10.0.0.1:11212"], 1),
        ("embedded://127.0.0.1", ["127.0.0.1:11311"], 1),
        ("embedded://127.0.0.1:7", ["127.0.0.1:7"], 1),
        ("embedded://[::1]:7", ["[::1]:7"], 1),
    ],
)
def test_servers_and_replicas(url: str, names: list[str], replicas: int) -> None:
    store = opened(url)
    assert list(store.shard_names) == names
    assert store.replicas == replicas
    assert list(opened(store.url).shard_names) == names
    assert opened(store.url).replicas == replicas


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("memcached:h1", "needs // after memcached:"),
        ("memcached://", "has '' for a server; it must be host, host:port or [IPv6]:port"),
        ("memcached://h1,", "has '' for a server"),
        ("memcached://h1:0", "has 'h1:0' for a server"),
        ("memcached://h1:99999", "has 'h1:99999' for a server"),
        ("memcached://h1:", "has 'h1:' for a server"),
        ("memcached://h1:x", "has 'h1:x' for a server"),
        ("memcached://::1", "has '::1' for a server"),
        ("memcached://[::1", "has '[::1' for a server"),
        ("memcached://[nonsense]:1", "has '[nonsense]:1' for a server"),
        ("memcached://h 1", "has 'h 1' for a server"),
        ("memcached://h1,h2,h1", "names h1:11211 twice"),
        ("memcached://H1:11211,h1", "names h1:11211 twice"),
        ("memcached://[::1],[0:0::1]", "names [::1]:11211 twice"),
        ("memcached://h1?replicas=2", "has replicas=2; it must be 1 to 1, its servers"),
        ("memcached://h1,h2?replicas=0", "has replicas=0; it must be 1 to 2"),
        ("memcached://h1,h2?replicas=", "has replicas=; it must be 1 to 2"),
        ("memcached://h1,h2?replicas=-1", "has replicas=-1; it must be 1 to 2"),
        ("memcached://h1,h2?replicas=²", "has replicas=²; it must be 1 to 2"),
        ("memcached://h1?weight=3", "has an option 'weight'; the only one is replicas"),
        ("memcached://h1/path", "has more than servers and ?replicas="),
        ("memcached://h1#part", "has more than servers and ?replicas="),
        ("memcached://user@h1", "has a user name; memcached is reached without one"),
        ("embedded://h1,h2", "names several servers; the embedded store is one"),
        ("embedded://", "has '' for a server"),
    ],
)
def test_what_is_wrong_with_it(url: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        opened(url)
    assert complaint in str(caught.value)
    assert repr(url) in str(caught.value)


def test_passwords_stay_hidden() -> None:
    with pytest.raises(ConfigError) as caught:
        opened("memcached://user:hunter2@h1")
    assert "hunter2" not in str(caught.value)


def test_the_order_of_servers_does_not_matter() -> None:
    one = opened("memcached://h1,h2,h3,h4")
    other = opened("memcached://h3,H1:11211,h4,h2")
    for identity in range(200):
        assert [one.shard_names[at] for at in one.place(identity)] == [
            other.shard_names[at] for at in other.place(identity)
        ]


@pytest.mark.parametrize("url", ["memory:two words", "memory:/"])
def test_a_memory_store_has_a_name_or_none(url: str) -> None:
    with pytest.raises(ConfigError, match="memory store name"):
        opened(url)
