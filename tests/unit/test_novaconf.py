"""A nova.conf as it stands gives musterd what it needs, and everything else is ignored."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.errors import ConfigError
from musterd.settings.inifile import assignments, interpolate
from musterd.settings.sources import Loaded, load

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
    settings, sources, warnings, *_ = load_text(tmp_path, head + MANUAL)
    assert settings.store == "embedded://127.0.0.1:11311"
    assert settings.service_down_time == 60.0
    assert settings.interval == 10.0
    assert sources["store"] == "nova.conf [DEFAULT] memcached_servers"
    assert sources["service_down_time"] == "nova.conf [DEFAULT] service_down_time"
    (warning,) = warnings
    assert "[DEFAULT] memcached_servers names no servers: using embedded://127" in warning


def test_a_real_one_among_hundreds_of_keys(tmp_path: Path) -> None:
    settings, sources, _, *_ = load_text(tmp_path, HUNDREDS)
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
    "text",
    [
        "[database]\nconnection = sqlite:////var/lib/nova/nova.db\n",
        "[DEFAULT]\nhost = a\n",
        "[DEFAULT]\nservicegroup_driver = mc\n[cache]\nmemcache_sasl_enabled = 1\n",
    ],
)
def test_nobody_is_told_to_change_nova(tmp_path: Path, text: str) -> None:
    told = refusal(tmp_path, text)
    assert "--store or MUSTERD_STORE" in told
    assert "leave this file as Nova" in told
    assert "set servicegroup_driver" not in told
    assert "add the connection" not in told


@pytest.mark.parametrize(
    ("options", "kept", "dropped"),
    [
        ("?client_encoding=utf8", "", "client_encoding"),
        (
            "?connect_timeout=10&keepalives_idle=5&sslmode=require",
            "?sslmode=require",
            "connect_timeout, keepalives_idle",
        ),
        ("?charset=utf8&application_name=nova", "", "charset, application_name"),
        ("?sslmode=require", "?sslmode=require", ""),
    ],
)
def test_options_of_novas_own_driver_are_dropped_with_a_warning(
    tmp_path: Path, options: str, kept: str, dropped: str
) -> None:
    url = f"postgresql+psycopg2://nova:pw@db/nova{options}"
    loaded = load_text(tmp_path, f"[database]\nconnection = {url}\n")
    assert loaded.settings.store == f"postgresql://nova:pw@db/nova{kept}"
    told = [text for text in loaded.warnings if "does without" in text]
    assert [text.rpartition(": ")[2] for text in told] == ([dropped] if dropped else [])


def test_an_unusable_connection_names_file_and_option(tmp_path: Path) -> None:
    told = refusal(tmp_path, "[database]\nconnection = postgresql://u:s3cret@h:99999/d\n")
    assert "[database] connection: " in told
    assert "s3cret" not in told


@pytest.mark.parametrize("strange", ["\u2028", "\x85", "\x0c", "\x0b", "\x1c", "\u2029"])
def test_lines_end_where_oslo_ends_them(tmp_path: Path, strange: str) -> None:
    text = (
        f"[DEFAULT]\nservicegroup_driver = mc\nmemcached_servers = m\n# a{strange} b\nhost = ok\n"
    )
    assert load_text(tmp_path, text).settings.member == "ok"
    assert dict(assignments("f", f"foo = x{strange}host = evil")) == {
        ("DEFAULT", "foo"): f"x{strange}host = evil"
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_line_ends_that_oslo_knows(tmp_path: Path, end: str) -> None:
    path = tmp_path / "nova.conf"
    lines = ["[DEFAULT]", "servicegroup_driver = mc", "memcached_servers = a,", "  b", ""]
    path.write_bytes(end.join(lines).encode())
    assert load({}, {}, path).settings.store == "memcached://a:11211,b:11211"


@pytest.mark.parametrize(
    "line",
    [
        "[database]\nconnection = postgresql://nova:pw@$db_host/nova",
        "[DEFAULT]\nhost = compute-$region",
        "[DEFAULT]\nservicegroup_driver = mc\nmemcached_servers = $db_host:11211",
    ],
)
def test_a_name_that_nothing_sets_is_named(tmp_path: Path, line: str) -> None:
    told = refusal(tmp_path, line + "\n")
    assert "refers to $db_host" in told or "refers to $region" in told


@pytest.mark.parametrize("name", ["nova.conf", "musterd.toml"])
def test_what_no_editor_shows_is_named(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"\xef\xbb\xbf[DEFAULT]\nhost = a\n")
    with pytest.raises(ConfigError, match="begins with a byte order mark"):
        load({}, {}, file)


def test_the_files_beside_it_are_read_as_oslo_reads_them(tmp_path: Path) -> None:
    (tmp_path / "nova.conf.d").mkdir()
    (tmp_path / "nova.conf.d" / "50.conf").write_text("[DEFAULT]\nhost = edge-7\n")
    (tmp_path / "nova.conf.d" / "60.conf").write_text("[DEFAULT]\nreport_interval = 7\n")
    (tmp_path / "nova.conf.d" / "70.txt").write_text("nonsense")
    (tmp_path / "nova-compute.conf").write_text("[DEFAULT]\nservicegroup_driver = mc\n")
    text = "[DEFAULT]\nhost = a\nreport_interval = 9\n[cache]\nmemcache_servers = m\n"
    settings = load_text(tmp_path, text).settings
    assert (settings.member, settings.interval) == ("edge-7", 7.0)
    assert settings.store == "memcached://m:11211"


def test_a_directory_stands_for_its_files(tmp_path: Path) -> None:
    (tmp_path / "01.conf").write_text("[DEFAULT]\nservicegroup_driver = mc\nhost = a\n")
    (tmp_path / "02.conf").write_text("[DEFAULT]\nhost = b\n[cache]\nmemcache_servers = m\n")
    settings = load({}, {}, tmp_path).settings
    assert (settings.member, settings.store) == ("b", "memcached://m:11211")
    (tmp_path / "03.conf").write_text("[DEFAULT\n")
    with pytest.raises(ConfigError, match=r"03\.conf, line 1"):
        load({}, {}, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"has no \*\.conf"):
        load({}, {}, tmp_path / "empty")


@pytest.mark.parametrize("dialect", ["postgresql", "postgresql+psycopg2", "postgres"])
@pytest.mark.parametrize(
    "driver", ["", "servicegroup_driver = db\n", "servicegroup_driver = 'db'\n"]
)
def test_the_database_of_nova_serves(tmp_path: Path, dialect: str, driver: str) -> None:
    text = f"[DEFAULT]\n{driver}[database]\nconnection = {dialect}://nova:s3cret@db/nova\n"
    settings, sources, _, *_ = load_text(tmp_path, text)
    assert settings.store == "postgresql://nova:s3cret@db/nova"
    assert sources["store"] == "nova.conf [database] connection"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    ["oracle+cx://nova:s3cret@db/nova", "sqlite:////var/lib/nova.db", "nonsense:s3cret@x"],
)
def test_another_database_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    told = refusal(tmp_path, f"[database]\nconnection = {url}\n")
    assert "[database] connection" in told
    assert "musterd needs PostgreSQL, MariaDB or memcached" in told
    assert "s3cret" not in told


def test_a_store_given_otherwise_forgives_the_file(tmp_path: Path) -> None:
    text = "[DEFAULT]\nservice_down_time = 45\n[database]\nconnection = mssql://h/d\n"
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
        ("DEFAULT", "dollars"): r"$$a \$a",
        ("x", "a"): "2",
        ("x", "near"): "$a ${a} $DEFAULT.a",
        ("x", "far"): "$dollars",
        ("DEFAULT", "other"): "${x.near}",
    }
    assert interpolate(sections, ("DEFAULT", "dollars")) == "$a $a"
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
