"""The planner: more members never need less, chance agrees with the closed form, nonsense is refused."""

import json
import math
from pathlib import Path

import pytest
from benchmarks.simulation.closed_form import closed_form
from benchmarks.simulation.distributions import parse
from benchmarks.simulation.scenario import Scenario
from hypothesis import given
from hypothesis import strategies as st

from musterd.errors import ConfigError
from musterd.planning import Coefficients, Question, StoreKind, plan
from musterd.planning.model import BEHIND, DATABASES
from musterd.planning.risk import false_downs, least_down_time
from musterd.planning.sizing import needed
from musterd.settings.sources import load
from musterd.stores import open_store

COSTS = Coefficients.shipped()

members = st.integers(1, 3_000_000)
intervals = st.floats(0.5, 120)
kinds = st.sampled_from(StoreKind)


def asked(**facts: object) -> Question:
    defaults: dict[str, object] = {
        "members": 10_000,
        "interval": 10.0,
        "store": StoreKind.MEMCACHED,
    }
    return Question(**{**defaults, **facts})  # type: ignore[arg-type]  # by keyword, for brevity


@given(kind=kinds, fewer=members, more=members, interval=intervals, period=st.floats(0.5, 30))
def test_more_members_never_need_less(
    kind: StoreKind, fewer: int, more: int, interval: float, period: float
) -> None:
    fewer, more = sorted((fewer, more))
    small = needed(asked(members=fewer, store=kind, interval=interval), period, COSTS)
    large = needed(asked(members=more, store=kind, interval=interval), period, COSTS)
    for figure in ("servers", "relays", "coordinators", "connections", "network", "wal"):
        assert getattr(small, figure) <= getattr(large, figure), figure
    for figure in ("coordinator_memory", "coordinator_cores", "sweep_seconds", "beats_a_second"):
        assert getattr(small, figure) <= getattr(large, figure) * (1 + 1e-9), figure
    for each, count in (("server_memory", "servers"), ("server_cores", "servers")):
        of_small = getattr(small, each) * max(1, getattr(small, count))
        of_large = getattr(large, each) * max(1, getattr(large, count))
        assert of_small <= of_large * (1 + 1e-9) or kind in BEHIND, each


def test_a_sweep_of_postgresql_costs_by_how_many_have_beat_since_the_last() -> None:
    def seconds(period: float) -> float:
        asking = asked(store=StoreKind.POSTGRESQL, members=1_000_000, interval=10.0)
        return needed(asking, period, COSTS).sweep_seconds

    def a_sweep(which: str) -> float:
        return COSTS[f"postgresql.{which}read_us"] + COSTS[f"postgresql.{which}swept_us"]

    assert seconds(10) == seconds(30) == pytest.approx(a_sweep(""))
    assert seconds(1) == pytest.approx(0.1 * a_sweep("") + 0.9 * a_sweep("unchanged_"))
    assert seconds(1) < seconds(5) < seconds(10)


@given(kind=kinds, count=members, interval=intervals)
def test_every_figure_is_a_number_above_zero(kind: StoreKind, count: int, interval: float) -> None:
    answer = plan(asked(members=count, store=kind, interval=interval), COSTS)
    need = answer.need
    for figure in need.__struct_fields__:
        value = getattr(need, figure)
        if figure != "server":
            assert value >= 0, figure
            assert math.isfinite(value), figure
    for figure in ("connections", "server_memory", "coordinator_memory", "network"):
        assert getattr(need, figure) > 0, figure
    assert 0 < answer.detection.average < answer.detection.longest
    assert answer.fits == (not answer.problems)


@given(kind=kinds, count=members)
def test_a_longer_interval_is_never_dearer(kind: StoreKind, count: int) -> None:
    often = needed(asked(members=count, store=kind, interval=5.0), 1.0, COSTS)
    seldom = needed(asked(members=count, store=kind, interval=10.0), 1.0, COSTS)
    assert seldom.server_cores * max(1, seldom.servers) <= often.server_cores * max(
        1, often.servers
    )
    assert seldom.wal <= often.wal


@pytest.mark.parametrize("relay", BEHIND)
def test_a_million_connections_do_not_fit_a_database_and_relays_do(relay: StoreKind) -> None:
    database = BEHIND[relay]
    answer = plan(asked(members=1_000_000, store=database), COSTS)
    assert not answer.fits
    assert answer.instead == relay
    assert "1000000 members take" in answer.problems[0]
    through = plan(asked(members=1_000_000, store=relay), COSTS)
    assert (through.fits, through.need.server) == (True, DATABASES[database])
    assert through.need.relays >= 2


def test_memcached_has_a_second_server_to_lose() -> None:
    answer = plan(asked(members=10), COSTS)
    assert (answer.fits, answer.need.servers, answer.need.connections) == (True, 2, 20)


def test_a_down_time_that_chance_beats_is_no_plan() -> None:
    answer = plan(asked(members=100_000, store=StoreKind.RELAY, service_down_time=20.0), COSTS)
    assert not answer.fits
    assert "service_down_time is too short, take" in answer.problems[-1]
    assert answer.false_downs_a_day > 1


def test_the_least_down_time_is_enough_and_one_interval_less_is_not() -> None:
    wanted = 1e-12
    least = least_down_time(10.0, 1.0, 0.05, wanted)
    assert false_downs(10.0, least, 1.0, 0.05) <= wanted < false_downs(10.0, least - 10, 1.0, 0.05)
    assert least_down_time(10.0, 1.0, 1.0, 0.0) == 20  # nobody ever comes up
    assert false_downs(10.0, 60.0, 1.0, 0.0) == 0


