"""The `musterd` command: what it finds, what it refuses, and how it ends."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from shlex import quote

import pytest

from musterd import cli
from musterd.cli import agent, check_config, daemon
from musterd.errors import (
    CannotListen,
    ConfigError,
    Conflict,
    CoordinatorError,
    CoordinatorUnreachable,
    NotFound,
    RegistryError,
    ShardUnavailable,
)
from musterd.settings import sources as config
from tests.unit import a_daemon

ROOT = Path(__file__).parents[2]


pytestmark = pytest.mark.usefixtures("no_configuration")


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> "Told":
    return Told(capsys)


class Told:
    """Runs a command line in this process and keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def run(self, *argv: str) -> int:
        return self.end(lambda: cli.main(argv))

    def end(self, command: Callable[[], int]) -> int:
        """Let ``command`` end as a command line does."""
        status = cli.ended(command)
        self.out, self.err = self._capsys.readouterr()
        return status

    def refusal(self, *argv: str) -> str:
        """The one line on standard error of a command that is refused with status 2."""
        assert self.run(*argv) == 2
        assert self.out == ""
        assert self.err.startswith("musterd: ")
        assert self.err.count("\n") == 1
        return self.err


def test_the_overview_names_every_command(told: Told) -> None:
    assert told.run("--help") == 0
    assert all(name in told.out for name in cli.COMMANDS)
    assert told.run() == 2
    assert "usage: musterd COMMAND" in told.err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_helps_with_an_example(name: str, told: Told) -> None:
    assert told.run(name, "--help") == 0
    assert f"usage: musterd {name} " in told.out
    assert f"example:\n  musterd {name}" in told.out


def test_help_of_a_command_is_had_either_way(told: Told) -> None:
    assert told.run("help", "show") == 0
    help_of_show = told.out
    assert told.run("show", "--help") == 0
    assert told.out == help_of_show
    assert "no command 'shwo'" in told.refusal("help", "shwo")


def test_the_contract_has_these_commands() -> None:
    contract = (
        "coordinator agent groups members show query watch disable enable force-down unforce set"
        " forget history status demo check-config"
    )
    assert set(contract.split()) <= set(cli.COMMANDS)


def test_the_version(told: Told) -> None:
    assert told.run("--version") == 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert told.out == f"musterd {project['version']}\n"


def test_a_word_where_a_url_belongs_is_not_repeated(told: Told) -> None:
    refusal = told.refusal("coordinator", "--registry", "hunter2")
    assert "--registry: what is there (a password, perhaps) is not usable; use sqlite:" in refusal
    assert "hunter2" not in refusal


def test_a_misspelt_command_or_option_names_the_nearest(told: Told) -> None:
    assert "no command 'agnet'; did you mean agent?" in told.refusal("agnet")
    assert "see musterd --help" in told.refusal("qqq")
    assert "did you mean --interval?" in told.refusal("agent", "--intervall=5")
    assert "'--qqq' means nothing to musterd agent" in told.refusal("agent", "--qqq")
    assert "no number" in told.refusal("coordinator", "--interval", "no number")
    assert "no number" in told.refusal("nova", "--interval", "no number")
    assert "options go after the command" in told.refusal("--config", "x", "agent")
    assert "--interval" in told.refusal("agent", "--interval")
    assert "'--inter' means nothing" in told.refusal("agent", "--inter", "5")
    assert "--meta: 'foo bar' is not" in told.refusal("agent", "--meta", "foo", "--meta", "bar")
    assert "'-x' means nothing" in told.refusal("show", "compute", "-x")


