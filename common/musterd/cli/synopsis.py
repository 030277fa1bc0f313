"""A synopsis is what a command line takes, read off its parser for shells and man pages."""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from musterd.cli import COMMANDS, command_module

_PATHS = {"FILE", "DIR", "FOLDER", "TRACE"}


class Flag(NamedTuple):
    """A ``Flag`` is an option of a command: its spellings, and the value that follows, if one does.

    ``value`` is empty for a switch; ``choices`` are all values there are, or none where there are
    more; ``is_path`` says that a value is a file or a folder.
    """

    spellings: tuple[str, ...]
    value: str
    choices: tuple[str, ...]
    is_path: bool
    repeats: bool
    help: str


class Operand(NamedTuple):
    """An ``Operand`` is a word that stands by itself: what it is, and ``form`` as usage shows it."""

    name: str
    form: str
    choices: tuple[str, ...]
    is_path: bool
    help: str


class FlagSection(NamedTuple):
    """A ``FlagSection`` is flags under the title that help gives them."""

    title: str
    flags: tuple[Flag, ...]


class Synopsis(NamedTuple):
    """A ``Synopsis`` is one command, or a verb of one, with all that it takes.

    ``verbs`` are those of a command that is nothing without one; each has a synopsis of its own.
    """

    words: tuple[str, ...]
    summary: str
    sections: tuple[FlagSection, ...]
    operands: tuple[Operand, ...]
    verbs: tuple["Synopsis", ...]
    example: str

    @property
    def flags(self) -> Iterator[Flag]:
        """Yield the flags of all sections."""
        for section in self.sections:
            yield from section.flags


def every_synopsis() -> Iterator[Synopsis]:
    """Yield the synopsis of each command, one with verbs before those, in the overview's order."""
    for name in COMMANDS:
        made = synopsis_of((name,), command_module(name).parser(name))
        yield made
        yield from made.verbs


def synopsis_of(words: tuple[str, ...], parser: argparse.ArgumentParser) -> Synopsis:
    """Return what ``parser`` takes; what it hides from its help is left out."""
    actions = [one for one in parser._actions if one.help != argparse.SUPPRESS]  # noqa: SLF001  # argparse has no public way
    verbs = next((one for one in actions if isinstance(one, argparse._SubParsersAction)), None)  # noqa: SLF001  # likewise
    return Synopsis(
        words,
        (parser.description or "").rstrip("."),
        tuple(_sections(parser)),
        tuple(_operand(one) for one in actions if not one.option_strings and one is not verbs),
        tuple(synopsis_of((*words, verb), its) for verb, its in verbs.choices.items())
        if verbs
        else (),
        (parser.epilog or "").partition("\n")[2],
    )


def _sections(parser: argparse.ArgumentParser) -> Iterator[FlagSection]:
    for group in parser._action_groups:  # noqa: SLF001  # likewise
        flags = tuple(
            _flag(one)
            for one in group._group_actions  # noqa: SLF001  # likewise
            if one.option_strings and one.help != argparse.SUPPRESS
        )
        if flags:
            yield FlagSection(group.title or "", flags)


def _flag(action: argparse.Action) -> Flag:
    value = "" if action.nargs == 0 else _value(action)
    return Flag(
        tuple(action.option_strings),
        value,
        _choices(action),
        _is_path(value),
        "append" in type(action).__name__.lower(),
        _plain(action.help),
    )


def _operand(action: argparse.Action) -> Operand:
    name = _value(action)
    form = {"?": f"[{name}]", "+": f"{name}...", "*": f"[{name}...]"}.get(str(action.nargs), name)
    return Operand(name, form, _choices(action), _is_path(name), _plain(action.help))


def _value(action: argparse.Action) -> str:
    return str(action.metavar or "|".join(_choices(action)) or action.dest.upper())


def _choices(action: argparse.Action) -> tuple[str, ...]:
    if action.choices is not None:
        return tuple(map(str, action.choices))
    words = str(action.metavar or "").split("|")  # as options of the settings say them
    return tuple(words) if len(words) > 1 and all(map(str.islower, words)) else ()


def _is_path(value: str) -> bool:
    return not _PATHS.isdisjoint(value.split("|"))


def _plain(text: str | None) -> str:
    """Return a help text as it is shown: argparse writes a percent sign twice."""
    return (text or "").replace("%%", "%")
