"""What is written into a trace is read back, whatever it is."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from musterd.trace.lines import (
    HeadCount,
    RuleChange,
    ShardTurn,
    SilenceEnded,
    StillSilent,
    TraceEvent,
    TraceHeader,
    TraceLine,
    TraceMember,
    VerdictChange,
    WallStep,
    encoded,
)
from musterd.trace.words import DeafKind, EventKind, Rule, ShardEnd

READER = msgspec.json.Decoder(TraceLine)

seconds = st.floats(0, 1e9).map(lambda t: round(t, 2))
ids = st.integers(0, 10**7)
words = st.text(max_size=20)
settings = st.dictionaries(words, st.none() | st.integers(-9, 9) | seconds | words, max_size=3)
lines = st.one_of(
    st.builds(TraceMember, ids, words, words, words, st.integers(-1, 9), seconds),
    st.builds(ShardTurn, seconds, ids, st.sampled_from(ShardEnd), st.sampled_from(DeafKind)),
    st.builds(SilenceEnded, seconds, ids, seconds, st.sampled_from(["", "restart"])),
    st.builds(StillSilent, seconds, ids, seconds),
    st.builds(VerdictChange, seconds, ids, words, words),
    st.builds(
        RuleChange, seconds, ids, st.sampled_from(Rule), st.integers(0, 1), st.none() | seconds
    ),
    st.builds(TraceEvent, seconds, st.none() | ids, st.sampled_from(EventKind), settings),
    st.builds(HeadCount, seconds, ids, ids, ids, ids, st.dictionaries(words, ids, max_size=2)),
    st.builds(WallStep, seconds, seconds),
)


@given(st.lists(lines))
def test_what_is_written_is_read_back(some: list[TraceLine]) -> None:
    assert [READER.decode(line) for line in encoded(some).splitlines()] == some


def test_lines_are_arrays_with_their_kind_first() -> None:
    some: list[TraceLine] = [
        TraceMember(1, "compute", "h1", "az1", 0),
        RuleChange(12.5, 1, Rule.DB, 0, 60.4),
    ]
    assert encoded(some) == (b'["m",1,"compute","h1","az1",0,0.0,[]]\n["n",12.5,1,"db",0,60.4]\n')


def test_a_later_version_may_say_more() -> None:
    line = READER.decode(b'["g",12.5,1,2.5,"restart","and more"]')
    assert line == SilenceEnded(12.5, 1, 2.5, "restart")


def test_a_header_is_an_object() -> None:
    header = TraceHeader(
        run="20261130T190000Z",
        at=datetime(2026, 11, 30, 19, tzinfo=UTC),
        t=0.0,
        musterd="1.0",
        settings={"service_down_time": 60.0},
        source="nova+mysql",
        shards=["db1/nova_cell1 rpc"],
        anonymous=False,
        rules=[Rule.DB],
    )
    text = encoded([header])
    assert text.startswith(b'{"trace":1,"run":"20261130T190000Z","at":"2026-11-30T19:00:00Z"')
    assert msgspec.json.decode(text, type=TraceHeader) == header
