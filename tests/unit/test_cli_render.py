"""Answers as text: in words, in columns, and in colour where a terminal welcomes it."""

import io
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.cli import ask, query, render
from musterd.model import Member, State, Verdict


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (None, "not found"),
        (Verdict(True, True, False, State.UP), "up"),
        (Verdict(True, False, False, State.SUSPECT), "suspect, not schedulable"),
        (Verdict(False, False, True, State.UP), "forced down, though its beats say up"),
        (Verdict(False, False, True, State.LEFT), "left"),
    ],
)
def test_verdicts_in_words(verdict: Verdict | None, text: str) -> None:
    assert query.verdict_text(verdict, render.plain) == text


@given(st.text(), st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3))
def test_whatever_is_said_is_readable(text: str, metadata: dict[str, str]) -> None:
    shown = ask.readable(Member(text, text, text, text, metadata))
    assert "".join([shown.zone, *shown.metadata, *shown.metadata.values()]).isprintable()
    assert ask.readable(shown) == shown


def test_tables_fit_a_terminal_and_break_no_name() -> None:
    rows = [("a" * 30, render.coloured("down", "red"), "because " * 12), ("b", "up", "")]
    headers = ("MEMBER", "STATE", "WHY")
    wide = render.table(headers, rows)
    assert max(map(len, wide.splitlines())) > 100
    lines = render.table(headers, rows, width=80).splitlines()
    assert max(len(re.sub(r"\x1b\[\d+m", "", line)) for line in lines) <= 80
    assert any(line.startswith("a" * 30) for line in lines)
    assert " ".join(lines).count("because") == 12
    assert render.table(headers, rows, width=40) == wide, "names leave no room for sentences"


@given(
    st.lists(
        st.tuples(
            st.text("ab-", min_size=1, max_size=9),
            st.text("ab ", max_size=30),
            st.text("a b", max_size=90),
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(20, 90),
)
def test_a_table_fits_if_it_can_and_no_word_is_lost(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    text = render.table(("A", "B", "C"), rows, width=width)
    words = Counter(word for row in rows for cell in row for word in cell.split())
    assert Counter(text.split()) == words + Counter(("A", "B", "C"))
    widest = max(map(len, text.splitlines()))
    assert widest <= width or text == render.table(("A", "B", "C"), rows)


class Terminal(io.StringIO):
    """A stream that says that it is one."""

    def isatty(self) -> bool:
        return True


def test_no_colour_in_a_pipe_and_colour_on_a_terminal() -> None:
    assert render.paint() is render.plain
    for unwelcome in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert render.paint(Terminal(), unwelcome) is render.plain
    paint = render.paint(Terminal(), {})
    assert paint is render.coloured
    painted = render.state_text(State.DOWN, paint)
    assert painted == "\x1b[31mdown\x1b[0m"
    rows = [("a", painted), ("b", render.state_text(State.UP, paint))]
    bare = [("a", "down"), ("b", "up")]
    text = render.table(("NAME", "STATE"), rows)
    assert re.sub(r"\x1b\[\d+m", "", text) == render.table(("NAME", "STATE"), bare)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (-3, "0 s"),
        (4.4, "4 s"),
        (89, "89 s"),
        (90, "2 min"),
        (3600, "60 min"),
        (7200, "2 h"),
        (86400, "24 h"),
        (129600, "2 d"),
    ],
)
def test_ages_as_people_say_them(seconds: float | None, text: str) -> None:
    assert render.age(seconds) == text