def test_arguments_are_checked_before_anything_is_asked(told: Told) -> None:
    assert "required: GROUP" in told.refusal("members")
    assert "required: MEMBER" in told.refusal("show", "--", "compute")
    assert "group name 'a/b' is not usable" in told.refusal("members", "a/b")
    assert "member name '' is not usable" in told.refusal("show", "compute", "")
    assert "invalid choice: 'upp'" in told.refusal("members", "compute", "--state", "upp")
    assert "not allowed with" in told.refusal("members", "compute", "--up", "--down")
    assert "from 0.1 to 3600" in told.refusal("watch", "--period", "0")
    assert "from 1 to 100000" in told.refusal("demo", "--members", "0")
    assert "--reason is blank" in told.refusal("disable", "compute", "a", "--reason", " ")
    assert "--coordinator: 'h:8420' is not usable" in told.refusal(
        "groups", "--coordinator", "h:8420"
    )


def test_a_configuration_error_is_one_line(told: Told, tmp_path: Path) -> None:
    assert "No such file" in told.refusal("agent", "--config", str(tmp_path / "gone.toml"))
    (tmp_path / "bad.toml").write_text("a = \n")
    assert "line 1" in told.refusal("coordinator", "--config", str(tmp_path / "bad.toml"))
    assert "MUSTERD_STORE" in told.refusal("agent", "--store", "postgresql://u:s3cret@h/d")
    assert "s3cret" not in told.err


def test_check_config_says_where_each_value_is_from(told: Told, tmp_path: Path) -> None:
    path, env = tmp_path / "musterd.toml", tmp_path / "secrets.env"
    env.write_text("MUSTERD_OWNER=us\n")
    path.write_text(
        'zone = "r1"\n[[member]]\nmember = "a"\n[[member]]\nmember = "b"\ninterval = 5\n'
    )
    given = "--config", str(path), "--env-file", str(env)
    assert told.run("check-config", *given, "--store", "memory:", "--json") == 0
    report = json.loads(told.out)
    lines = {line["key"]: (line["value"], line["source"]) for line in report["options"]}
    assert report["file"] == str(path)
    assert lines["store"] == ("memory:", "--store")
    assert lines["zone"] == ("r1", str(path))
    assert lines["owner"] == ("us", "MUSTERD_OWNER")
    assert lines["namespace"] == ("musterd", "default")
    assert lines["sweep_timeout"] == (10.0, "default: half of service_down_time, at most 10")
    assert [one["member"] for one in report["members"]] == ["a", "b"]
    assert report["warnings"] == []
    assert told.run("check-config", "--config", str(path), "--store", "memory:") == 0
    assert [line.split()[:2] for line in told.out.splitlines()[-2:]] == [
        ["compute/a", "10"],
        ["compute/b", "5"],
    ]


def test_check_config_prints_a_table_and_then_warnings(told: Told) -> None:
    argv = ("--store", "memory:", "--interval", "10", "--service-down-time", "5")
    assert told.run("check-config", *argv) == 0
    assert "file: none" in told.out
    assert told.out.splitlines()[-1].startswith("warning: service_down_time 5 s is not longer")
    (line,) = [line for line in told.out.splitlines() if line.startswith("service_down_time")]
    assert line.split()[1] == "25"


def test_check_config_refuses_what_only_a_start_would_find(told: Told, tmp_path: Path) -> None:
    assert "must be one of" in told.refusal("check-config", "--store", "etcd://h")
    secrets = env_file(tmp_path, "MUSTERD_STORE=etcd://u:s3cret@h")
    assert "s3cret" not in told.refusal("check-config", *secrets)


def env_file(folder: Path, *lines: str) -> tuple[str, str]:
    """The option that names a file of variables with these lines."""
    path = folder / "secrets.env"
    path.write_text("\n".join(lines))
    return "--env-file", str(path)


def test_check_config_hides_passwords(told: Told, tmp_path: Path) -> None:
    secrets = env_file(
        tmp_path, "MUSTERD_STORE=memory:", "MUSTERD_REGISTRY=postgresql://u:s3cret@h/d"
    )
    for extra in ((), ("--json",)):
        assert told.run("check-config", *secrets, *extra) == 0
        assert "s3cret" not in told.out
        assert "postgresql://u:***@h/d" in told.out


