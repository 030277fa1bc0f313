"""What the options of a MySQL URL mean, and that no password of one is shown."""

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.errors import ConfigError
from musterd.stores.mysql.tls import Demand
from musterd.stores.mysql.url import Target, parse_url

HERE = Path(__file__)
CHECKED = (None, None, None, True, True)
UNCHECKED = (None, None, None, False, False)

secrets = st.text(min_size=1).map(lambda text: f"<<{text}>>")
names = st.text(min_size=1)
hosts = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True),
)


def demand(options: str) -> Demand | None:
    """Return what a URL with these options demands; FILE is one that is there."""
    return parse_url(f"mysql://u:p@h/d?{options.replace('FILE', str(HERE))}").tls


@pytest.mark.parametrize(
    ("options", "demanded"),
    [
        ("charset=utf8", None),
        ("charset=utf8mb4&unix_socket=", None),
        ("ssl_disabled=true&ssl_ca=FILE", None),
        ("ssl_disabled=1&ssl=true", None),
        ("ssl_disabled=false", None),
        ("ssl=0", None),
        ("ssl_mode=disabled", None),
        ("ssl_ca=FILE", (str(HERE), None, None, True, True)),
        ("ssl_ca=FILE&ssl_check_hostname=false", (str(HERE), None, None, True, False)),
        ("ssl_ca=FILE&ssl_verify_cert=true", (str(HERE), None, None, True, False)),
        ("ssl_ca=FILE&ssl_verify_cert=false", (str(HERE), None, None, False, False)),
        ("ssl_ca=FILE&ssl_cert=FILE&ssl_key=FILE", (*[str(HERE)] * 3, True, True)),
        ("ssl_cert=FILE", (None, str(HERE), None, True, True)),
        ("ssl=true", CHECKED),
        ("ssl_verify_identity=yes", CHECKED),
        ("ssl_verify_cert=required", (None, None, None, True, False)),
        ("ssl_verify_cert=1&ssl_verify_identity=1", CHECKED),
        ("ssl_verify_cert=none", UNCHECKED),
        ("ssl_mode=REQUIRED", UNCHECKED),
        ("ssl_mode=REQUIRED&ssl_verify_identity=true", CHECKED),
        ("ssl_mode=REQUIRED&ssl_ca=FILE", (str(HERE), None, None, True, False)),
        ("ssl_mode=VERIFY_CA", (None, None, None, True, False)),
        ("ssl_mode=verify_identity", CHECKED),
    ],
)
def test_tls_is_what_the_options_say(
    options: str, demanded: tuple[str | None, str | None, str | None, bool, bool] | None
) -> None:
    assert demand(options) == demanded


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("ssl_ca=/nowhere/ca", "ssl_ca '/nowhere/ca' is no file"),
        ("ssl_key=FILE", "name that in ssl_cert"),
        ("ssl=perhaps", "ssl 'perhaps' is neither true nor false"),
        ("ssl_mode=PREFERRED", "ssl_mode 'PREFERRED' is not one of DISABLED, REQUIRED"),
        ("ssl_verify_identity=true&ssl_verify_cert=false", "needs ssl_verify_cert"),
        ("ssl_mode=VERIFY_IDENTITY&ssl_verify_cert=false", "needs ssl_verify_cert"),
        ("ssl_capath=/etc/ssl", "'ssl_capath' is not taken: put the authorities into one file"),
        ("ssl_cipher=X", "'ssl_cipher' is not taken: leave it out"),
        ("ssl_key_password=s3cret", "'ssl_key_password' is not taken: a daemon can ask nobody"),
        ("connect_timeout=3", "'connect_timeout' is not taken: leave it out; push_timeout"),
        ("charset=latin1", "charset 'latin1': leave it out"),
        ("plugin=dbcounter", "option 'plugin' is not one of unix_socket"),
        ("read_default_group=x", "name that in read_default_file"),
        ("read_default_file=/nowhere/my.cnf", "cannot read the option file of MariaDB"),
        ("read_default_file=/etc/%00", "is no path"),
    ],
)
def test_an_option_that_cannot_be_used_says_what_to_do(options: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        demand(options)
    assert why in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "group", "demanded"),
    [
        ("[client]\nssl=0\n", "", None),
        ("[client]\nssl-ca=FILE\nssl=1\n", "", (str(HERE), None, None, True, True)),
        (
            "[tripleo]\nssl_ca = 'FILE'\nssl-cert=FILE\n",
            "tripleo",
            (*[str(HERE)] * 2, None, True, True),
        ),
        ("[tripleo]\nbind-address=10.0.0.1\n", "tripleo", None),
        ("[mysqld]\nssl-ca=FILE\n", "", None),
        ("[client]\nssl-ca\npassword=another\n", "", None),
    ],
)
def test_an_option_file_brings_files_for_tls(
    tmp_path: Path, text: str, group: str, demanded: tuple[object, ...] | None
) -> None:
    """Whoever may read it, where the password is in the URL; which wins."""
    file = tmp_path / "my.cnf"
    file.write_text(text.replace("FILE", str(HERE)))
    file.chmod(0o644)
    options = f"read_default_file={file}" + (f"&read_default_group={group}" if group else "")
    target = parse_url(f"mysql://u:p@h/d?{options}")
    assert target.tls == demanded
    assert target.password() == "p"
    assert parse_url(f"mysql://u:p@h/d?{options}&ssl_disabled=true").tls is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[client]\nssl-capath=/etc/ssl\n", r"ssl_capath in .* is not taken"),
        ("[client]\nssl-ca=/nowhere\n", "ssl_ca '/nowhere' is no file"),
        ("s3cret\n", r"is no text with \[SECTION\]"),
        ("[client]\nx=\udcff\n", "is not UTF-8 text"),
    ],
)
def test_an_option_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "my.cnf"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match=why) as caught:
        parse_url(f"mysql://u:p@h/d?read_default_file={file}")
    assert "s3cret" not in str(caught.value)


@given(
    user=names, password=secrets, host=hosts, database=names.filter(lambda name: "/" not in name)
)
def test_whatever_is_written_with_percent_signs_is_read_back(
    user: str, password: str, host: str, database: str
) -> None:
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    target = parse_url(f"mariadb://{login}@{host}:3307/{quote(database, safe='')}")
    assert (target.user, target.password(), target.database) == (user, password, database)
    assert target.addresses == ((host.strip("[]"), 3307),)
    assert password not in f"{target} {target.name} {target.url}"
    assert quote(password, safe="") not in f"{target} {target.name} {target.url}"


@given(password=secrets, rest=st.text())
def test_no_error_shows_a_password(password: str, rest: str) -> None:
    for secret in (password, quote(password, safe="")):
        told = outcome(f"mysql://u:{secret}@h/d?{rest}")
        assert secret not in told


def outcome(url: str) -> str:
    """Return how a URL is shown, or why it is refused."""
    try:
        target: Target | ConfigError = parse_url(url)
    except ConfigError as error:
        target = error
    return str(target)
