"""The `musterd` command finds the sub-command, imports only that, and turns errors into words.

Exit status: 0 done, 1 the answer is no, 2 wrong use or configuration, 3 out of reach.
"""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from musterd.cli import streams
from musterd.errors import (
    AccessDenied,
    CannotListen,
    ConfigError,
    Conflict,
    CoordinatorError,
    CoordinatorUnreachable,
    MusterdError,
    NotFound,
    RegistryError,
    StoreError,
)
from musterd.terminal import visible
from musterd.urls import without_secrets

DONE, NO, WRONG_USE, OUT_OF_REACH = 0, 1, 2, 3
INTERRUPTED, BROKEN_PIPE = 130, 141  # 128 + the number of the signal

# What the extra brings, by import name; a missing one deserves a hint and not a traceback.
EXTRA = ("numpy", "starlette", "uvicorn", "uvloop", "httptools", "tqdm", "prometheus_client")


class Command(NamedTuple):
    """A ``Command`` is a sub-command: its module in this package, and what it does in one line."""

    module: str
    summary: str


DAEMONS = {
    "coordinator": Command("coordinator", "watch the store and answer who is up"),
    "agent": Command("agent", "beat for this host's members"),
    "relay": Command("relay", "take agents' beats and write them to a database in batches"),
    "nova": Command("nova", "answer a stock Nova that asks by its own driver who is up"),
    "notify": Command("notify", "tell a webhook, a program or an Alertmanager of incidents"),
    "shadow": Command("shadow", "watch Nova, and record what its own rule and musterd make of it"),
}
QUESTIONS = {
    "groups": Command("groups", "list the groups, with counts by state"),
    "members": Command("members", "list the members of a group"),
    "show": Command("show", "show everything about one member"),
    "query": Command("query", "ask whether members are up"),
    "watch": Command("watch", "print every change of state as it happens"),
    "top": Command("top", "show the fleet live: verdict, incidents, zones, last changes"),
    "history": Command(
        "history", "list changes of state and orders, of a member or many, with reasons"
    ),
    "incidents": Command("incidents", "say what needs attention, and what to do next"),
    "status": Command("status", "show how well the coordinator hears its store"),
    "health": Command(
        "health", "say for a probe whether coordinators, or a host's agents, are well"
    ),
}
ORDERS = {
    "disable": Command("facts", "keep new work off a member"),
    "enable": Command("facts", "let a member take work again"),
    "force-down": Command("facts", "declare a member down, whatever its beats say"),
    "unforce": Command("facts", "believe a member's beats again"),
    "confirm-silence": Command("confirm", "call those dead at once that a mass silence holds"),
    "set": Command("set", "say a member's zone, owner or metadata in its agent's place"),
    "forget": Command("forget", "drop a member that will not come back"),
}
HINDSIGHT = {
    "report": Command("report", "say what Nova and musterd got wrong while a trace was recorded"),
    "replay": Command("replay", "judge a recorded trace anew, with other settings"),
}
SET_UP = {
    "demo": Command("demo", "kill hosts and break a store on this machine, and watch"),
    "check-config": Command("check_config", "print every option, its value, and where it is from"),
    "plan": Command("plan", "say what servers and settings a fleet takes, before you have it"),
    "keygen": Command(
        "keygen", "make the key by which a fleet knows whose beat it is, or renew it"
    ),
    "key": Command("key", "print the key of one member"),
    "token": Command("token", "make, list and revoke the tokens of a coordinator's API"),
    "init-db": Command("init_db", "create musterd's tables in a database, or print the SQL"),
    "completion": Command("completion", "print what bash, zsh or fish reads to complete musterd"),
    "man": Command("man", "print the man page of a command, or of the whole"),
}
SECTIONS = {
    "daemons": DAEMONS,
    "questions": QUESTIONS,
    "orders": ORDERS,
    "hindsight": HINDSIGHT,
    "set-up": SET_UP,
}
COMMANDS = {name: command for section in SECTIONS.values() for name, command in section.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: this process's) and return the exit status."""
    streams.make_usable()
    return ended(partial(_dispatch, sys.argv[1:] if argv is None else list(argv)))


def ended(command: Callable[[], int]) -> int:
    """Run ``command`` and return its exit status; if it fails, complain in one line."""
    try:
        status = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _close_quietly()
        return BROKEN_PIPE
    except MusterdError as error:
        return _complain(error)
    except ExceptionGroup as group:
        return _complain_group(group)
    except ModuleNotFoundError as error:
        return _complain_module(error)
    except OSError as error:
        return _complain_os(error)
    return status


def _dispatch(argv: list[str]) -> int:
    if argv[:1] == ["help"] and len(argv) > 1:
        argv = [*argv[1:], "--help"]
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview(), file=sys.stdout if argv else sys.stderr)
        return DONE if argv else WRONG_USE
    if argv[0] == "--version":
        from musterd.about import version

        print(f"musterd {version()}")
        return DONE
    name, *rest = argv
    if name not in COMMANDS:
        raise ConfigError(_no_such_command(name))
    try:
        status: int = command_module(name).run(name, rest)
        return status
    except SystemExit as done:  # argparse after --help
        return int(done.code or 0)


