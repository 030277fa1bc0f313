"""Settings: where they come from, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from musterd.cli import reference
from musterd.errors import ConfigError
from musterd.settings.options import Number, Unusable, variable
from musterd.settings.settings import OPTIONS
from musterd.settings.sources import Loaded, Settings, environment_in, load
from tests.examples import examples

NUMBERS = {key: option.kind for key, option in OPTIONS.items() if isinstance(option.kind, Number)}
NOT_NUMBERS = ["ten", "", "1e20", "-1e20", "nan", "inf", "-inf", "true", "1,5", "10s", "--1"]


pytestmark = pytest.mark.usefixtures("no_configuration")


def toml(tmp_path: Path, text: str, name: str = "musterd.toml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def refusal(*args: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load(*args)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_defaults_are_those_of_the_reference() -> None:
    settings, sources, warnings, file, _ = load({}, {})
    assert settings == Settings()
    assert set(sources.values()) == {"default"}
    assert warnings == []
    assert file is None


def test_command_line_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    path = toml(tmp_path, 'zone = "file"\nowner = "file"\ninterval = 7\n')
    environ = {"MUSTERD_ZONE": "environment", "MUSTERD_OWNER": "environment"}
    settings, sources, _, file, _ = load({"zone": "argv"}, environ, path)
    assert (settings.zone, settings.owner, settings.interval) == ("argv", "environment", 7.0)
    assert sources["zone"] == "--zone"
    assert sources["owner"] == "MUSTERD_OWNER"
    assert sources["interval"] == str(path)
    assert sources["store"] == "default"
    assert file == path


def test_a_file_is_named_by_option_or_variable_and_must_exist(tmp_path: Path) -> None:
    path = toml(tmp_path, 'zone = "here"')
    assert load({}, {"MUSTERD_CONFIG": str(path)}).settings.zone == "here"
    assert "gone.toml: No such file" in refusal({}, {}, tmp_path / "gone.toml")
    assert "gone.toml: No such file" in refusal({}, {"MUSTERD_CONFIG": str(tmp_path / "gone.toml")})
    assert "has no *.conf" in refusal({}, {}, tmp_path)


def test_the_default_file_is_read_when_it_is_there(no_configuration: Path) -> None:
    no_configuration.write_text('zone = "default file"')
    assert load({}, {}).settings.zone == "default file"


def test_a_broken_file_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "line 2" in refusal({}, {}, toml(tmp_path, "interval = 1\nzone =\n"))
    path = tmp_path / "latin.toml"
    path.write_bytes(b'zone = "\xe9"')
    assert "not UTF-8" in refusal({}, {}, path)


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    assert refusal({}, {}, toml(tmp_path, "intervall = 1")).endswith(
        "unknown key intervall; did you mean interval?"
    )
    text = refusal({}, {}, toml(tmp_path, '[[member]]\nmember = "a"\nzoen = "x"\n'))
    assert "[[member]] 1 has an unknown key zoen; did you mean zone?" in text
    assert "unknown key qqq" in refusal({}, {}, toml(tmp_path, "qqq = 1"))


def test_a_wrong_type_names_key_value_and_file(tmp_path: Path) -> None:
    path = toml(tmp_path, 'interval = "ten"')
    assert refusal({}, {}, path) == (
        f"{path}: interval: 'ten' is not usable; use a number of seconds from 0.05 to 3600"
    )
    assert "zone: 5 is not usable" in refusal({}, {}, toml(tmp_path, "zone = 5"))
    assert "metadata: {'a': 1} is not usable" in refusal({}, {}, toml(tmp_path, "metadata.a = 1"))
    assert "log_level: 'loud'" in refusal({}, {}, toml(tmp_path, 'log_level = "loud"'))
    assert "listed" in refusal({}, {}, toml(tmp_path, "listed = 1"))
    assert "metadata: 5 is not usable" in refusal({}, {}, toml(tmp_path, "metadata = 5"))


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_nonsense_numbers_are_refused_wherever_they_stand(key: str, text: str) -> None:
    flag = OPTIONS[key].flag(key)
    told = refusal({key: text}, {})
    assert told.startswith(f"{flag}: {text!r} is not usable; use a ")
    if text:
        assert refusal({}, {variable(key): text}).startswith(f"{variable(key)}: ")


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("value", ["true", "nan", "inf", "-inf", "1e20", "-1", '"1"', "[1]"])
def test_nonsense_numbers_are_refused_in_a_file(key: str, value: str, tmp_path: Path) -> None:
    told = refusal({}, {}, toml(tmp_path, f"{key} = {value}"))
    assert f"musterd.toml: {key}: " in told
    assert NUMBERS[key].wanted in told


@pytest.mark.parametrize("key", [key for key in NUMBERS if key != "storm_min"])
def test_zero_is_refused_unless_it_means_off(key: str) -> None:
    assert "'0' is not usable" in refusal({key: "0"}, {})
    assert load({"storm_min": "0"}, {}).settings.storm_min == 0


def outcome(read: Callable[[Any], Any], value: object) -> object:
    """What ``read`` made of ``value``, or the text of its refusal."""
    try:
        return read(value)
    except (ConfigError, Unusable) as error:
        return str(error)


@given(key=st.sampled_from(sorted(NUMBERS)), value=st.floats() | st.integers())
def test_a_number_is_taken_exactly_when_it_is_in_range(key: str, value: float) -> None:
    kind = NUMBERS[key]
    assume(not kind.whole or isinstance(value, int))
    expected = value if kind.low <= value <= kind.high else kind.wanted
    assert outcome(kind.read, value) == expected
    assert outcome(kind.read_text, repr(value)) == expected


@hypothesis.settings(max_examples=examples(100))
@given(text=st.text(), key=st.sampled_from(sorted(OPTIONS)))
def test_no_text_in_the_environment_is_a_crash(text: str, key: str) -> None:
    loaded = outcome(lambda environ: load({}, environ), {variable(key): text})
    assert isinstance(loaded, Loaded) or "\n" not in str(loaded)


def test_a_down_time_within_the_interval_is_corrected_as_nova_does() -> None:
    settings, sources, warnings, *_ = load({"service_down_time": "5", "interval": "10"}, {})
    assert settings.service_down_time == 25.0
    assert "corrected" in sources["service_down_time"]
    assert len(warnings) == 1
    assert "using 2.5 x interval = 25 s" in warnings[0]


def test_a_down_time_alone_is_kept_and_the_interval_gives_way() -> None:
    settings, sources, warnings, *_ = load({"service_down_time": "6"}, {})
    assert (settings.service_down_time, settings.interval) == (6.0, 2.0)
    assert sources["interval"] == "default (service_down_time / 3)"
    assert warnings == []
    assert load({"service_down_time": "60"}, {}).settings.interval == 10.0


def test_a_tight_down_time_is_warned_about() -> None:
    (warning,) = load({"service_down_time": "24", "interval": "10"}, {}).warnings
    assert "less than two intervals and a push timeout (25 s)" in warning
    assert load({"service_down_time": "25", "interval": "10"}, {}).warnings == []


def test_the_slowest_listed_member_counts(tmp_path: Path) -> None:
    path = toml(tmp_path, 'interval = 1\n[[member]]\nmember = "a"\ninterval = 100\n')
    assert load({}, {}, path).settings.service_down_time == 250.0


@given(interval=st.floats(0.05, 3600), down=st.floats(0.1, 86400), period=st.floats(0.05, 3600))
def test_what_is_loaded_never_contradicts_itself(
    interval: float, down: float, period: float
) -> None:
    values = {"interval": interval, "service_down_time": down, "sweep_period": period}
    loaded = outcome(lambda words: load(words, {}), {k: str(v) for k, v in values.items()})
    if not isinstance(loaded, Loaded):
        assert "lower sweep_period" in str(loaded)
        return
    settings = loaded.settings
    assert settings.service_down_time > settings.interval
    assert settings.service_down_time > settings.sweep_period
    assert settings.push_timeout_for(settings.interval) < settings.interval
    assert settings.effective_sweep_timeout < settings.service_down_time


def test_a_push_must_end_before_the_next_begins(tmp_path: Path) -> None:
    told = refusal({"push_timeout": "10"}, {})
    assert "push_timeout 10 s (--push-timeout) is not less than the interval of 10 s" in told
    path = toml(tmp_path, 'push_timeout = 2\n[[member]]\nmember = "a"\ninterval = 1\n')
    assert "interval of 1 s" in refusal({}, {}, path)


def test_a_sweep_period_must_be_shorter_than_the_down_time() -> None:
    told = refusal({"sweep_period": "60"}, {})
    assert "lower sweep_period" in told
    assert "(--sweep-period)" in told


def test_derived_values() -> None:
    settings = Settings(service_down_time=8.0, interval=2.0)
    assert settings.effective_push_timeout == pytest.approx(1.6)
    assert settings.push_timeout_for(100) == 5.0
    assert settings.effective_sweep_timeout == 4.0
    assert settings.storm_hold_seconds == 16.0
    assert settings.beat_ttl == 80.0
    assert settings.registry_url == "sqlite:///musterd.db"
    assert settings.listen_addresses == [("127.0.0.1", 8420)]
    assert Settings(sweep_timeout=3.0).effective_sweep_timeout == 3.0
    database = msgspec.structs.replace(settings, store="postgresql://u:pw@h/d", push_timeout=0.5)
    assert database.registry_url == "postgresql://u:pw@h/d"
    assert database.push_timeout_for(100) == 0.5


def test_listed_members_take_what_they_leave_out_from_the_rest(tmp_path: Path) -> None:
    path = toml(
        tmp_path,
        'zone = "r1"\n[[member]]\nmember = "a"\n'
        '[[member]]\nmember = "b"\ngroup = "storage"\ninterval = 5\nmetadata = {k = "v"}\n',
    )
    a, b = load({"owner": "us"}, {}, path).settings.members
    assert (a.group, a.member, a.interval, a.zone, a.owner) == ("compute", "a", 10.0, "r1", "us")
    assert (b.group, b.member, b.interval, b.zone) == ("storage", "b", 5.0, "r1")
    assert b.announced().metadata == {"k": "v"}


def test_a_named_member_replaces_the_listed_ones(tmp_path: Path) -> None:
    path = toml(tmp_path, '[[member]]\nmember = "a"\n[[member]]\nmember = "b"\n')
    (only,) = load({"member": "c"}, {}, path).settings.members
    assert only.member == "c"


def test_listed_members_are_checked(tmp_path: Path) -> None:
    assert "[[member]] 1 has no name" in refusal({}, {}, toml(tmp_path, '[[member]]\nzone = "x"\n'))
    twice = '[[member]]\nmember = "a"\n[[member]]\nmember = "a"\n'
    assert "compute/a is listed twice" in refusal({}, {}, toml(tmp_path, twice))
    assert "is not a table" in refusal({}, {}, toml(tmp_path, "member = [1]"))
    bad = '[[member]]\nmember = "a b"\n'
    assert "[[member]] 1: member: 'a b' is not usable" in refusal({}, {}, toml(tmp_path, bad))


def test_metadata_comes_as_words_or_as_a_table(tmp_path: Path) -> None:
    assert load({"metadata": ["a=1", "b=x=y"]}, {}).settings.metadata == {"a": "1", "b": "x=y"}
    assert load({}, {"MUSTERD_METADATA": "a=1, b=2"}).settings.metadata == {"a": "1", "b": "2"}
    path = toml(tmp_path, '[metadata]\na = "1"\n')
    assert load({}, {}, path).settings.metadata == {"a": "1"}
    assert "--meta" in refusal({"metadata": ["a"]}, {})


def test_a_misspelt_variable_is_an_error_and_an_empty_one_is_not_set() -> None:
    told = refusal({}, {"MUSTERD_INTERVALL": "5", "MUSTERD_ZONE": ""})
    assert told.endswith("did you mean MUSTERD_INTERVAL?")
    assert load({}, {"MUSTERD_ZONE": ""}).settings.zone == ""
    assert "MUSTERD_QQ" in refusal({}, {"MUSTERD_QQ": ""})


@pytest.mark.parametrize(
    "name",
    [
        "MUSTERD_SERVICE_HOST",
        "MUSTERD_SERVICE_PORT",
        "MUSTERD_SERVICE_PORT_HTTP",
        "MUSTERD_PORT",
        "MUSTERD_PORT_8420_TCP",
        "MUSTERD_PORT_8420_TCP_ADDR",
        "MUSTERD_RELAY_PORT_11411_TCP_PROTO",
    ],
)
def test_what_kubernetes_says_of_a_service_is_nobodys_mistake(name: str) -> None:
    assert load({}, {name: "10.0.0.7"}).warnings == []


@pytest.mark.parametrize("name", ["MUSTERD_SERVICE_DOWN_TIMES", "MUSTERD_PORTS", "MUSTERD_HOST"])
def test_a_misspelling_is_not_taken_for_a_service(name: str) -> None:
    assert name in refusal({}, {name: "5"})


@given(key=st.sampled_from(sorted(OPTIONS)), at=st.integers(0, 40), letter=st.sampled_from("QXZ_"))
def test_no_variable_that_is_no_option_passes_in_silence(key: str, at: int, letter: str) -> None:
    right = variable(key)
    place = len("MUSTERD_") + at % (len(right) - len("MUSTERD_") + 1)
    wrong = right[:place] + letter + right[place:]
    told = refusal({}, {wrong: "5"})
    assert wrong in told
    assert f"did you mean {right}?" in told or "did you mean" in told or len(right) < 14


def test_the_environment_of_a_unit_is_read_as_systemd_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "secrets.env"
    file.write_text(
        '# a comment\n\n; another\nMUSTERD_STORE="memcached://m:1"\nMUSTERD_ZONE = a b\n'
    )
    assert environment_in(file) == {"MUSTERD_STORE": "memcached://m:1", "MUSTERD_ZONE": "a b"}
    file.write_text("MUSTERD_ZONE\n")
    with pytest.raises(ConfigError, match=r"line 1 is no KEY=VALUE"):
        environment_in(file)


def test_a_byte_order_mark_is_named(tmp_path: Path) -> None:
    path = tmp_path / "musterd.toml"
    path.write_bytes(b'\xef\xbb\xbfzone = "a"\n')
    assert "byte order mark" in refusal({}, {}, path)


def test_all_unknown_keys_are_named_and_a_misspelt_name_too(tmp_path: Path) -> None:
    told = refusal({}, {}, toml(tmp_path, 'sotre = "memory:"\nzoen = "a"\n'))
    assert "sotre; did you mean store?" in told
    assert "zoen; did you mean zone?" in told
    told = refusal({}, {}, toml(tmp_path, '[[member]]\nmembr = "a"\n'))
    assert "unknown key membr; did you mean member?" in told


def test_a_word_that_is_no_url_may_be_a_password_and_is_not_repeated() -> None:
    for key in ("store", "registry", "coordinator"):
        assert "hunter2" not in refusal({}, {variable(key): "hunter2"})


@pytest.mark.parametrize("key", ["store", "registry", "coordinator"])
def test_a_password_on_the_command_line_is_refused_and_not_repeated(key: str) -> None:
    told = refusal({key: "postgresql://u:s3cret@h/d"}, {})
    assert "s3cret" not in told
    assert variable(key) in told
    assert "PGPASSFILE" in told


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("mysql://u:s3cret@h/d", "or the password into a file that ?read_default_file=FILE names"),
        ("mariadb://u:s3cret@h/d", "?read_default_file=FILE"),
        ("memcached+tls://u:s3cret@h", "or the configuration file"),
    ],
)
def test_the_file_for_a_password_is_of_the_store_that_is_meant(url: str, cure: str) -> None:
    told = refusal({"store": url}, {})
    assert cure in told
    assert "s3cret" not in told
    assert "PGPASSFILE" not in told


def test_a_password_never_shows(tmp_path: Path) -> None:
    settings = load({}, {"MUSTERD_STORE": "postgresql://u:s3cret@h/d"}).settings
    assert settings.store == "postgresql://u:s3cret@h/d"
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in refusal({}, {"MUSTERD_REGISTRY": "mongodb://u:s3cret@h/d"})
    assert "s3cret" not in refusal({}, {}, toml(tmp_path, 'coordinator = "ftp://u:s3cret@h"'))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("listen", "8420"),
        ("listen", "h:99999"),
        ("coordinator", "coordinator:8420"),
        ("coordinator", "http://"),
        ("registry", "sqlite:musterd.db"),
        ("registry", "sqlite:///"),
        ("namespace", "a b"),
        ("namespace", "x" * 33),
        ("group", "a/b"),
        ("member", "-a"),
        ("zone", "a\nb"),
        ("store", ""),
    ],
)
def test_unusable_texts_are_refused(key: str, value: str) -> None:
    assert refusal({key: value}, {}).startswith(
        f"{OPTIONS[key].flag(key)}: {value!r} is not usable"
    )


@pytest.mark.parametrize(("key", "option"), OPTIONS.items())
def test_every_example_is_usable(key: str, option: Any) -> None:
    option.kind.read_text(option.example)


def test_the_reference_is_current() -> None:
    path = Path(__file__).parents[2] / "docs" / "configuration.md"
    assert path.read_text() == reference.page(), (
        "run: python -m musterd.cli.reference > docs/configuration.md"
    )
