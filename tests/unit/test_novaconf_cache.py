"""The memcached that a nova.conf names is the store, or is named as one that would do."""

from pathlib import Path

import pytest

from tests.nova_confs import load_text, refusal, store


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ("mc1", "memcached://mc1:11211"),
        ("mc1:11299", "memcached://mc1:11299"),
        ("mc1:11211,mc2:11211", "memcached://mc1:11211,mc2:11211"),
        ('"mc1:11211", "mc2"', "memcached://mc1:11211,mc2:11211"),
        ("'mc1:11211,mc2'", "memcached://mc1:11211,mc2:11211"),
        ("mc1,mc1:11211,", "memcached://mc1:11211"),
        ("inet6:[::1]:11211", "memcached://[::1]:11211"),
        ("[fd00::2]", "memcached://[fd00::2]:11211"),
        ("inet6:[fd00::2],inet:mc1:11212", "memcached://[fd00::2]:11211,mc1:11212"),
        ("fd00::2", "memcached://[fd00::2]:11211"),
        ("mc1:11211,\n  mc2:11211,\n\tmc3:11211", "memcached://mc1:11211,mc2:11211,mc3:11211"),
        ("mc1\n  mc2", "memcached://mc1:11211,mc2:11211"),
        ("", "embedded://127.0.0.1:11311"),
        ("<None>", "embedded://127.0.0.1:11311"),
        ('"<None>"', "embedded://127.0.0.1:11311"),
    ],
)
def test_memcached_servers_in_every_form(tmp_path: Path, servers: str, expected: str) -> None:
    text = f"[DEFAULT]\nservicegroup_driver = mc\nmemcached_servers = {servers}\n"
    assert store(tmp_path, text) == expected


@pytest.mark.parametrize("word", ["unix:/run/memcached.sock", "mc1:port", "mc1:70000"])
def test_a_server_that_is_none_is_refused(tmp_path: Path, word: str) -> None:
    text = f"[DEFAULT]\nservicegroup_driver = mc\nmemcached_servers = mc1,{word}\n"
    assert f"[DEFAULT] memcached_servers: {word!r} is no memcached server" in refusal(
        tmp_path, text
    )


def test_the_cache_section_serves_where_the_old_option_does_not(tmp_path: Path) -> None:
    head = "[DEFAULT]\nservicegroup_driver = mc\n"
    cache = "[cache]\nmemcache_servers = c1:11211,c2:11211\n"
    assert store(tmp_path, head + cache) == "memcached://c1:11211,c2:11211"
    none = "memcached_servers = <None>\n"
    assert store(tmp_path, head + none + cache) == "memcached://c1:11211,c2:11211"
    both = load_text(tmp_path, f"{head}memcached_servers = m1\n{cache}")
    assert both.settings.store == "memcached://c1:11211,c2:11211"
    assert "[DEFAULT] memcached_servers has servers that Nova no longer looks" in both.warnings[0]
    alone = load_text(tmp_path, f"{head}memcached_servers = m1\n")
    assert alone.settings.store == "memcached://m1:11211"
    assert len(alone.warnings) == 1
    assert (
        load_text(tmp_path, f"{head}memcached_servers = m1\n", {"MUSTERD_STORE": "memory:"})[2]
        == []
    )


def test_where_no_servers_are_named_an_agent_would_beat_to_nobody(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, "[DEFAULT]\nservicegroup_driver = mc\n")
    assert loaded.settings.store == "embedded://127.0.0.1:11311"
    assert "names no servers" in loaded.warnings[0]
    assert "MUSTERD_STORE" in loaded.unfit_for_agents[0]
    said = load_text(tmp_path, "[DEFAULT]\nservicegroup_driver = mc\nmemcached_servers = <None>\n")
    assert (len(said.warnings), said.unfit_for_agents) == (1, [])
    given = load_text(
        tmp_path, "[DEFAULT]\nservicegroup_driver = mc\n", {"MUSTERD_STORE": "memcached://m:1"}
    )
    assert (given.warnings, given.unfit_for_agents) == ([], [])


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("memcache_sasl_enabled = yes", "[cache] memcache_sasl_enabled is set, and musterd speaks"),
        ("backend = oslo_cache.dict", "[cache] backend is oslo_cache.dict"),
    ],
)
def test_a_cache_that_musterd_cannot_use_is_refused(tmp_path: Path, line: str, named: str) -> None:
    head = f"[DEFAULT]\nservicegroup_driver = mc\n[cache]\nmemcache_servers = m:11212\n{line}\n"
    told = refusal(tmp_path, head)
    assert named in told
    assert "MUSTERD_STORE" in told
    assert load_text(tmp_path, head, {"MUSTERD_STORE": "memory:"}).settings.store == "memory:"


def test_a_cache_by_tls_is_used_with_its_files(tmp_path: Path) -> None:
    text = (
        "[DEFAULT]\nservicegroup_driver = mc\n[cache]\nmemcache_servers = m:11212\ntls_cafile = /ca\n"
        "tls_certfile = /cert\ntls_keyfile = /key\n"
    )
    by_tls = load_text(tmp_path, f"{text}tls_enabled = true\n").settings
    assert by_tls.store == "memcached+tls://m:11212"
    assert (by_tls.ca_file, by_tls.cert_file, by_tls.key_file) == ("/ca", "/cert", "/key")
    plain = load_text(tmp_path, text).settings
    assert (plain.store, plain.ca_file, plain.cert_file) == ("memcached://m:11212", None, None)


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ("[cache]\nmemcache_servers = a,b:1\n", "memcached://a:11211,b:1,"),
        ("[cache]\nmemcache_servers = a\ntls_enabled = on\n", "memcached+tls://a:11211,"),
        ("[keystone_authtoken]\nmemcached_servers = k:7\n", "memcached://k:7,"),
        ("[keystone_authtoken]\nmemcached_servers = $k:7\n", "memcached://HOST:11211,"),
        ("[cache]\nmemcache_servers = localhost:11211\n", "memcached://HOST:11211,"),
        ("[cache]\nmemcache_servers = a,127.0.0.1\n", "memcached://HOST:11211,"),
        ("[cache]\nmemcache_servers = inet6:[::1]\n", "memcached://HOST:11211,"),
    ],
)
def test_the_memcached_at_hand_is_named_unless_it_is_another_on_each_host(
    tmp_path: Path, lines: str, named: str
) -> None:
    assert f"such as {named} and leave" in refusal(tmp_path, lines)
