"""The view by Nova's key, and the file that outlives a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from musterd.client.view import Event
from musterd.errors import ConfigError
from musterd.model import State, Verdict
from musterd.settings.declared.door import topics_of
from musterd_coordinator.nova import lastview
from musterd_coordinator.nova.lastview import OLDEST, PORTION, LastView, Writer
from musterd_coordinator.nova.values import key_of
from musterd_coordinator.nova.view import NovaView
from musterd_coordinator.steps import whole
from tests.examples import examples

UP = {"up": True, "schedulable": True, "down": False, "state": "up"}
DOWN = {"up": False, "schedulable": False, "down": True, "state": "down"}
NOW = 1_764_514_145.0
TOPICS = {"compute": "compute"}


def event(name: str, version: int, **body: object) -> Event:
    said = {"version": version, "listening": True, "staleness": 0.1, "more": False, **body}
    return Event(name, f"run-{version}", msgspec.json.encode(said))


def change(group: str, member: str, **verdict: object) -> dict[str, object]:
    told = {"version": 2, "at": "2026-11-30T14:49:05Z", "reason": "silent", **UP, **verdict}
    return {"group": group, "member": member, **told}


def test_members_are_under_the_keys_of_their_topics() -> None:
    view = NovaView({"hosts": "compute", "conductor": "conductor"})
    assert view.group is None
    groups = {"hosts": {"h1": UP, "h2": DOWN}, "conductor": {"h1": UP}, "other": {"h3": UP}}
    view.apply(event("snapshot", 1, groups=groups))
    down = {key: verdict.down for key, verdict in view.members.items()}
    assert down == {
        key_of("compute", "h1"): False,
        key_of("compute", "h2"): True,
        key_of("conductor", "h1"): False,
    }


def test_changes_of_served_groups_are_taken_in_and_no_others() -> None:
    view = NovaView({"hosts": "compute", "conductor": "conductor"})
    view.apply(event("snapshot", 1, groups={"hosts": {"h1": UP, "h2": UP}}))
    changes = [
        change("hosts", "h1", **DOWN),
        change("hosts", "h2", gone=True),
        change("hosts", "h3"),
        change("compute", "h1"),
    ]
    view.apply(event("changes", 2, changes=changes))
    assert {key: verdict.down for key, verdict in view.members.items()} == {
        key_of("compute", "h1"): True,
        key_of("compute", "h3"): False,
    }


def test_one_group_is_asked_for_by_its_name() -> None:
    assert NovaView({"hosts": "compute"}).group == "hosts"


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("compute", {"compute": "compute"}),
        (" a=compute , b ", {"a": "compute", "b": "b"}),
        ("a=", {"a": "a"}),
    ],
)
def test_groups_have_topics(text: str, topics: dict[str, str]) -> None:
    assert topics_of(text) == topics


@pytest.mark.parametrize("text", ["", ",", "a b", "=compute", "a=b=c"])
def test_what_names_no_group_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        topics_of(text)


def verdict(*, down: bool) -> Verdict:
    state = State.DOWN if down else State.UP
    return Verdict(up=not down, schedulable=not down, down=down, state=state)


A, B, C = (key_of("compute", host) for host in "abc")
Kept = tuple[bytes, bool, float]


def write(
    file: Path,
    verdicts: Mapping[bytes, Verdict],
    writers: Sequence[Kept] = (),
    topics: Mapping[str, str] = TOPICS,
) -> None:
    lastview.write(file, NOW, whole(lastview.packed(topics, verdicts, writers, NOW)))


def test_a_view_outlives_its_run(tmp_path: Path) -> None:
    file = tmp_path / "view"
    verdicts = {A: verdict(down=False), B: verdict(down=True)}
    write(file, verdicts, [(C, True, 0.0), (A, False, 3.5)])
    last = lastview.read(file, TOPICS, NOW + 2)
    assert last == LastView(verdicts, [Writer(C, True, 0.0), Writer(A, False, 3.5)], 2.0)
    assert [each.name for each in tmp_path.iterdir()] == ["view"]


def test_while_nothing_changes_its_time_alone_is_written(tmp_path: Path) -> None:
    file, verdicts = tmp_path / "view", {A: verdict(down=False), B: verdict(down=True)}
    write(file, verdicts, [(C, True, 0.0)])
    before = file.stat()
    lastview.write(file, NOW + 60)
    assert lastview.read(file, TOPICS, NOW + 62) == LastView(verdicts, [Writer(C, True, 0.0)], 2.0)
    assert (before.st_ino, before.st_size) == (file.stat().st_ino, file.stat().st_size)


def test_the_time_of_no_view_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        lastview.write(tmp_path / "view", NOW)
    assert list(tmp_path.iterdir()) == []


MANY = [key_of("compute", f"h{number}") for number in range(4 * PORTION)]
hosts = st.sampled_from(MANY)
changes_meanwhile = st.lists(st.tuples(hosts, st.sampled_from([True, False, None])), max_size=5)


@settings(max_examples=examples(100))
@given(
    st.integers(0, 3 * PORTION),
    st.sets(st.integers(0, 3 * PORTION)),
    st.lists(changes_meanwhile, max_size=3),
)
def test_a_view_that_changes_while_it_is_packed_is_whole(
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    down: set[int],
    meanwhile: list[list[tuple[bytes, bool | None]]],
) -> None:
    verdicts = {MANY[number]: verdict(down=number in down) for number in range(count)}
    possible = {key: {one.down} for key, one in verdicts.items()}
    began, gone, changes = set(verdicts), set[bytes](), iter(meanwhile)
    steps = lastview.packed(TOPICS, verdicts, [], NOW)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            content: bytes = end.value
            break
        for key, is_down in next(changes, []):
            if is_down is None:
                verdicts.pop(key, None)
                gone.add(key)
            else:
                verdicts[key] = verdict(down=is_down)
                possible.setdefault(key, set()).add(is_down)
    file = tmp_path_factory.getbasetemp() / "packed"
    lastview.write(file, NOW, content)
    last = lastview.read(file, TOPICS, NOW)
    assert last is not None
    assert began - gone <= set(last.verdicts) <= began
    assert all(one.down in possible[key] for key, one in last.verdicts.items())


def test_many_members_are_packed_in_steps() -> None:
    verdicts = dict.fromkeys(MANY[: 3 * PORTION], verdict(down=False))
    assert len(list(lastview.packed(TOPICS, verdicts, [], NOW))) == 3


def test_what_changes_members_is_counted_and_nothing_else() -> None:
    view = NovaView({"hosts": "compute", "conductor": "conductor"})
    counts = []
    for told in (
        event("snapshot", 1, groups={"hosts": {"h1": UP}}),
        event("ping", 1),
        event("changes", 2, changes=[change("other", "h1")]),
        event("changes", 3, changes=[change("hosts", "h1", **DOWN), change("conductor", "h2")]),
    ):
        view.apply(told)
        counts.append(view.changes)
    assert counts == [1, 1, 1, 3]


def test_no_view_is_no_trouble(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert lastview.read(tmp_path / "view", TOPICS, NOW) is None
    assert logs == []


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert lastview.read(tmp_path, TOPICS, NOW) is None
    assert [line["event"] for line in logs] == ["last view not read"]


@pytest.mark.parametrize("age", [-OLDEST, OLDEST])
def test_a_view_of_another_day_is_not_used(tmp_path: Path, age: float) -> None:
    write(tmp_path / "view", {A: verdict(down=False)})
    assert lastview.read(tmp_path / "view", TOPICS, NOW + age) is None


def test_a_view_of_other_groups_is_not_used(tmp_path: Path) -> None:
    write(tmp_path / "view", {A: verdict(down=False)}, topics={"hosts": "compute"})
    assert lastview.read(tmp_path / "view", TOPICS, NOW) is None


@pytest.mark.parametrize("cut", [0, 1, 20, 40, -1])
def test_half_a_view_is_not_used(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "view"
    write(file, {A: verdict(down=False)})
    file.write_bytes(file.read_bytes()[:cut])
    with capture_logs() as logs:
        assert lastview.read(file, TOPICS, NOW) is None
    assert [line["event"] for line in logs] == ["last view not used"]


def test_a_view_of_another_version_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "view"
    write(file, {A: verdict(down=False)})
    content = file.read_bytes()
    for other in (content.replace(b"musterd2", b"musterd3"), b"\x86" + 30 * b"of the first format"):
        file.write_bytes(other)
        assert lastview.read(file, TOPICS, NOW) is None
