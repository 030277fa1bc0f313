"""``musterd plan`` as an operator meets it."""

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from musterd import cli
from musterd.cli import plan
from musterd.planning import Coefficients


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


def test_a_plan_names_what_it_was_measured_by_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    costs = Coefficients.shipped()
    for kind, whose in (
        ("relay-mariadb", "mariadb"),
        ("mariadb", "mariadb"),
        ("relay", "postgresql"),
    ):
        _, out, _ = told(capsys, "--members", "1000", "--store", kind)
        source = costs.source(f"{whose}.beat_us")
        assert f"{source.command}; {source.date}" in out


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


@pytest.mark.parametrize(
    ("store", "server"),
    [
        ("memcached", "# memcached -m "),
        ("embedded", "# no server; raise the coordinator's limit of open files"),
        ("postgresql", "# PostgreSQL with max_connections = "),
        ("mariadb", "# MariaDB with max_connections = "),
        ("relay-mariadb", "# MariaDB with max_connections = "),
    ],
)
def test_each_store_has_its_settings_and_its_server(
    store: str, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--members", "1000", "--store", store, "--sweep-period", "2")
    status, out, _ = told(capsys, *words)
    assert status == 0
    assert server in out
    assert "sweep_period = 2" in out
    assert "every 2 s, each takes" in out


def test_a_fleet_that_no_store_carries_is_to_be_split(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = told(capsys, "--members", "100000000", "--interval", "0.1")
    assert status == 1
    assert err.splitlines()[-1].endswith("split the fleet, or ask for less")


def test_costs_of_a_file_are_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.json"
    file.write_bytes(files("musterd.planning").joinpath("coefficients.json").read_bytes())
    words = ("--members", "1000", "--coefficients", str(file))
    assert told(capsys, *words) == told(capsys, "--members", "1000")


@pytest.mark.parametrize(
    ("size", "text"), [(12.0, "12 B"), (1500.0, "1.5 kB"), (2e6, "2 MB"), (3e9, "3 GB")]
)
def test_sizes_as_people_say_them(size: float, text: str) -> None:
    assert plan._size(size) == text


@pytest.mark.parametrize(
    ("a_day", "text"),
    [
        (4.0, "4 a day"),
        (0.1, "one in 10 days"),
        (1 / 3650, "one in 10 years"),
        (1e-12, "less than one in a million years"),
    ],
)
def test_chances_as_people_say_them(a_day: float, text: str) -> None:
    assert plan._rare(a_day) == text