@pytest.mark.parametrize(
    ("interval", "down_time", "period", "loss"),
    [(10, 60, 1, 0.3), (10, 25, 1, 0.2), (5, 30, 2, 0.4), (3, 10, 0.7, 0.25)],
)
def test_chance_is_as_in_the_closed_form(
    interval: float, down_time: float, period: float, loss: float
) -> None:
    scenario = Scenario(
        members=1,
        interval=interval,
        down_time=down_time,
        sweep_period=period,
        push_timeout=interval / 2,
        loss=loss,
        delay=parse("constant:0.001"),
    )
    exact = closed_form(scenario).mistake_rate
    assert false_downs(interval, down_time, period, loss) == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"service_down_time": 10.0}, "not longer than the interval"),
        ({"sweep_period": 60.0}, "not shorter than service_down_time"),
    ],
)
def test_contradictions_are_refused(facts: dict[str, float], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        plan(asked(**facts), COSTS)


def test_where_hardly_a_beat_arrives_no_down_time_is_long_enough() -> None:
    assert least_down_time(10.0, 1.0, 0.9999, 1e-12) == math.inf


@pytest.mark.parametrize("kind", StoreKind)
def test_the_settings_are_read_by_musterd_itself(kind: StoreKind, tmp_path: Path) -> None:
    answer = plan(asked(store=kind, interval=7.5), COSTS)
    assert {"agent", "coordinator"} <= answer.settings.keys()
    for text in answer.settings.values():
        file = tmp_path / "musterd.toml"
        file.write_text(text)
        read = load({}, {}, file)
        assert not read.warnings
        assert read.settings.service_down_time == answer.service_down_time == 45
        open_store(read.settings.store, namespace="musterd", timeout=1.0, beat_ttl=1.0)
        if "sweep_period" in text:
            assert read.settings.sweep_period == answer.need.sweep_period
        else:
            assert read.settings.interval == 7.5
        if "listen" in text:
            assert read.settings.tls_cert_file  # or it would not start


def test_every_coefficient_says_where_it_was_measured() -> None:
    for name in COSTS.known:
        source = COSTS.source(name)
        assert all((source.command, source.date, source.machine)), name


def written(path: Path, data: object) -> Path:
    path.write_text(json.dumps(data))
    return path


def test_coefficients_of_ones_own_replace_the_shipped_ones(tmp_path: Path) -> None:
    own = {
        "sources": {"mine": {"command": "by hand", "date": "today", "machine": "a big one"}},
        "coefficients": {"memcached.beat_us": {"value": 1.5, "source": "mine"}},
        "assumptions": {"server_cores": 64},
    }
    costs = COSTS.updated(written(tmp_path / "own.json", own))
    assert (costs["memcached.beat_us"], costs.assumed("server_cores")) == (1.5, 64)
    assert costs.source("memcached.beat_us").machine == "a big one"
    assert costs["relay.beat_us"] == COSTS["relay.beat_us"]


def load_output(store: str, **figures: float) -> dict[str, object]:
    return {
        "benchmark": "load",
        "store": store,
        "agents": 1000,
        "sweep_period": 1.0,
        "command": f"python -m benchmarks load --store {store}",
        "machine": {"CPU": "some", "cores": "2"},
        "figures": [{"figure": name, "median": value} for name, value in figures.items()],
    }


def test_a_load_run_gives_coefficients(tmp_path: Path) -> None:
    figures = {"PostgreSQL CPU per beat": 6.0, "relay CPU per beat": 33.0, "WAL per beat": 0.2}
    run = load_output("relay", **figures, **{"coordinator CPU": 0.05})
    costs = COSTS.updated(written(tmp_path / "load.json", run))
    assert costs["relay.database_us"] == 6
    assert costs["relay.beat_us"] == 33
    assert costs["relay.beat_wal_bytes"] == 0.2
    assert costs["postgresql.read_us"] == pytest.approx(50)
    assert costs["postgresql.unchanged_read_us"] == costs["postgresql.read_us"]
    assert costs["postgresql.beat_us"] == COSTS["postgresql.beat_us"]
    run = load_output("memcached", **{"coordinator CPU": 0.05})
    costs = COSTS.updated(written(tmp_path / "load.json", run))
    assert costs["memcached.read_us"] == pytest.approx(50)
    assert costs["postgresql.unchanged_read_us"] == COSTS["postgresql.unchanged_read_us"]
    run = load_output("postgres", **{"server CPU per beat": 50.0})
    costs = COSTS.updated(written(tmp_path / "load.json", run))
    assert costs["postgresql.beat_us"] == 50
    assert "--store postgres" in costs.source("postgresql.beat_us").command


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ("no object", "has no coefficients"),
        ({"benchmark": "load"}, "has no coefficients"),
        (load_output("embedded"), "says nothing for a plan"),
        ({"assumptions": {"server_course": 4}}, "no coefficient 'server_course'"),
        ({"assumptions": {"server_cores": 0}}, "above zero"),
        (
            {"coefficients": {"relay.beat_us": {"value": -1, "source": "coefficients"}}},
            "below zero",
        ),
        ({"coefficients": {"relay.beat_us": {"value": 1, "source": "nowhere"}}}, "'nowhere'"),
    ],
)
def test_a_file_that_is_none_is_refused(data: object, word: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=word):
        COSTS.updated(written(tmp_path / "own.json", data))
