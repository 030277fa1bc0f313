"""``musterd plan`` as an operator meets it."""

import json
import subprocess
import sys

import pytest

from musterd import cli


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = cli.main(["plan", *words])
    out, err = capsys.readouterr()
    return status, out, err


def test_a_plan_that_fits_has_everything_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = told(capsys, "--members", "200000", "--interval", "5", "--store", "relay")
    assert (status, err) == (0, "")
    for word in (
        *("200,000 members", "fits:", "relays:", "coordinators:", "connections:", "network:"),
        *("WAL:", "a death is found:", "false deaths:", "assumed:", "measured by:"),
        *("relay+tls://relay-1:11411,", 'relay_listen = "0.0.0.0:11411"', "service_down_time = 30"),
    ):
        assert word in out


def test_a_plan_that_does_not_fit_says_what_to_use(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = told(capsys, "--members", "1000000", "--store", "postgresql")
    assert status == 1
    assert "NO" in out
    assert "musterd: it does not fit: 1000004 connections" in err
    assert err.splitlines()[-1] == ("musterd: use --store relay, which carries the same fleet")


def test_json_has_the_plan_and_what_it_is_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = told(capsys, "--members", "1000000", "--store", "postgresql", "--json")
    answer = json.loads(out)
    assert status == 1
    assert (answer["fits"], answer["instead"], answer["need"]["servers"]) == (False, "relay", 1)
    assert answer["coefficients"].keys() > {"postgresql.beat_us", "relay.beat_us"}
    assert {source["command"] for source in answer["sources"].values()}


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["--members", "0"], "from 1 to"),
        (["--members", "many"], "'many' is not usable"),
        ([], "--members"),
        (["--members", "9", "--store", "redis"], "redis"),
        (["--members", "9", "--interval", "60", "--service-down-time", "5"], "not longer than"),
        (["--members", "9", "--loss", "1"], "from 0 to 0.9"),
        (["--members", "9", "--coefficients", "nowhere.json"], "no such file"),
    ],
)
def test_wrong_use_is_one_clear_line(
    words: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = told(capsys, *words)
    assert (status, out) == (2, "")
    assert word in err
    assert err.count("\n") == 1


def test_a_plan_needs_no_numpy() -> None:
    code = "import sys; sys.modules['numpy'] = None; from musterd.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "plan", "--members", "1000", "--json"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
