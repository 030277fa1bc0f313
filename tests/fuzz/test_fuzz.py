"""Seconds of arbitrary bytes for everything that reads what others wrote; `make fuzz` takes hours."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.fuzz.targets import TARGETS

EXAMPLES = 600


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_that_comes_is_more_than_it_can_read(name: str) -> None:
    target = TARGETS[name]
    for seed in target.seeds:
        target.run(seed)

    @settings(
        max_examples=examples(EXAMPLES // target.cost),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.data())
    def fuzz(data: st.DataObject) -> None:
        target.run(mutated(data, target.seeds))

    fuzz()


def mutated(data: st.DataObject, seeds: object) -> bytes:
    """Bytes out of nowhere, or a seed with a few of them in it."""
    assert isinstance(seeds, list)
    if data.draw(st.booleans()):
        return data.draw(st.binary(max_size=600))
    text = bytearray(data.draw(st.sampled_from(seeds)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6))
    return bytes(text)
