"""The token by which commands ask: where it is from, and that nothing shows it."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from musterd import cli
from musterd.client import AsyncClient, Client, Replica, calls
from musterd.errors import AccessDenied, ConfigError
from musterd.settings.login import token_of
from musterd.settings.sources import load
from musterd.tokens import draw
from musterd.urls import without_secret, without_secrets

pytestmark = pytest.mark.usefixtures("no_configuration")

TOKEN, OTHER = draw().text, draw().text
SECRET = TOKEN[12:]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


def test_a_token_is_from_the_environment_or_a_file(file: Path) -> None:
    assert token_of(load({}, {})) is None
    assert token_of(load({}, {"MUSTERD_TOKEN": TOKEN})) == TOKEN
    assert token_of(load({}, {"MUSTERD_TOKEN_FILE": str(file)})) == TOKEN
    assert token_of(load({"token_file": str(file)}, {})) == TOKEN


def test_the_file_on_the_command_line_goes_first_and_any_other_last(file: Path) -> None:
    environ = {"MUSTERD_TOKEN": OTHER}
    assert token_of(load({"token_file": str(file)}, environ)) == TOKEN
    assert token_of(load({}, {**environ, "MUSTERD_TOKEN_FILE": str(file)})) == OTHER


def test_a_file_that_others_may_read_or_that_has_something_else_is_refused(file: Path) -> None:
    file.chmod(0o644)
    with pytest.raises(ConfigError, match=f"others may read the token file {file}: chmod 600"):
        token_of(load({"token_file": str(file)}, {}))
    file.write_text("another program's s3cret")
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="is no token of musterd") as refused:
        token_of(load({"token_file": str(file)}, {}))
    assert "s3cret" not in str(refused.value)


def test_no_token_comes_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--token", TOKEN]) == 2
    _, err = capsys.readouterr()
    assert "put it into MUSTERD_TOKEN, or into a file for --token-file" in err
    assert SECRET not in err


def test_a_bad_token_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError, match="MUSTERD_TOKEN") as refused:
        load({}, {"MUSTERD_TOKEN": f"{TOKEN}\r\nX: y"})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("json_wanted", [(), ("--json",)])
def test_check_config_shows_no_token(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, json_wanted: tuple[str, ...]
) -> None:
    config = tmp_path / "musterd.toml"
    config.write_text(f'token = "{TOKEN}"\n')
    assert cli.main(["check-config", "--config", str(config), *json_wanted]) == 0
    out, err = capsys.readouterr()
    assert SECRET not in out + err
    if json_wanted:
        (line,) = [each for each in json.loads(out)["options"] if each["key"] == "token"]
        assert line["value"] == "***"


@pytest.mark.parametrize("encode", [str, lambda text: "".join(f"%{ord(one):02X}" for one in text)])
def test_a_token_in_any_text_is_hidden_percent_encoded_too(encode: type[str]) -> None:
    shown = encode(TOKEN)
    for text in (shown, f"http://{shown}@c1:8420", f"see '{shown}' there", f"/v1/tokens/{shown}"):
        for hide in (without_secret, without_secrets):
            assert shown not in hide(text)
            assert SECRET not in hide(text)
    assert quote("a b%c") in without_secrets(f"http://h/{quote('a b%c')}")


def test_a_token_in_a_url_is_refused_without_being_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["status", "--coordinator", f"http://{TOKEN}@c1:8420"]) == 2
    _, err = capsys.readouterr()
    assert SECRET not in err


@pytest.mark.parametrize(
    "make", [Client, AsyncClient, lambda url, token: Replica(url, "g", token=token)]
)
def test_a_client_takes_a_token_and_nothing_else_for_one(make: type[Client]) -> None:
    made = make("http://127.0.0.1:1", token=TOKEN)
    assert SECRET not in repr(made) + repr(vars(made))
    with pytest.raises(ConfigError, match="what token has is no token of musterd") as refused:
        make("http://127.0.0.1:1", token=f"{TOKEN}\r\nX-Evil: 1")
    assert SECRET not in str(refused.value)


def test_a_client_says_who_asks() -> None:
    assert calls.login(None) == []
    assert calls.login(TOKEN) == [("Authorization", f"Bearer {TOKEN}")]


def test_what_a_command_may_not_do_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    def denied() -> int:
        raise AccessDenied("this takes a token with the role operator")

    assert cli.ended(denied) == 2
    assert "role operator" in capsys.readouterr().err