def command_module(name: str) -> ModuleType:
    """Return the module of a sub-command: ``run(name, argv) -> int`` and ``parser(name)``."""
    return import_module(f"musterd.cli.{COMMANDS[name].module}")


def overview() -> str:
    """Return what ``musterd --help`` prints."""
    lines = [
        "usage: musterd COMMAND [OPTIONS]",
        "",
        "Which members of a group are alive right now?",
    ]
    for title, commands in SECTIONS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {name:<13} {command.summary}" for name, command in commands.items()]
    return "\n".join(
        [
            *lines,
            "",
            "musterd COMMAND --help shows the options of a command and an example.",
            "musterd --version shows the version.",
        ]
    )


def _no_such_command(name: str) -> str:
    from difflib import get_close_matches

    if name.startswith("-"):
        return f"options go after the command: musterd COMMAND {name}; see musterd --help"
    close = get_close_matches(name, COMMANDS, n=1)
    hint = f"; did you mean {close[0]}?" if close else "; see musterd --help"
    return f"there is no command {name!r}{hint}"


def complain(text: str) -> None:
    """Print one line on standard error: ``musterd: …``."""
    print(f"musterd: {visible(' '.join(without_secrets(text).split()))}", file=sys.stderr)


def _complain(error: MusterdError) -> int:
    complain(str(error))
    match error:
        case NotFound() | Conflict():
            return NO
        case AccessDenied():
            return WRONG_USE
        case StoreError() | RegistryError() | CoordinatorError() | CoordinatorUnreachable():
            return OUT_OF_REACH
        case CannotListen():  # a unit may try it again
            return OUT_OF_REACH
        case _:
            return WRONG_USE


def _complain_group(group: ExceptionGroup[Exception]) -> int:
    ours, others = group.split(MusterdError)
    if ours is None or others is not None:
        raise group
    first: BaseException = ours
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, MusterdError)
    return _complain(first)


def _complain_module(error: ModuleNotFoundError) -> int:
    missing = (error.name or "").partition(".")[0]
    if missing not in EXTRA:
        raise error
    complain(
        f"this command needs {missing}, which is not installed; install musterd with its extra, from"
        " its source: pip install '.[coordinator]'"
    )
    return WRONG_USE


def _complain_os(error: OSError) -> int:
    what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if error.errno == errno.EADDRINUSE:
        what += "; stop the program that uses it, or choose another --listen"
    complain(what)
    if error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT):  # it cannot be written at exit, too
        _close_quietly()
    return OUT_OF_REACH if isinstance(error, ConnectionError | TimeoutError) else WRONG_USE


def _close_quietly() -> None:
    """Let nothing more be written to a pipe that nobody reads, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
