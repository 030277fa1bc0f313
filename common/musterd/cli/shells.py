"""The module writes completion for shells: of commands, verbs, options and their values."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from shlex import quote

from musterd.cli import COMMANDS
from musterd.cli.synopsis import Flag, Operand, Synopsis

OUTRIGHT = ("help", "--help", "--version")
"""What stands in a command's place and is none."""


def bash(every: Sequence[Synopsis]) -> str:
    """Return what bash reads."""
    with_verbs = " | ".join(one.words[0] for one in every if one.verbs)
    return _BASH.format(
        with_verbs=with_verbs,
        values="\n".join(_bash_values(every)),
        commands=" ".join([*COMMANDS, *OUTRIGHT]),
        places="\n".join(map(_bash_place, every)),
    )


_BASH = """\
# Completion of musterd for bash, written by `musterd completion bash`.
_musterd() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
    local place='' words='' paths=''
    if [[ $current == = ]]; then # bash takes --option=value for three words
        current=''
    elif [[ $before == = ]]; then
        before=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    ((COMP_CWORD > 1)) && place=${{COMP_WORDS[1]}}
    ((COMP_CWORD > 2)) && case $place in {with_verbs}) place+=" ${{COMP_WORDS[2]}}" ;; esac
    case "$place $before" in
{values}
        *) case $place in
            '') words='{commands}' ;;
{places}
        esac ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    if [[ $paths && $current != -* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t -O ${{#COMPREPLY[@]}} COMPREPLY < <(compgen -f -- "$current")
    fi
}}
complete -F _musterd musterd
"""


def _bash_values(every: Iterable[Synopsis]) -> Iterator[str]:
    """Yield what stands behind options, those together whose values are alike."""
    alike = dict[str, list[str]]()
    for one in every:
        for flag in one.flags:
            if flag.value:
                said = "paths=1" if flag.is_path else f"words={quote(' '.join(flag.choices))}"
                places = (f"{' '.join(one.words)} {word}" for word in flag.spellings)
                alike.setdefault(said, []).extend(map(quote, places))
    for said, names in alike.items():
        yield f"        {' | '.join(names)}) {said} ;;"


def _bash_place(one: Synopsis) -> str:
    words = [verb.words[-1] for verb in one.verbs]
    words += [word for flag in one.flags for word in flag.spellings]
    words += [word for operand in one.operands for word in operand.choices]
    paths = " paths=1" if any(operand.is_path for operand in one.operands) else ""
    return f"            {quote(' '.join(one.words))}) words={quote(' '.join(words))}{paths} ;;"


def zsh(every: Sequence[Synopsis]) -> str:
    """Return what zsh reads, as a file `_musterd` on its fpath or by `source`."""
    return _ZSH.format(
        commands=_zsh_list((name, command.summary) for name, command in COMMANDS.items()),
        outright=" ".join(OUTRIGHT),
        with_verbs=" | ".join(one.words[0] for one in every if one.verbs),
        places="\n".join(map(_zsh_place, every)),
    )


_ZSH = """\
#compdef musterd
# Completion of musterd for zsh, written by `musterd completion zsh`.
_musterd() {{
    local place=$words[2]
    local -a them
    if ((CURRENT == 2)); then
        them=({commands})
        _describe command them
        compadd -- {outright}
        return
    fi
    shift words
    ((CURRENT--))
    case $place in
        {with_verbs})
            if ((CURRENT > 2)); then
                place+=" $words[2]"
                shift words
                ((CURRENT--))
            fi
            ;;
    esac
    case $place in
{places}
    esac
}}
if [[ $funcstack[1] == _musterd ]]; then
    _musterd "$@"
else
    compdef _musterd musterd
fi
"""


def _zsh_list(named: Iterable[tuple[str, str]]) -> str:
    return " ".join(quote(f"{name}:{_zsh_escaped(means)}") for name, means in named)


def _zsh_place(one: Synopsis) -> str:
    if one.verbs:
        listed = _zsh_list((verb.words[-1], verb.summary) for verb in one.verbs)
        return f"        {one.words[0]}) them=({listed}); _describe verb them ;;"
    specs = [*(spec for flag in one.flags for spec in _zsh_flag(flag))]
    specs += map(_zsh_operand, one.operands)
    lines = " \\\n            ".join(["_arguments", *map(quote, specs)])
    return f"        {quote(' '.join(one.words))}) {lines} ;;"


def _zsh_flag(flag: Flag) -> Iterator[str]:
    for word in flag.spellings:
        joined = "=" if flag.value and word.startswith("--") else ""
        value = f":{_zsh_escaped(flag.value)}:{_zsh_values(flag)}" if flag.value else ""
        yield f"{'*' * flag.repeats}{word}{joined}[{_zsh_escaped(_brief(flag.help))}]{value}"


def _zsh_operand(operand: Operand) -> str:
    several = "*" if operand.form.endswith("...") else ""
    return f"{several}:{operand.name}:{_zsh_values(operand)}"


def _zsh_values(of: Flag | Operand) -> str:
    if of.is_path:
        return "_files"
    return f"({' '.join(of.choices)})" if of.choices else " "


def _zsh_escaped(text: str) -> str:
    return "".join(f"\\{one}" if one in "\\:[]" else one for one in text)


def fish(every: Sequence[Synopsis]) -> str:
    """Return what fish reads."""
    lines = [f"-n '__musterd_is' -a '{' '.join(OUTRIGHT)}'"]
    lines += [
        f"-n '__musterd_is' -a {name} -d {_fish_quoted(command.summary)}"
        for name, command in COMMANDS.items()
    ]
    lines += [line for one in every for line in _fish_lines(one)]
    return _FISH + "".join(f"complete -c musterd {line}\n" for line in lines)


_FISH = """\
# Completion of musterd for fish, written by `musterd completion fish`.
function __musterd_in # a command, or a verb of one
    set -l words (commandline -opc)[2..]
    test (count $words) -ge (count $argv); and test "$words[1..$(count $argv)]" = "$argv"
end
function __musterd_is # right behind it
    set -l words (commandline -opc)[2..]
    test "$words" = "$argv"
end
complete -c musterd -f
"""


def _fish_lines(one: Synopsis) -> Iterator[str]:
    words = " ".join(one.words)
    for verb in one.verbs:
        means = _fish_quoted(verb.summary)
        yield f"-n '__musterd_is {words}' -a {verb.words[-1]} -d {means}"
    for flag in one.flags:
        spelt = " ".join(
            f"-{'l' if w[:2] == '--' else 's'} {w.lstrip('-')}" for w in flag.spellings
        )
        means = _fish_quoted(_brief(flag.help))
        yield f"-n '__musterd_in {words}' {spelt}{_fish_values(flag)} -d {means}"
    for operand in one.operands:
        if operand.is_path:
            yield f"-n '__musterd_in {words}' -F"
        elif operand.choices:
            yield f"-n '__musterd_in {words}' -a '{' '.join(operand.choices)}'"


def _fish_values(flag: Flag) -> str:
    if not flag.value:
        return ""
    if flag.is_path:
        return " -r -F"
    return f" -x -a '{' '.join(flag.choices)}'" if flag.choices else " -x"


def _fish_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _brief(text: str) -> str:
    """Return the first sentence of a help text, without its full stop."""
    return text.partition(". ")[0].removesuffix(".")


SHELLS: Mapping[str, Callable[[Sequence[Synopsis]], str]] = {
    "bash": bash,
    "zsh": zsh,
    "fish": fish,
}
"""What writes the completion of each shell."""
