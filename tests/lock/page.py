"""What a page says to copy: blocks for hosts to run, and sessions with what hosts answer."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FENCE = re.compile(r"^```(sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^([a-z0-9]+)# (.*)$")


class Step(NamedTuple):
    """A `Step` is what one host is to run, and what it answers where the page shows that."""

    host: str
    command: str
    answer: list[str] | None


def steps_of(page: Path) -> Iterator[Step]:
    """Yield all steps of a page in their order."""
    for kind, text in FENCE.findall(page.read_text()):
        yield from (block if kind == "sh" else session)(text)


def block(text: str) -> Iterator[Step]:
    """Yield a script for each of the hosts that its first line names."""
    first, _, script = text.partition("\n")
    for host in first.removeprefix("# ").split(", "):
        yield Step(host, script, None)


def session(text: str) -> Iterator[Step]:
    """Yield each command at a prompt with the lines below it."""
    host, command, answer = "", "", list[str]()
    for line in text.splitlines():
        if prompt := PROMPT.match(line):
            if command:
                yield Step(host, command, answer)
            (host, command), answer = prompt.groups(), []
        else:
            answer.append(line)
    yield Step(host, command, answer)


def is_answer(expected: list[str], lines: list[str]) -> bool:
    """Return whether a host said what the page shows: ``…`` may be anything, a space any white space."""
    shown, said = (" ".join("\n".join(text).split()) for text in (expected, lines))
    return re.fullmatch(re.sub(r"(\\ )?…", ".*", re.escape(shown)), said) is not None
