"""What an agent writes for node_exporter is what Prometheus' own reader reads, and replaces itself whole."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from musterd import cli
from musterd.about import version
from musterd.agentfile import TOO_OLD, boot_clock, faults_in
from musterd.exposition import MetricFamily, Series, series_in, text_of
from musterd_agent.loop import Counters
from musterd_agent.metrics import AgentFigures, MemberFigures, ShardFigures, families
from musterd_agent.metricsfile import MetricsFile, replace_text
from tests.agent_support import RecordingShard, agent_of, settings_of

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

NAMES = st.text(alphabet="abcdefghij_", min_size=1, max_size=12).map(lambda text: f"m_{text}")
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)


def read(text: str) -> Samples:
    """Samples as Prometheus' own library for Python reads them."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def names_in(folder: Path) -> list[str]:
    """The files of a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def figures(**changes: Any) -> AgentFigures:
    """An agent of two members, of which one never got through."""
    told = AgentFigures(
        incarnation=255,
        started=1e9,
        wall=1e9 + 100.5,
        boot=5000.25,
        overdue=0.0,
        members=(
            MemberFigures("compute", "h1", 10.0, 5.0, Counters(11, 20, 2), 3.5),
            MemberFigures("storage", "h1", 5.0, 4.0, Counters(21, 0, 42), None),
        ),
        shards=(ShardFigures("mc1:11211", True), ShardFigures("mc2:11211", False)),
    )
    return told._replace(**changes)


def page(**changes: Any) -> str:
    """What that agent writes."""
    return text_of(families(figures(**changes), version()))


def test_the_library_reads_what_is_written_by_hand() -> None:
    told = read(page())
    h1, other = {("group", "compute"), ("member", "h1")}, {("group", "storage"), ("member", "h1")}
    assert told == {
        (
            "musterd_agent_info",
            frozenset({("version", version()), ("incarnation", "0" * 14 + "ff")}),
        ): 1,
        ("musterd_agent_start_time_seconds", frozenset()): 1e9,
        ("musterd_agent_written_boot_seconds", frozenset()): 5000.25,
        ("musterd_agent_overdue_seconds", frozenset()): 0,
        ("musterd_agent_shard_beating", frozenset({("shard", "mc1:11211")})): 1,
        ("musterd_agent_shard_beating", frozenset({("shard", "mc2:11211")})): 0,
        ("musterd_agent_beating", frozenset(h1)): 1,
        ("musterd_agent_beating", frozenset(other)): 0,
        ("musterd_agent_interval_seconds", frozenset(h1)): 10,
        ("musterd_agent_interval_seconds", frozenset(other)): 5,
        ("musterd_agent_last_accepted_time_seconds", frozenset(h1)): 1e9 + 97,
        ("musterd_agent_beats_total", frozenset(h1)): 11,
        ("musterd_agent_beats_total", frozenset(other)): 21,
        ("musterd_agent_pushes_total", frozenset({*h1, ("result", "accepted")})): 20,
        ("musterd_agent_pushes_total", frozenset({*h1, ("result", "failed")})): 2,
        ("musterd_agent_pushes_total", frozenset({*other, ("result", "accepted")})): 0,
        ("musterd_agent_pushes_total", frozenset({*other, ("result", "failed")})): 42,
    }


def test_each_family_is_of_the_kind_that_its_name_says() -> None:
    for family in text_string_to_metric_families(page()):
        counts = family.samples[0].name.endswith("_total")
        assert family.type == ("counter" if counts else "gauge")
        assert family.documentation.endswith((".", "1."))


@given(
    st.lists(
        st.tuples(
            NAMES,
            st.dictionaries(st.sampled_from(["a", "b_c", "d"]), TEXTS),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        unique_by=lambda one: one[0],
    )
)
def test_any_text_and_number_comes_back(made: list[tuple[str, dict[str, str], float]]) -> None:
    told = [(name, Series(labels, value)) for name, labels, value in made]
    text = text_of(MetricFamily(name, "gauge", "It.", [series]) for name, series in told)
    assert list(series_in(text)) == told
    assert read(text) == {
        (name, frozenset(series.labels.items())): series.value for name, series in told
    }


def test_a_member_is_beating_while_no_more_than_one_beat_is_lost() -> None:
    def beating(age: float | None) -> bool:
        return MemberFigures("g", "m", 10.0, 5.0, Counters(1, 1, 0), age).is_beating

    assert [beating(age) for age in (None, 0.0, 25.0, 25.1)] == [False, True, True, False]


async def test_an_agent_tells_its_figures() -> None:
    shard = RecordingShard()
    agent = agent_of(shard, settings=settings_of("h1"))
    [member] = agent.figures().members
    assert (member.group, member.member, member.accepted_age) == ("compute", "h1", None)
    await agent.loops[0].report()
    told = agent.figures()
    assert told.members[0].counters == Counters(1, 1, 0)
    assert told.members[0].is_beating
    assert (told.shards, told.overdue) == ((ShardFigures("shard:1", True),), 0.0)


async def test_a_file_is_replaced_whole_and_everybody_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "agent.prom"
    before = os.umask(0o077)
    try:
        file = MetricsFile(path, figures)
        await file.write()
        first = path.stat().st_ino
        await file.write()
    finally:
        os.umask(before)
    assert path.stat().st_ino != first
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert names_in(tmp_path) == ["agent.prom"]
    assert read(path.read_text()) == read(page())
    file.remove()
    file.remove()
    assert names_in(tmp_path) == []


async def test_what_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    file = MetricsFile(folder / "agent.prom", figures)
    with capture_logs() as said:
        await file.write()
        await file.write()
        folder.mkdir()
        await file.write()
        await file.write()
    assert [(one["event"], one.get("reason")) for one in said] == [
        ("metrics file not written", "No such file or directory"),
        ("metrics file written again", None),
    ]


def test_half_a_file_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "agent.prom").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        replace_text(tmp_path / "agent.prom", "x 1\n")
    assert names_in(tmp_path) == ["agent.prom"]


class Enough(Exception):
    """Ends what writes for ever."""


async def test_it_is_written_again_in_its_period(tmp_path: Path) -> None:
    path, seen = tmp_path / "agent.prom", list[bool]()

    def told() -> AgentFigures:
        seen.append(path.exists())
        if len(seen) == 3:
            raise Enough
        return figures()

    with pytest.raises(Enough):
        await MetricsFile(path, told, period=0.001).run()
    assert seen == [False, True, True]


def test_what_is_wrong_is_read_from_the_file() -> None:
    text = page()
    assert list(faults_in(text, 5001.0)) == ["no beat of storage/h1 gets through"]
    well = page(members=figures().members[:1])
    assert list(faults_in(well, 5000.25 + TOO_OLD)) == []
    for now in (5000.5 + TOO_OLD, 4000.0):
        [why] = faults_in(well, now)
        assert "within the last 45 s" in why
    assert list(faults_in("", 1.0)) == ["no agent wrote this file"]


@pytest.mark.usefixtures("no_configuration")
def test_health_looks_at_the_agents_of_a_host(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    well, ill = tmp_path / "a.prom", tmp_path / "b.prom"
    now = boot_clock()
    replace_text(well, page(boot=now, members=figures().members[:1]))
    replace_text(ill, page(boot=now))
    assert cli.main(["health", "--agent", str(well)]) == 0
    assert capsys.readouterr().out == f"{well}: well\n"
    assert cli.main(["health", "--agent", str(well), "--agent", str(ill)]) == 1
    assert capsys.readouterr().out.splitlines()[1] == f"{ill}: no beat of storage/h1 gets through"
    for other, why in (
        (tmp_path / "gone", "no agent writes this file"),
        (tmp_path, "Is a directory"),
    ):
        assert cli.main(["health", "--agent", str(other)]) == 1
        assert why in capsys.readouterr().out


def test_an_agent_that_writes_none_imports_nothing_for_it() -> None:
    program = "import sys, musterd_agent.main; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert not imported & {"musterd_agent.metricsfile", "importlib.metadata", "prometheus_client"}
    assert "musterd_agent.metrics" in imported
