"""The reference of all commands is written from their parsers.

``python -m musterd.cli.handbook > docs/cli.md`` refreshes the page.
"""

import re
from collections.abc import Iterable, Iterator
from textwrap import dedent

from musterd.cli import SECTIONS
from musterd.cli.synopsis import Flag, FlagSection, Synopsis, every_synopsis
from musterd.settings.settings import OPTIONS

_INTRODUCTION = """\
<!-- Written by `python -m musterd.cli.handbook > docs/cli.md`; do not edit. -->
# Commands

Exit statuses: 0 done; 1 the answer is no; 2 wrong use or configuration; 3 out of reach. What this page
says, `musterd COMMAND --help` and `musterd man COMMAND | man -l -` say too. Options with a link may
stand in the environment or in a file: [configuration](configuration.md).
"""
_SETTINGS = {option.flag(key): key for key, option in OPTIONS.items()}


def cli_page() -> str:
    """Return the whole page, as Markdown."""
    return "\n".join([_INTRODUCTION, *_contents(), *map(_entry, every_synopsis())])


def _contents() -> Iterator[str]:
    for title, commands in SECTIONS.items():
        rows = (
            f"| [`{name}`](#musterd-{name}) | {one.summary} |" for name, one in commands.items()
        )
        yield "\n".join([f"| {title} | |", "| --- | --- |", *rows, ""])


def _entry(one: Synopsis) -> str:
    words = " ".join(["musterd", *one.words])
    return "\n".join(
        [f"## `{words}`", "", f"{one.summary}.", "", *_usage(words, one), *_takes(one)]
    )


def _usage(words: str, one: Synopsis) -> Iterator[str]:
    verb = ["VERB"] if one.verbs else []
    forms = " ".join([words, *verb, "[OPTIONS]", *(each.form for each in one.operands)])
    yield f"```sh\n{forms}\n\n# for example\n{dedent(one.example).strip()}\n```\n"


def _takes(one: Synopsis) -> Iterator[str]:
    operands = [(f"`{each.name}`", each.help) for each in one.operands]
    flags = [
        (_spelt(each), each.help)
        for each in one.flags
        if "--help" not in each.spellings and not _settings([each])
    ]
    if operands + flags:
        rows = (f"| {name} | {_cell(means)} |" for name, means in operands + flags)
        yield "\n".join(["| | |", "| --- | --- |", *rows, ""])
    for section in one.sections:
        yield from _configured(section)


def _configured(section: FlagSection) -> Iterator[str]:
    links = [f"[`--{_flag(key)}`](configuration.md#{key})" for key in _settings(section.flags)]
    if links:
        yield f"{section.title[:1].upper()}{section.title[1:]}: {', '.join(links)}.\n"


def _flag(key: str) -> str:
    return OPTIONS[key].flag(key).removeprefix("--")


def _settings(flags: Iterable[Flag]) -> list[str]:
    """Return the options of the configuration that are among ``flags``."""
    words = (word for flag in flags for word in flag.spellings)
    return [_SETTINGS[word] for word in words if word in _SETTINGS]


def _spelt(flag: Flag) -> str:
    value = f" {flag.value}" if flag.value else ""
    return ", ".join(f"`{_cell(f'{word}{value}')}`" for word in flag.spellings)


def _cell(text: str) -> str:
    """Return ``text`` for a cell of a table: on one line, with no bar that would end the cell."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    print(cli_page(), end="")
