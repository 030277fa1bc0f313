"""Completion and man pages leave out nothing that a parser takes, and invent nothing."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from musterd import cli
from musterd.cli.share import shared_files, write_shared
from musterd.cli.shells import SHELLS
from musterd.cli.synopsis import Synopsis, every_synopsis

EVERY = list(every_synopsis())
FILES = shared_files()


def named(one: Synopsis) -> str:
    return " ".join(one.words)


def what_bash_offers(lines: Sequence[Sequence[str]], folder: Path) -> list[set[str]]:
    """The words that bash offers in the place of the last word of each line."""
    asked = "".join(
        f"COMP_WORDS=({' '.join(repr(word) for word in line)}); COMP_CWORD={len(line) - 1};"
        ' COMPREPLY=(); _musterd; echo "${COMPREPLY[*]}"\n'
        for line in lines
    )
    script = f"{FILES['bash-completion/completions/musterd']}\n{asked}"
    bash = ["bash", "--norc", "-u"]  # not -e: outside of a completion compopt fails
    told = subprocess.run(
        bash, input=script, cwd=folder, capture_output=True, text=True, check=True
    )
    assert told.stderr == ""
    return [set(line.split()) for line in told.stdout.splitlines()]


def test_every_command_and_verb_has_a_synopsis() -> None:
    assert {one.words[0] for one in EVERY} == set(cli.COMMANDS)
    verbs = {one.words[1] for one in EVERY if one.words[0] == "token" and len(one.words) > 1}
    assert verbs == {"create", "list", "revoke"}


@pytest.mark.parametrize("one", EVERY, ids=named)
def test_a_synopsis_has_what_help_shows(one: Synopsis, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*one.words, "--help"]) == 0
    shown = re.findall(r"^  (-.*?)(?:  |$)", capsys.readouterr().out, re.MULTILINE)
    flags = {word for line in shown for word in re.findall(r"(?:^|, )(--?[a-z][\w-]*)", line)}
    assert flags == {word for flag in one.flags for word in flag.spellings}


def test_bash_offers_every_command_option_and_verb(tmp_path: Path) -> None:
    commands, *others = what_bash_offers(
        [
            ("musterd", ""),
            *(("musterd", *one.words, "-") for one in EVERY),
            ("musterd", "token", ""),
        ],
        tmp_path,
    )
    verbs = others.pop()
    assert commands == {*cli.COMMANDS, "help", "--help", "--version"}
    assert verbs >= {"create", "list", "revoke"}
    for one, offered in zip(EVERY, others, strict=True):
        assert offered == {word for flag in one.flags for word in flag.spellings}, one.words


def test_bash_offers_the_values_of_options(tmp_path: Path) -> None:
    (tmp_path / "a.toml").touch()
    chosen = [
        (one, flag)
        for one in EVERY
        for flag in one.flags
        if flag.value and flag.spellings[0] != "-h"
    ]
    lines = [("musterd", *one.words, flag.spellings[-1], "") for one, flag in chosen]
    for (one, flag), offered in zip(chosen, what_bash_offers(lines, tmp_path), strict=True):
        there = {"a.toml"} if flag.is_path else set()
        assert offered == there | set(flag.choices), (one.words, flag)
    assert sum(bool(flag.choices) for _, flag in chosen) > 20
    assert sum(flag.is_path for _, flag in chosen) > 20


def test_bash_knows_a_value_behind_an_equals_sign_and_files_as_operands(tmp_path: Path) -> None:
    (tmp_path / "trace").mkdir()
    level, begun, trace, shells = what_bash_offers(
        [
            ("musterd", "agent", "--log-level", "="),
            ("musterd", "agent", "--log-level", "=", "de"),
            ("musterd", "report", "tr"),
            ("musterd", "completion", ""),
        ],
        tmp_path,
    )
    assert level == {"debug", "info", "warning", "error"}
    assert begun == {"debug"}
    assert trace == {"trace"}
    assert shells > set(SHELLS)


def test_zsh_and_fish_have_every_option_of_every_command() -> None:
    zsh = FILES["zsh/site-functions/_musterd"]
    fish = FILES["fish/vendor_completions.d/musterd.fish"]
    blocks = dict(
        re.findall(r"^        '?([a-z -]+?)'?\) (.*?) ;;$", zsh, re.MULTILINE | re.DOTALL)
    )
    for one in EVERY:
        words = " ".join(one.words)
        theirs = re.findall(rf"^complete .*'__musterd_in {words}' (.*)$", fish, re.MULTILINE)
        for flag in one.flags:
            for word in flag.spellings:
                letter = f"-l {word[2:]} " if word.startswith("--") else f"-s {word[1:]} "
                assert any(letter in f"{line} " for line in theirs), (words, word)
                assert one.verbs or re.search(rf"'\*?{word}=?\[", blocks[words]), (words, word)
        for verb in one.verbs:
            assert f"'__musterd_is {words}' -a {verb.words[-1]} " in fish
            assert f"'{verb.words[-1]}:" in blocks[words]
    assert all(f"'__musterd_is' -a {name} " in fish for name in cli.COMMANDS)
    assert all(f"'{name}:" in zsh for name in cli.COMMANDS)


@pytest.mark.parametrize("one", EVERY, ids=named)
def test_a_man_page_has_all_that_help_has(one: Synopsis) -> None:
    page = FILES[f"man/man1/musterd-{'-'.join(one.words)}.1"].replace("\\-", "-")
    assert f"musterd-{'-'.join(one.words)} - " in page
    for flag in one.flags:
        assert all(rf"\fB{word}\fR" in page for word in flag.spellings)
        assert flag.help.replace("\\", "\\e") in page
    for operand in one.operands:
        assert f".I {operand.name}\n" in page
    assert "\nmusterd " in page.partition(".SH EXAMPLE")[2]


def test_the_page_of_the_whole_has_every_command() -> None:
    page = FILES["man/man1/musterd.1"].replace("\\-", "-")
    assert all(f"musterd-{name} (1)\n" in page for name in cli.COMMANDS)


def test_man_reads_every_page(tmp_path: Path) -> None:
    if not shutil.which("groff"):
        pytest.fail("install what reads man pages: apt-get install groff-base")
    write_shared(tmp_path)
    write_shared(tmp_path)  # over what is there
    pages = sorted((tmp_path / "man/man1").iterdir())
    assert len(pages) == len(EVERY) + 1
    groff = ["groff", "-ww", "-man", "-Kutf8", "-Tutf8", *map(str, pages)]
    told = subprocess.run(groff, capture_output=True, text=True, check=True)
    assert told.stderr == ""
    assert "--service-down-time" in re.sub(r"\x1b\[[0-9;]*m", "", told.stdout)


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_printed_is_what_is_packed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    assert capsys.readouterr().out in FILES.values()


def test_man_prints_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["man", "token", "create"]) == 0
    assert capsys.readouterr().out == FILES["man/man1/musterd-token-create.1"]
    assert cli.main(["man"]) == 0
    assert capsys.readouterr().out == FILES["man/man1/musterd.1"]
    assert cli.main(["man", "agnet"]) == 2
    assert "did you mean musterd-agent.1?" in capsys.readouterr().err
