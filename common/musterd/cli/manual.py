"""The module writes man pages: one of the whole, and one of each command and verb."""

import re
from collections.abc import Iterable, Iterator, Mapping

from musterd.about import version
from musterd.cli import SECTIONS
from musterd.cli.synopsis import Flag, FlagSection, Operand, Synopsis, every_synopsis

_END = """\
.SH EXIT STATUS
0 done; 1 the answer is no; 2 wrong use or configuration; 3 out of reach.
.SH ENVIRONMENT
What a file of the configuration may set, a variable
.BI MUSTERD_ OPTION
may, too, as
.B MUSTERD_SERVICE_DOWN_TIME
for
.BR \\-\\-service\\-down\\-time .
.SH FILES
.I /etc/musterd/musterd.toml
"""


def man_pages() -> Mapping[str, str]:
    """Return all pages by the names of their files, as ``musterd-agent.1``."""
    every = list(every_synopsis())
    return {"musterd.1": _overview()} | {f"{_title(one)}.1": _page(one) for one in every}


def _overview() -> str:
    parts = [
        _head("musterd", "which members of a group are alive right now?"),
        ".SH SYNOPSIS\n.B musterd\n.I COMMAND\n[OPTIONS]\n",
    ]
    for title, commands in SECTIONS.items():
        parts.append(f".SH {_escaped(title).upper()}\n")
        parts += (
            f".TP\n.BR {_dashed(f'musterd-{name}')} (1)\n{_escaped(command.summary)}\n"
            for name, command in commands.items()
        )
    return "".join([*parts, _END])


def _page(one: Synopsis) -> str:
    parts = [
        _head(_title(one), one.summary[:1].lower() + one.summary[1:]),
        f".SH SYNOPSIS\n.B {' '.join(map(_dashed, ['musterd', *one.words]))}\n",
        f"{_escaped(' '.join(_usage(one)))}\n",
        *_described(one),
        f".SH EXAMPLE\n.EX\n{_escaped(re.sub('^  ', '', one.example, flags=re.MULTILINE))}\n.EE\n",
        _END,
        f".SH SEE ALSO\n.BR {_dashed('-'.join(['musterd', *one.words[:-1]]))} (1)\n",
    ]
    return "".join(parts)


def _described(one: Synopsis) -> Iterator[str]:
    if one.verbs:
        yield ".SH VERBS\n"
        for verb in one.verbs:
            yield f".TP\n.BR {_dashed(_title(verb))} (1)\n{_escaped(verb.summary)}\n"
    if one.operands:
        yield ".SH OPERANDS\n"
        yield from map(_operand, one.operands)
    yield ".SH OPTIONS\n"
    yield from map(_section, one.sections)


def _usage(one: Synopsis) -> Iterable[str]:
    return [*(["VERB"] if one.verbs else []), "[OPTIONS]", *(each.form for each in one.operands)]


def _head(title: str, means: str) -> str:
    name = _dashed(title)
    return (
        f'.TH {name.upper()} 1 "" "musterd {version()}"\n.SH NAME\n{name} \\- {_escaped(means)}\n'
    )


def _section(section: FlagSection) -> str:
    return f".SS {_escaped(section.title)}\n" + "".join(map(_flag, section.flags))


def _flag(flag: Flag) -> str:
    value = f" \\fI{_escaped(flag.value)}\\fR" if flag.value else ""
    spelt = ", ".join(f"\\fB{_dashed(word)}\\fR{value}" for word in flag.spellings)
    return f".TP\n{spelt}\n{_escaped(flag.help)}\n"


def _operand(operand: Operand) -> str:
    return f".TP\n.I {_escaped(operand.name)}\n{_escaped(operand.help)}\n"


def _title(one: Synopsis) -> str:
    return "-".join(["musterd", *one.words])


def _dashed(text: str) -> str:
    return text.replace("-", "\\-")


def _escaped(text: str) -> str:
    """Return ``text`` so that roff shows it as it stands: see groff_char(7)."""
    shown = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", shown, flags=re.MULTILINE)
