"""The rules that a trace records are Nova's own: both are asked of the same services."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from benchmarks.peers.environment import nova_python
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musterd.trace.words import Rule
from musterd_coordinator.tracing.rules import are_alive

PROGRAM = Path(__file__).parent / "rule_program.py"
Novas = subprocess.Popen[str]

down_times = st.integers(1, 3600)
# Rows have whole seconds in MariaDB; about the boundary, and anywhere.
near = st.integers(-3, 3)


@pytest.fixture(scope="module")
def novas() -> Iterator[Novas]:
    """Run Nova's drivers."""
    command = [str(nova_python()), str(PROGRAM)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        yield program


def asked(novas: Novas, rule: Rule, down_time: int, ages: list[float | None]) -> list[bool]:
    assert novas.stdin is not None
    assert novas.stdout is not None
    novas.stdin.write(json.dumps([rule, down_time, ages]) + "\n")
    novas.stdin.flush()
    answers: list[bool] = json.loads(novas.stdout.readline())
    return answers


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(down_times, st.lists(st.tuples(near, st.sampled_from([-1, 0, 1, 5]))), st.sampled_from(Rule))
def test_a_service_is_up_to_nova_where_the_trace_says_so(
    novas: Novas, down_time: int, about: list[tuple[int, int]], rule: Rule
) -> None:
    ages = [float(factor * down_time + more) for more, factor in about]
    said = are_alive(rule, np.array(ages, np.float64), float(down_time)).tolist()
    assert said == asked(novas, rule, down_time, [*ages])


def test_a_value_that_is_not_there_is_dead(novas: Novas) -> None:
    assert asked(novas, Rule.MC, 60, [None, 1.0]) == [False, True]
    assert are_alive(Rule.MC, np.array([np.inf, 1.0]), 60.0).tolist() == [False, True]
