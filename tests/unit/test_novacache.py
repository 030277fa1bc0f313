"""What in a controller's nova.conf would keep Nova from asking the door, or mislead it."""

import pytest

from musterd.errors import ConfigError
from musterd.settings.novacache import DoorFacts, Severity, findings
from musterd.settings.novafile import of_texts

GOOD = {
    "DEFAULT": {"servicegroup_driver": "mc"},
    "cache": {
        "enabled": "true",
        "backend": "oslo_cache.memcache_pool",
        "memcache_servers": "127.0.0.1:11511",
        "memcache_dead_retry": "0",
    },
}
DOOR = DoorFacts("127.0.0.1", 11511, tls=False)
BY_TLS = DoorFacts("127.0.0.1", 11511, tls=True)
IPV6 = DoorFacts("::1", 11511, tls=False)


def written(**changes: str | None) -> str:
    """The good file with other options: ``cache_backend="…"``; None: without it."""
    sections = {section: dict(options) for section, options in GOOD.items()}
    for name, value in changes.items():
        section, _, key = name.partition("_")  # default_host is [DEFAULT] host
        options = sections["cache" if section == "cache" else "DEFAULT"]
        options.pop(key, None)
        if value is not None:
            options[key] = value
    parts = [
        "\n".join([f"[{section}]", *(f"{key} = {value}" for key, value in options.items())])
        for section, options in sections.items()
    ]
    return "\n".join(parts)


def found(text: str, door: DoorFacts = DOOR) -> list[tuple[Severity, str]]:
    return [
        (one.severity, one.option)
        for one in findings(of_texts("nova.conf", [("nova.conf", text)]), door)
    ]


@pytest.mark.parametrize(
    ("changes", "door"),
    [
        ({}, DOOR),
        ({"cache_memcache_servers": "localhost:11511"}, DOOR),
        ({"cache_memcache_servers": "$my_ip:11511", "default_my_ip": "127.0.0.1"}, DOOR),
        ({"cache_memcache_servers": "inet6:[::1]:11511"}, IPV6),
        ({"cache_enabled": "1"}, DOOR),
        ({"cache_backend": "dogpile.cache.memcached"}, DOOR),
        ({"cache_backend": "dogpile.cache.bmemcached"}, DOOR),
        ({"cache_backend": "dogpile.cache.pymemcache", "cache_enable_retry_client": "true"}, DOOR),
        ({"cache_backend_expiration_time": "3600"}, DOOR),
        ({"cache_backend_argument": "distributed_lock:true"}, DOOR),
    ],
)
def test_a_good_file_is_good(changes: dict[str, str | None], door: DoorFacts) -> None:
    assert found(written(**changes), door) == []


@pytest.mark.parametrize(
    ("changes", "door", "option"),
    [
        ({"default_servicegroup_driver": None}, DOOR, "[DEFAULT] servicegroup_driver"),
        ({"default_servicegroup_driver": "db"}, DOOR, "[DEFAULT] servicegroup_driver"),
        ({"cache_enabled": None}, DOOR, "[cache] enabled"),
        ({"cache_enabled": "false"}, DOOR, "[cache] enabled"),
        ({"cache_backend": None}, DOOR, "[cache] backend"),
        ({"cache_backend": "oslo_cache.dict"}, DOOR, "[cache] backend"),
        ({"cache_backend": "dogpile.cache.redis"}, DOOR, "[cache] backend"),
        ({"cache_backend": "dogpile.cache.pylibmc"}, DOOR, "[cache] backend"),
        ({"cache_memcache_servers": None}, DOOR, "[cache] memcache_servers"),
        ({"cache_memcache_servers": "127.0.0.1:11211"}, DOOR, "[cache] memcache_servers"),
        ({"cache_memcache_servers": "127.0.0.1"}, DOOR, "[cache] memcache_servers"),
        ({"cache_memcache_servers": "10.0.0.1:11511"}, DOOR, "[cache] memcache_servers"),
        ({"cache_memcache_servers": "127.0.0.1:11511,c2:11511"}, DOOR, "[cache] memcache_servers"),
        ({"cache_memcache_servers": "nonsense]:x"}, DOOR, "[cache] memcache_servers"),
        ({"cache_memcache_servers": "[::1]:11511"}, IPV6, "[cache] memcache_servers"),
        ({"cache_backend_argument": "url:10.0.0.1:11211"}, DOOR, "[cache] backend_argument"),
        ({"cache_backend_expiration_time": "30"}, DOOR, "[cache] backend_expiration_time"),
        ({"cache_tls_enabled": "true"}, DOOR, "[cache] tls_enabled"),
        ({}, BY_TLS, "[cache] tls_enabled"),
        (
            {"cache_tls_enabled": "true", "cache_backend": "dogpile.cache.bmemcached"},
            BY_TLS,
            "[cache] tls_enabled",
        ),
    ],
)
def test_what_bites_is_found(changes: dict[str, str | None], door: DoorFacts, option: str) -> None:
    assert (Severity.BITES, option) in found(written(**changes), door)


@pytest.mark.parametrize(
    ("changes", "door", "option"),
    [
        ({"cache_memcache_dead_retry": None}, DOOR, "[cache] memcache_dead_retry"),
        ({"cache_memcache_dead_retry": "30"}, DOOR, "[cache] memcache_dead_retry"),
        ({"cache_memcache_socket_timeout": "0.3"}, DOOR, "[cache] socket_timeout"),
        ({"cache_socket_timeout": "0.3"}, DOOR, "[cache] socket_timeout"),
        ({"cache_tls_enabled": "true"}, BY_TLS, "[cache] tls_enabled"),
        ({"cache_backend": "dogpile.cache.pymemcache"}, DOOR, "[cache] enable_retry_client"),
        ({"cache_proxies": "ours.Proxy"}, DOOR, "[cache] proxies"),
        ({"default_compute_driver": "libvirt.LibvirtDriver"}, DOOR, "[DEFAULT] compute_driver"),
    ],
)
def test_what_to_mind_is_found(
    changes: dict[str, str | None], door: DoorFacts, option: str
) -> None:
    assert found(written(**changes), door) == [(Severity.MIND, option)]


def test_what_bites_comes_first() -> None:
    text = written(cache_memcache_dead_retry=None, cache_tls_enabled="true")
    assert [severity for severity, _ in found(text)] == [Severity.BITES, Severity.MIND]


def test_an_argument_of_several_is_seen() -> None:
    text = written() + "\nbackend_argument = url:10.0.0.1\nbackend_argument = lock_timeout:3\n"
    assert (Severity.BITES, "[cache] backend_argument") in found(text)


def test_later_files_win() -> None:
    texts = [
        ("nova.conf", written(cache_enabled="false")),
        ("more.conf", "[cache]\nenabled = on\n"),
    ]
    assert findings(of_texts("nova.conf", texts), DOOR) == []


def test_a_file_without_options_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"nova\.conf sets no option"):
        found("# nothing\n")
