"""A nova.conf as it stands gives musterd what it needs, and everything else is ignored."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.errors import ConfigError
from musterd.settings.inifile import assignments, interpolate
from musterd.settings.sources import load
from tests.nova_confs import load_text, refusal

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


def test_the_files_in_the_directory_are_read_where_there_is_no_other(tmp_path: Path) -> None:
    (tmp_path / "nova.conf.d").mkdir()
    (tmp_path / "nova.conf.d" / "01.conf").write_text("[DEFAULT]\nservicegroup_driver = mc\n")
    (tmp_path / "nova-compute.conf.d").mkdir()
    (tmp_path / "nova-compute.conf.d" / "1.conf").write_text("[cache]\nmemcache_servers = m\n")
    assert load({}, {}, tmp_path / "nova.conf").settings.store == "memcached://m:11211"
    with pytest.raises(ConfigError, match=r"cannot read .*other\.conf"):
        load({}, {}, tmp_path / "other.conf")


def test_a_name_given_otherwise_forgives_that_of_the_file(tmp_path: Path) -> None:
    text = "[DEFAULT]\nservicegroup_driver = mc\nmemcached_servers = m\nhost = $region-1\n"
    assert "[DEFAULT] host refers to $region" in refusal(tmp_path, text)
    assert load_text(tmp_path, text, {"MUSTERD_MEMBER": "h1"}).settings.member == "h1"


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


def test_one_quote_is_a_pair_and_capitals_name_the_same_section() -> None:
    text = "[Database]\na = \"\nb = '\nc = '\"'\n[DEFAULT]\nd = 1\n[default]\nd = 2\n"
    assert dict(assignments("f", text)) == {
        ("database", "a"): "",
        ("database", "b"): "",
        ("database", "c"): '"',
        ("DEFAULT", "d"): "1",
        ("default", "d"): "2",  # to oslo.config a section like any other
    }


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
