"""A nova.conf as it stands gives musterd what it needs, and everything else is ignored."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.config import Loaded, load
from musterd.errors import ConfigError
from musterd.novaconf import assignments, interpolate

MANUAL = """\
# Driver for the ServiceGroup service
servicegroup_driver = "mc"

# Memcached servers. Use either a list of memcached servers to use for
# caching (list value), or "<None>" for in-process caching (default).
memcached_servers = <None>

# Timeout; maximum time since last check-in for up service (integer value).
# Helps to define whether a node is dead
service_down_time = 60
"""

HUNDREDS = """\
[DEFAULT]
debug = true
transport_url = rabbit://openstack:pa$$w:ord@controller:5672/
my_ip = 10.0.0.11
enabled_apis = osapi_compute,metadata
scheduler_filters = A,
    B,
    C
servicegroup_driver = db
servicegroup_driver = mc
memcached_servers = $my_ip, ${my_ip}:11212 ,mc3
report_interval: 5
service_down_time=30
host = compute-$region

[oslo_concurrency]
lock_path = /var/lib/nova/tmp

[database]
connection = mysql+pymysql://nova:s3cret@controller/nova

[vnc]
server_listen = $my_ip
host = not-this-one

[DEFAULT]
region = north
"""


def load_text(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Loaded:
    path = tmp_path / "nova.conf"
    path.write_text(text)
    return load({}, environ or {}, path)


def store(tmp_path: Path, text: str) -> str:
    return load_text(tmp_path, text).settings.store


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, text)
    told = str(caught.value)
    assert "\n" not in told
    assert str(tmp_path / "nova.conf") in told
    return told


@pytest.mark.parametrize("head", ["", "[DEFAULT]\n"])
def test_the_example_of_the_manual_works_unchanged(tmp_path: Path, head: str) -> None:
    settings, sources, warnings, _ = load_text(tmp_path, head + MANUAL)
    assert settings.store == "embedded://127.0.0.1:11311"
    assert settings.service_down_time == 60.0
    assert settings.interval == 10.0
    assert sources["store"] == "nova.conf [DEFAULT] memcached_servers"
    assert sources["service_down_time"] == "nova.conf [DEFAULT] service_down_time"
    assert warnings == []


def test_a_real_one_among_hundreds_of_keys(tmp_path: Path) -> None:
    settings, sources, _, _ = load_text(tmp_path, HUNDREDS)
    assert settings.store == "memcached://10.0.0.11:11211,10.0.0.11:11212,mc3:11211"
    assert (settings.interval, settings.service_down_time) == (5.0, 30.0)
    assert settings.member == "compute-north"
    assert sources["interval"] == "nova.conf [DEFAULT] report_interval"


def test_environment_and_command_line_still_win(tmp_path: Path) -> None:
    path = tmp_path / "nova.conf"
    path.write_text(HUNDREDS)
    settings = load({"interval": "1"}, {"MUSTERD_MEMBER": "x"}, path).settings
    assert (settings.interval, settings.member) == (1.0, "x")


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


@pytest.mark.parametrize(
    "word", ["unix:/run/memcached.sock", "mc1:port", "$mc_host:11211", "mc1:70000"]
)
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
    both = store(tmp_path, f"{head}memcached_servers = m1\n{cache}")
    assert both == "memcached://m1:11211"
    assert store(tmp_path, head) == "embedded://127.0.0.1:11311"


@pytest.mark.parametrize("dialect", ["postgresql", "postgresql+psycopg2", "postgres"])
@pytest.mark.parametrize(
    "driver", ["", "servicegroup_driver = db\n", "servicegroup_driver = 'db'\n"]
)
def test_the_database_of_nova_serves(tmp_path: Path, dialect: str, driver: str) -> None:
    text = f"[DEFAULT]\n{driver}[database]\nconnection = {dialect}://nova:s3cret@db/nova\n"
    settings, sources, _, _ = load_text(tmp_path, text)
    assert settings.store == "postgresql://nova:s3cret@db/nova"
    assert sources["store"] == "nova.conf [database] connection"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    ["mysql+pymysql://nova:s3cret@db/nova", "sqlite:////var/lib/nova.db", "nonsense:s3cret@x"],
)
def test_another_database_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    told = refusal(tmp_path, f"[database]\nconnection = {url}\n")
    assert "[database] connection" in told
    assert "musterd needs PostgreSQL or memcached" in told
    assert "s3cret" not in told


def test_a_store_given_otherwise_forgives_the_file(tmp_path: Path) -> None:
    text = "[DEFAULT]\nservice_down_time = 45\n[database]\nconnection = mysql://h/d\n"
    settings = load_text(tmp_path, text, {"MUSTERD_STORE": "memcached://m:1"}).settings
    assert (settings.store, settings.service_down_time) == ("memcached://m:1", 45.0)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert "[database] connection is missing" in refusal(tmp_path, "[DEFAULT]\nhost = a\n")
    told = refusal(tmp_path, "[DEFAULT]\nservicegroup_driver = zk\n")
    assert "[DEFAULT] servicegroup_driver: 'zk' is not usable; use db or mc" in told


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("service_down_time = soon", "[DEFAULT] service_down_time: 'soon'"),
        ("service_down_time = 0", "[DEFAULT] service_down_time: '0'"),
        ("report_interval = -1", "[DEFAULT] report_interval: '-1'"),
        ("host = a b", "[DEFAULT] host: 'a b'"),
        ("host = $host", "[DEFAULT] host refers to itself in a circle"),
    ],
)
def test_an_unusable_value_names_file_section_and_key(
    tmp_path: Path, line: str, named: str
) -> None:
    told = refusal(tmp_path, f"[DEFAULT]\nservicegroup_driver = mc\n{line}\n")
    assert named in told


def test_a_line_that_is_nothing_is_refused_without_repeating_it(tmp_path: Path) -> None:
    told = refusal(tmp_path, "[DEFAULT]\nhost = a\ns3cret\n")
    assert "line 3 is neither" in told
    assert "s3cret" not in told
    assert "line 2" in refusal(tmp_path, "[DEFAULT]\n  s3cret\n")
    assert "line 2" in refusal(tmp_path, "[DEFAULT]\n[database\n")


@pytest.mark.parametrize("name", ["musterd.conf", "musterd.toml"])
def test_a_musterd_file_is_toml_whatever_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text('store = "memory:"\n[metadata]\na = "b"\n')
    assert load({}, {}, path).settings.store == "memory:"


def test_an_ini_file_is_known_by_its_sections(tmp_path: Path) -> None:
    path = tmp_path / "compute"
    path.write_text("[DEFAULT]\nservicegroup_driver=mc\n")
    assert load({}, {}, path).settings.store.startswith("embedded:")


def test_oslo_interpolation() -> None:
    sections = {
        ("DEFAULT", "a"): "1",
        ("DEFAULT", "dollars"): r"$$a \$a $unknown",
        ("x", "a"): "2",
        ("x", "near"): "$a ${a} $DEFAULT.a",
        ("x", "far"): "$dollars",
        ("DEFAULT", "other"): "${x.near}",
    }
    assert interpolate(sections, ("DEFAULT", "dollars")) == "$a $a $unknown"
    assert interpolate(sections, ("x", "near")) == "2 2 1"
    assert interpolate(sections, ("DEFAULT", "other")) == "2 2 1"


@given(text=st.text())
def test_any_text_is_read_or_refused_with_its_line(text: str) -> None:
    try:
        dict(assignments("nova.conf", text))
        told = ""
    except ConfigError as error:
        told = str(error)
    assert not told or told.startswith("nova.conf, line ")
