"""Certificates and keys in files: refused early in clear words, and renewed without a restart."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from musterd.cli import main
from musterd.errors import ConfigError
from musterd.settings.settings import Settings
from musterd.testing.authority import Authority, Certificate
from musterd.tls import Tls, client_tls_of, expiries, server_context, server_tls, warnings


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def tls_of(made: Certificate, ca: str | None = None) -> Tls:
    settings = Settings(tls_cert_file=made.cert, tls_key_file=made.key, tls_client_ca_file=ca)
    tls = server_tls(settings)
    assert tls is not None
    return tls


def refused(tls: Tls) -> str:
    with pytest.raises(ConfigError) as caught:
        tls.context()
    return str(caught.value)


def test_who_has_no_certificate_speaks_no_tls() -> None:
    assert server_tls(Settings()) is None


def test_missing_and_unreadable_files_are_named(authority: Authority, tmp_path: Path) -> None:
    good = authority.issue("good")
    missing = str(tmp_path / "missing.crt")
    assert refused(tls_of(good._replace(cert=missing))) == (
        f"tls_cert_file: cannot read {missing}: No such file or directory"
    )
    assert refused(tls_of(good._replace(key=missing))).startswith("tls_key_file: cannot read")
    assert refused(tls_of(good, missing)).startswith("tls_client_ca_file: cannot read")
    assert refused(tls_of(good._replace(cert=str(tmp_path)))).endswith("Is a directory")
    assert refused(client_tls_of(missing)).startswith("ca_file: cannot read")


def test_what_is_no_certificate_or_not_its_key_is_named(
    authority: Authority, tmp_path: Path
) -> None:
    good, other = authority.issue("one"), authority.issue("two")
    assert refused(tls_of(good._replace(key=other.key))) == (
        f"tls_key_file: the key in {other.key} is not that of the certificate in {good.cert}"
    )
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("nonsense\n")
    assert "has no certificate in PEM" in refused(tls_of(good._replace(cert=str(nonsense))))
    assert "has no private key in PEM" in refused(tls_of(good._replace(key=str(nonsense))))
    assert refused(tls_of(good, str(nonsense))).startswith("tls_client_ca_file: ")
    assert "has no certificate in PEM" in refused(client_tls_of(str(nonsense)))


def test_a_key_with_a_passphrase_is_refused_and_asks_nobody(authority: Authority) -> None:
    locked = authority.locked(authority.issue("behind"))
    assert f"the key in {locked.key} has a passphrase" in refused(tls_of(locked))


def test_an_expired_certificate_is_taken_with_a_warning(authority: Authority) -> None:
    expired = authority.issue("expired", days=-1)
    with capture_logs() as logs:
        tls_of(expired).context()
    [line] = logs
    assert line["log_level"] == "warning"
    day = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    assert f"tls_cert_file: a certificate in {expired.cert} expired on {day}" in line["detail"]


def test_a_key_that_everybody_may_read_is_doubtful(authority: Authority) -> None:
    good = authority.issue("open")
    assert warnings(tls_of(good).files) == []
    Path(good.key).chmod(0o644)
    [warning] = warnings(tls_of(good).files)
    assert f"every user of this host may read {good.key}" in warning


def test_every_certificate_of_a_file_is_looked_at(authority: Authority, tmp_path: Path) -> None:
    chain = Path(authority.issue("leaf").cert).read_text() + Path(authority.file).read_text()
    days = [round((ends - datetime.now(UTC)).total_seconds() / 86400) for ends in expiries(chain)]
    assert days == [5, 10]
    assert list(expiries(chain.replace("MII", "AAA"))) == []


def test_renewed_files_are_taken_when_a_look_is_due(authority: Authority) -> None:
    made, clock = authority.issue("renewed"), Clock()
    tls = Tls(tls_of(made).files, server_context, clock)
    first = tls.context()
    authority.renew(made)
    clock.now += 1.9
    assert tls.context() is first
    clock.now += 0.1
    with capture_logs() as logs:
        second = tls.context()
    assert second is not first
    assert [line["event"] for line in logs] == ["certificate renewed"]
    clock.now += 10
    assert tls.context() is second


def test_half_a_renewal_is_waited_for(authority: Authority) -> None:
    made = authority.issue("half")
    tls = tls_of(made)
    first, key = tls.context(), Path(made.key).read_bytes()
    authority.renew(made)
    newer = Path(made.key).read_bytes()
    Path(made.key).write_bytes(key)
    with capture_logs() as logs:
        tls.look()
        assert tls.context() is first
        Path(made.key).write_bytes(newer)
        tls.look()
    assert [line["event"] for line in logs] == ["certificate renewed"]
    assert tls.context() is not first


def test_a_broken_renewal_keeps_the_one_before_and_is_told_once(authority: Authority) -> None:
    made = authority.issue("broken")
    tls = tls_of(made)
    first = tls.context()
    Path(made.cert).write_text("nonsense\n")
    with capture_logs() as logs:
        for _ in range(4):
            tls.look()
    [line] = logs
    assert (line["event"], line["log_level"]) == ("renewed certificate refused", "error")
    assert made.cert in line["reason"]
    assert tls.context() is first
    Path(made.key).unlink()
    with capture_logs() as logs:
        tls.look(patient=False)
    assert "cannot read" in logs[0]["reason"]


def test_check_config_names_what_a_start_would_refuse(
    authority: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, late = tmp_path / "musterd.toml", authority.issue("late", days=-1)
    for cert, words in (
        (str(tmp_path / "missing"), "coordinators and relays refuse this: tls_cert_file: cannot"),
        (late.cert, f"tls_cert_file: a certificate in {late.cert} expired on"),
    ):
        config.write_text(f'tls_cert_file = "{cert}"\ntls_key_file = "{late.key}"\n')
        assert main(["check-config", "--config", str(config)]) == 0
        assert f"warning: {words}" in capsys.readouterr().out


def test_a_key_without_its_certificate_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for key in ("key_file", "tls_key_file", "tls_client_ca_file"):
        config = tmp_path / "musterd.toml"
        config.write_text(f'{key} = "/etc/musterd/file"\n')
        assert main(["check-config", "--config", str(config)]) == 2
        assert f"{key} ({config}) is given without " in capsys.readouterr().err


def test_check_config_shows_no_password_of_memcached(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "musterd.toml"
    config.write_text('store = "memcached+tls://fleet:hunt%65r2@h1"\n')
    assert main(["check-config", "--config", str(config)]) == 0
    shown = capsys.readouterr().out
    assert "memcached+tls://fleet:***@h1" in shown
    assert "hunt" not in shown
    assert main(["check-config", "--store", "memcached+tls://fleet:hunter2@h1"]) == 2
    shown = capsys.readouterr().err
    assert "--store has a password" in shown
    assert "hunt" not in shown
