"""Store URLs of memcached and of the embedded store."""

import pytest

from musterd.errors import ConfigError
from musterd.stores import Store, open_store
from musterd.stores.memcached.store import MemcachedDriver
from musterd.urls import without_secret


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
        ("memcached://user@h1", "has no user:password@ that memcached could take"),
        ("memcached://@h1", "has no user:password@ that memcached could take"),
        ("memcached://two%20words:x@h1", "has no user:password@ that memcached could take"),
        ("embedded://user@h1", "has a user name; only memcached:// and memcached+tls:// take one"),
        ("relay+tls://user@h1", "has a user name; only memcached:// and memcached+tls:// take one"),
        ("memcached+ssl://h1", "begins with 'memcached+ssl'; it must be one of"),
        ("postgresql+tls://h1", "begins with 'postgresql+tls'; it must be one of"),
        ("embedded://h1,h2", "names several servers; the embedded store is one"),
        ("embedded://", "has '' for a server"),
    ],
)
def test_what_is_wrong_with_it(url: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        opened(url)
    assert complaint in str(caught.value)
    assert "begins with" in complaint or repr(without_secret(url)) in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "memcached://user:hunter2@h1?weight=3",
        "memcached://user:hunter2 x@h1",
        "memcached://user:?hunter2@h1,",
        "memcached://user:/hunter2@h1/path",
        "embedded://user:hunter2@h1",
        "relay://user:hunter2@h1",
    ],
)
def test_passwords_stay_hidden_in_errors(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        opened(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["memcached", "memcached+tls"])
def test_user_and_password_log_in_and_are_not_shown(scheme: str) -> None:
    store = opened(f"{scheme}://us%65r:hunt%40er/2?@h1,h2")
    assert store.url == f"{scheme}://h1:11211,h2:11211?replicas=2"
    assert store.shard_names == ("h1:11211", "h2:11211")
    assert isinstance(store.driver, MemcachedDriver)
    assert store.driver.access.login == b"set musterd:login 0 -1 15\r\nuser hunt@er/2?\r\n"
    assert "hunt" not in f"{store!r} {store.driver!r} {store.driver.access}"


def test_tls_changes_no_name_of_a_shard() -> None:
    assert opened("memcached+tls://h1,h2").shard_names == opened("memcached://h1,h2").shard_names
    assert opened("embedded+tls://h1").url == "embedded+tls://h1:11311"
    assert opened("relay+tls://r1").url == "relay+tls://r1:11411"


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
