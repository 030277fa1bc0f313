"""What URLs of Nova's database, as they stand in real files, become."""

from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.errors import ConfigError
from musterd.settings.novadatabase import store_in
from musterd.settings.sources import load
from musterd.stores.mysql.url import parse_url

HERE = str(Path(__file__))
CHECKED, CHAIN = (HERE, None, None, True, True), (HERE, None, None, True, False)

REAL = [  # from the nova.conf of deployments, with other hosts and passwords; then from templates
    ("mysql+pymysql://nova:password@controller1:3306/nova", "controller1:3306/nova"),
    ("mysql+pymysql://nova:controller@controller/nova", "controller:3306/nova"),
    ("mysql+pymysql://nova:0123456789abcdef@ctrl-api/nova", "ctrl-api:3306/nova"),
    ("mysql+pymysql://nova:password@192.168.0.200/nova", "192.168.0.200:3306/nova"),
    ("mysql+pymysql://root:MYSQLPW@CTRL_IP/nova?charset=utf8", "CTRL_IP:3306/nova"),
    (
        "mysql+pymysql://root:password@127.0.0.1/nova_cell0?charset=utf8",
        "127.0.0.1:3306/nova_cell0",
    ),
    ("mysql://nova:NOVA_DBPASS@controller/nova", "controller:3306/nova"),
    ("mysql://NOVA_DBUSER:NOVA_DBPASS@DB_MASTER/nova", "DB_MASTER:3306/nova"),
    ("mysql://root:password@10.32.45.201/nova?charset=utf8", "10.32.45.201:3306/nova"),
]


@pytest.mark.parametrize(("connection", "name"), REAL)
def test_a_url_of_a_real_file_is_read_as_it_stands(
    tmp_path: Path, connection: str, name: str
) -> None:
    file = tmp_path / "nova.conf"
    file.write_text(
        f"[api_database]\nconnection = {connection}_api\n[database]\nconnection={connection}\n"
    )
    loaded = load({}, {}, file)
    assert ["is nova_cell0" in warning for warning in loaded.warnings] == [True] * ("cell0" in name)
    assert loaded.sources["store"] == "nova.conf [database] connection"
    target = parse_url(loaded.settings.store)
    assert (target.name, target.tls) == (name, None)
    assert loaded.settings.registry_url == loaded.settings.store


@pytest.mark.parametrize(
    ("options", "demanded", "warnings"),
    [
        ("charset=utf8&plugin=dbcounter", None, ["has options that musterd does without: plugin"]),
        ("ssl_ca=FILE", CHECKED, []),
        ("ssl_ca=FILE&ssl_cert=FILE&ssl_key=FILE", (HERE, HERE, HERE, True, True), []),
        ("charset=utf8&ssl_verify_cert=true", (None, None, None, True, False), []),
        ("charset=utf8&ssl_verify_cert=true&ssl_ca=FILE", CHAIN, []),
        (
            "charset=latin1&connect_timeout=10&ssl_ca=FILE&ssl_cipher=X",
            CHECKED,
            ["has options that musterd does without: charset, connect_timeout, ssl_cipher"],
        ),
        (
            "read_default_file=/nowhere/tripleo.cnf&read_default_group=tripleo&charset=utf8",
            None,
            ["names '/nowhere/tripleo.cnf' in read_default_file, which is not there"],
        ),
    ],
)
def test_its_options_are_read_as_they_stand(
    options: str, demanded: tuple[object, ...] | None, warnings: list[str]
) -> None:
    found = store_in(f"mysql+pymysql://nova:pw@db/nova?{options.replace('FILE', HERE)}")
    assert found
    assert parse_url(found.url).tls == demanded
    assert found.warnings == warnings


def test_an_option_file_is_read_with_it(tmp_path: Path) -> None:
    file = tmp_path / "my.cnf"
    file.write_text(f"[client]\nssl-ca={HERE}\nssl=1\n")
    found = store_in(
        f"mysql+pymysql://nova_cell1:pw@openstack.svc/nova_cell1?read_default_file={file}"
    )
    assert found
    assert found.warnings == []
    assert parse_url(found.url).tls == CHECKED


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mysql+pymysql://nova:s3cret@db/nova?ssl_capath=/etc/ssl", "put the authorities into one"),
        ("mysql+pymysql://nova:s3cret@db/nova?ssl_new=1", "option 'ssl_new' is not one of"),
        ("mysql+pymysql://nova:s3cret@db/nova?ssl_ca=/nowhere", "ssl_ca '/nowhere' is no file"),
        ("mysql+pymysql://nova@db/nova?read_default_file=/nowhere", "cannot read the option file"),
        ("mysql+pymysql://nova:s3cret@db/", "names no database"),
        ("mysql+pymysql://nova:s3cret@db:x/nova", "no host or host:port"),
    ],
)
def test_what_would_weaken_it_or_lead_nowhere_is_refused(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        store_in(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+mysqldb", "mysql+pymysql"])
@given(password=st.text(min_size=1).filter(lambda text: "@" not in text))
def test_a_password_may_have_anything_in_it_but_what_ends_it(scheme: str, password: str) -> None:
    found = store_in(f"{scheme}://nova:{password}@[fd00::1]:3307/nova?charset=utf8")
    assert found
    target = parse_url(found.url)
    assert (target.password(), target.name) == (unquote(password), "[fd00::1]:3307/nova")


@given(password=st.text(min_size=1), dialect=st.sampled_from(["mysql+pymysql", "postgresql"]))
def test_one_with_percent_signs_is_the_same_in_the_store(password: str, dialect: str) -> None:
    written = quote(password, safe="")
    found = store_in(f"{dialect}://nova:{written}@db/nova")
    assert found
    assert found.url == f"{dialect.partition('+')[0]}://nova:{written}@db/nova"


@pytest.mark.parametrize("url", ["sqlite:////var/lib/nova.db", "nonsense", "", "oracle://u:p@h/d"])
def test_another_database_is_none(url: str) -> None:
    assert store_in(url) is None