def test_a_derived_registry_hides_its_password_too() -> None:
    loaded = config.load({}, {"MUSTERD_STORE": "postgresql://u:s3cret@h/d"})
    report = check_config.report_on(loaded)
    assert "s3cret" not in check_config.text(report)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("no"), 2),
        (CannotListen("no"), 3),
        (NotFound("no"), 1),
        (Conflict("no"), 1),
        (CoordinatorError("no"), 3),
        (CoordinatorUnreachable("no"), 3),
        (ShardUnavailable("mc1:11211", "no"), 3),
        (RegistryError("no"), 3),
        (ExceptionGroup("tasks", [ExceptionGroup("more", [ConfigError("no")])]), 2),
        (ConnectionRefusedError(111, "no"), 3),
        (OSError(98, "no"), 2),
        (PermissionError(13, "no", "musterd.db"), 2),
        (KeyboardInterrupt(), 130),
        (ModuleNotFoundError("no", name="uvicorn.config"), 2),
    ],
)
def test_each_error_is_a_line_and_a_status(error: BaseException, status: int, told: Told) -> None:
    assert told.end(failing(error)) == status
    assert told.out == ""
    assert told.err.count("\n") == (status != 130)


def failing(error: BaseException) -> Callable[[], int]:
    """A command that raises ``error``."""

    def fail() -> int:
        raise error

    return fail


def test_a_mistake_of_our_own_keeps_its_traceback() -> None:
    mistakes = (
        ValueError("ours"),
        ModuleNotFoundError("ours", name="musterd.gone"),
        ExceptionGroup("mixed", [ConfigError("no"), ValueError("ours")]),
    )
    for mistake in mistakes:
        with pytest.raises(type(mistake)):
            cli.ended(failing(mistake))


def test_a_missing_extra_says_how_to_get_it(told: Told) -> None:
    missing = ModuleNotFoundError("No module named 'numpy'", name="numpy")
    assert told.end(failing(missing)) == 2
    assert "needs numpy" in told.err
    assert "pip install '.[coordinator]'" in told.err


def test_the_extra_is_what_the_project_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["coordinator"]
    assert {line.partition(">=")[0].replace("-", "_") for line in extra} == set(cli.EXTRA)


def test_a_daemon_gets_its_settings_and_its_status_is_ours(told: Told) -> None:
    def start(*argv: str) -> int:
        args = agent.parser("agent").parse(argv)
        return told.end(lambda: daemon.run_daemon(a_daemon.__name__, args))

    argv = ("--interval", "2", "--meta", "a=1", "--meta", "b=2", "--member", "x")
    assert start(*argv) == a_daemon.STATUS
    settings = a_daemon.seen.pop()
    assert (settings.interval, settings.metadata) == (2.0, {"a": "1", "b": "2"})
    assert start("--interval", "10", "--service-down-time", "5") == a_daemon.STATUS
    assert "configuration doubtful" in told.err


def shell(*argv: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "musterd", *argv],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], **environ},
    )


def test_the_shell_sees_status_and_one_line() -> None:
    done = shell("agent", "--interval", "ten")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "musterd: --interval: 'ten' is not usable; use a number of seconds from 0.05 to 3600\n"
    )
    assert shell("--version").returncode == 0


def test_a_pipe_that_breaks_is_no_news() -> None:
    command = f"{quote(sys.executable)} -m musterd init-db --print | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout in ("0\n", "141\n")  # 0 if all was written before anybody looked


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("musterd.cli.agent", ("httpcore", "tabulate", "numpy", "tqdm", "uvicorn")),
        ("musterd.cli.query", ("numpy", "structlog", "asyncpg", "uvicorn", "tqdm")),
        ("musterd.stores.postgres.store", ("numpy", "musterd.sqlfiles", "importlib.resources")),
        ("musterd.cli.members", ("numpy", "structlog", "asyncpg", "uvicorn", "tqdm")),
    ],
)
def test_a_command_imports_only_what_it_needs(module: str, forbidden: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    if module == "musterd.cli.agent":
        code = "import musterd_agent.main\n" + code
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not set(forbidden) & set(done.stdout.split())
