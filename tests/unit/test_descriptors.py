"""Open files: how many there may be, and whose they are."""

import resource

from hypothesis import given
from hypothesis import strategies as st

from musterd_coordinator.limits.descriptors import (
    KEPT,
    MOST_CALLERS,
    MOST_HANDSHAKES,
    MOST_OF_RELAY,
    MOST_OF_STORE,
    allow_all,
    for_callers,
    for_embedded_store,
    for_handshakes,
    for_relay,
)


@given(st.integers(0, 10_000_000))
def test_at_least_half_is_kept_for_stores_and_the_registry(descriptors: int) -> None:
    callers = for_callers(descriptors)
    assert 1 <= callers <= MOST_CALLERS
    assert callers <= max(1, descriptors // 2)
    assert callers == MOST_CALLERS or callers >= descriptors // 2


@given(st.integers(16, 10_000_000))
def test_whoever_connects_leaves_files_for_everything_else(descriptors: int) -> None:
    store, relay = for_embedded_store(descriptors), for_relay(descriptors)
    kept = min(KEPT, descriptors // 4)
    assert 1 <= store <= MOST_OF_STORE
    assert 1 <= relay <= MOST_OF_RELAY
    assert for_callers(descriptors) + store <= descriptors - kept
    assert relay <= descriptors - kept
    assert store == MOST_OF_STORE or store >= descriptors // 4
    handshakes = for_handshakes(descriptors)
    assert 1 <= handshakes <= MOST_HANDSHAKES
    assert for_callers(descriptors) + store + 2 * handshakes <= descriptors
    assert relay + handshakes <= descriptors - kept
    assert handshakes == MOST_HANDSHAKES or handshakes >= kept // 4


def test_the_soft_limit_becomes_the_hard_one() -> None:
    soft, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        assert allow_all() > 256
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_limit_that_the_kernel_refuses_is_left() -> None:
    def refuse(kind: int, limits: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    assert allow_all(lambda kind: (512, resource.RLIM_INFINITY), refuse) == 512
