"""Every benchmark runs from its command line to its JSON: tiny, and for what it says only."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from musterd.testing.busy import allowed_now

ROOT = Path(__file__).parents[2]
GOOD = (0, 1)  # 1: a goal was missed, as such small fleets may


def run(command: str) -> Any:
    argv = [sys.executable, "-m", "benchmarks", *command.split(), "--json"]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode in GOOD, ran.stderr
    assert ran.stderr == ""  # no bar where there is no terminal
    return json.loads(ran.stdout)


@pytest.mark.parametrize(
    ("store", "peer"),
    [("memcached", "aiomcache"), ("postgresql", "fetch"), ("mariadb", "rows")],
)
def test_sweep(store: str, peer: str) -> None:
    told = run(f"sweep --store {store} --members 1100 --repeats 2")
    assert told["members"] == 1100
    assert min(told["seconds"], told["client_us_per_key"], told[f"ratio_{peer}_cpu"]) > 0
    assert {"median", "least", "most", "runs"} <= told["figures"][0].keys()


def test_watch() -> None:
    told = run("watch --services 1100 --repeats 2")
    figures = {figure["figure"]: figure["median"] for figure in told["figures"]}
    assert min(figures["sweep of both legs"], figures["first reading of who is there"]) > 0


def test_query() -> None:
    told = run("query --members 1100 --interval 10 --repeats 1 --duration 0.3")
    assert min(told["get_per_second"], told["query_per_second"], told["page_per_second"]) > 0


def test_growth() -> None:
    told = run(f"growth --members 500 --interval {allowed_now(0.2)} --repeats 1 --steady 0.4")
    assert [point["members"] for point in told["points"]] == [500]
    figures = {figure["figure"]: figure["median"] for figure in told["figures"]}
    assert figures["start until ready, members known, 500 members"] > 0


def test_churn() -> None:
    told = run("churn --names 3600 --rate 200")
    figures = {figure["figure"]: figure["median"] for figure in told["figures"]}
    grown = {name: ratio for name, ratio in figures.items() if "end against" in name}
    there = ("members", "rows", "zones", "slots", "members in the registry", "keys in the store")
    assert {name: ratio < 1.1 for name, ratio in grown.items() if name.startswith(there)} == {
        name: True for name in grown if name.startswith(there)
    }
    assert figures["store requests to forget one"] < 6


def test_steps() -> None:
    told = run("steps --members 2200 --groups 20 --repeats 1")
    figures = {figure["figure"]: figure["median"] for figure in told["figures"]}
    assert figures["list of all groups: longest step"] > 0
    assert figures["query of 1,000 names: 99 of 100 steps"] > 0


def test_verify() -> None:
    told = run("verify --members 3000 --repeats 2")
    figures = {figure["figure"]: figure["median"] for figure in told["figures"]}
    assert figures["a changed beat, signed"] > figures["an unchanged beat, signed"] > 0
    assert figures["memory of one member"] < 200


@pytest.mark.time_limit(60)  # two coordinators, and two stores
@pytest.mark.parametrize("store", ["memcached", "postgresql"])
def test_signed(store: str) -> None:
    told = run(f"signed --store {store} --members 300 --interval 0.5 --turns 1 --steady 0.6")
    figures = {figure["figure"]: figure["median"] for figure in told["figures"]}
    assert told["signatures"] == "require"
    assert figures["members down at any look"] == figures["beats refused"] == 0
    assert min(figures["coordinator CPU, unsigned"], figures["coordinator CPU, signed"]) > 0


def test_agent() -> None:
    told = run("agent --agents 1 --duration 1")
    assert told["pushes missed"] == 0


def test_cells() -> None:
    argv = [sys.executable, "-m", "benchmarks", "cells", "--json", "--runs", "1", "--hosts", "5"]
    told = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    findings = {each["trouble"]: each for each in json.loads(told)}
    assert {each["accused"] for each in findings.values()} == {0}
    dies = findings["one host dies"]
    assert 0 < dies["found"] <= dies["bound"]
    assert findings["queue away, 120 s"]["deaf"] > 100


@pytest.mark.parametrize(
    "name", ["sweep", "query", "growth", "steps", "verify", "churn", "agent", "simulate"]
)
def test_help_has_an_example(name: str) -> None:
    argv = [sys.executable, "-m", "benchmarks", name, "--help"]
    printed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"python -m benchmarks {name} --" in printed


def test_what_is_no_benchmark_is_said() -> None:
    argv = [sys.executable, "-m", "benchmarks", "sweeep"]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, "usage" in ran.stderr) == (2, True)
