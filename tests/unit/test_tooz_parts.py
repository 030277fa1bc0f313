"""What stands between Tooz and musterd: ids and names, capabilities and metadata, URLs and settings."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from musterd.errors import ConfigError
from musterd.model import NAME_LIMIT, check_metadata, check_name
from musterd.settings.settings import OPTIONS
from musterd_agent.tooz.capabilities import as_metadata, capabilities_in
from musterd_agent.tooz.names import PLACE, identity_of, name_of
from musterd_agent.tooz.options import ToozOptions, read_options
from musterd_agent.tooz.pulse import Pulse

TOKEN = OPTIONS["token"].example

ids = st.one_of(
    st.binary(min_size=1, max_size=180),
    st.from_regex(rb"(b64:)?[A-Za-z0-9_][A-Za-z0-9_.:@+-]{0,40}", fullmatch=True),
)


@given(ids)
@example(b"b64:")
@example(b"b64:YQ")
@example(PLACE.encode())
@example("Zürich".encode())
@example(b"-a")
@example(b"\0")
def test_every_id_has_a_name_of_its_own(identity: bytes) -> None:
    name = name_of("member", identity)
    assert check_name("member", name) == name != PLACE
    assert identity_of(name) == identity


@given(st.from_regex(r"(b64:)?[A-Za-z0-9_][A-Za-z0-9_.:@+=-]{0,40}", fullmatch=True))
def test_names_that_tooz_never_gave_are_their_own_ids_or_an_escaped_one(name: str) -> None:
    identity = identity_of(name)
    assert identity == name.encode() or name_of("member", identity) == name


@pytest.mark.parametrize(
    "usual", ["8d5f0d3e-5a0b-4f0a-9d4c-7f8e6f1d2c3b", "central.host-1", "a:b@c"]
)
def test_usual_ids_stand_as_they_are(usual: str) -> None:
    assert name_of("member", usual) == name_of("member", usual.encode()) == usual


@pytest.mark.parametrize("wrong", [b"", b"\xff" * 200, b"a" * 256])
def test_an_id_that_has_no_name_is_refused(wrong: bytes) -> None:
    with pytest.raises(ConfigError):
        name_of("group", wrong)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.none() | st.dictionaries(st.text(max_size=8), json_values, max_size=4))
@example({"name": "x" * (3 * NAME_LIMIT)})
@example({})
def test_capabilities_come_back_as_they_were(capabilities: dict[str, Any] | None) -> None:
    try:
        metadata = as_metadata(capabilities)
    except ConfigError as error:
        assert "at most 4096" in str(error)  # noqa: PT017  # only a large one is refused
        return
    assert check_metadata(metadata) == metadata
    assert capabilities_in({**metadata, "other": "fact"}) == capabilities


@pytest.mark.parametrize(
    ("wrong", "told"), [({"a": {1, 2}}, "what JSON can say"), ({"a": "x" * 5000}, "at most 4096")]
)
def test_capabilities_that_nobody_could_read_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        as_metadata(wrong)


@pytest.mark.parametrize("metadata", [{}, {"tooz": ""}, {"tooz": "{"}, {"tooz.1": "1}"}])
def test_what_others_announce_is_no_capability(metadata: dict[str, str]) -> None:
    assert capabilities_in(metadata) is None


def read(
    hosts: str = "c1:8420", path: str = "", environ: Mapping[str, str] = {}, **given: Any
) -> ToozOptions:
    return read_options("musterd", hosts, path, {k: [v] for k, v in given.items()}, environ)


def test_a_url_says_where_coordinators_are_and_musterds_settings_the_rest() -> None:
    environ = {"MUSTERD_STORE": "memcached://mc1", "MUSTERD_TOKEN": TOKEN, "MUSTERD_OWNER": "me"}
    options = read("c1:8420,c2:8420", "/lab", environ, zone="r1")
    settings = options.settings
    assert settings.coordinator == "http://c1:8420,http://c2:8420"
    assert (settings.namespace, settings.store) == ("lab", "memcached://mc1")
    assert (settings.zone, settings.owner, settings.token) == ("r1", "me", TOKEN)
    assert (options.timeout, options.wait, settings.interval) == (30.0, 10.0, 5.0)
    by_tls = read_options("musterd+https", "c1:8420", "", {}, environ).settings
    assert by_tls.coordinator == "https://c1:8420"
    nowhere = read("", "/", {"MUSTERD_COORDINATOR": "https://c9:1"}).settings
    assert (nowhere.coordinator, nowhere.namespace) == ("https://c9:1", "musterd")


def test_of_several_values_the_last_counts_and_the_url_before_the_settings() -> None:
    environ = {"MUSTERD_STORE": "memcached://mc1", "MUSTERD_INTERVAL": "7"}
    assert read(environ=environ, store="memcached://mc2").settings.store == "memcached://mc2"
    assert read(environ=environ).settings.interval == 7.0
    twice = read_options("musterd", "c1:1", "", {"timeout": ["9", 12]}, {})
    assert (twice.timeout, twice.settings.interval) == (12.0, 2.0)
    secret = read(store="postgresql://u:s3cret@db/fleet").settings
    assert secret.store == "postgresql://u:s3cret@db/fleet"
    assert "s3cret" not in repr(secret)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"time_out": "5"}, "no option 'time_out'; did you mean timeout"),
        ({"executor": "sync"}, "no option 'executor'; it has timeout, wait, store"),
        ({"timeout": "soon"}, "timeout 'soon' is not usable; use a number of seconds from 1"),
        ({"store": "nowhere"}, "MUSTERD_STORE"),
    ],
)
def test_an_option_that_is_none_is_named(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read(**given)


@given(st.lists(st.floats(0, 100), max_size=8), st.floats(0, 200))
def test_a_pulse_lapses_the_timeout_after_it_was_last_felt(felt: list[float], now: float) -> None:
    pulse = Pulse(30.0, 0.0)
    for instant in felt:
        pulse.felt(instant)
    last = max([0.0, *felt])
    assert (pulse.left(now) <= 0) == (now >= last + 30.0)
