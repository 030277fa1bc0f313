"""``musterd report`` and ``musterd replay`` as an operator meets them."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from musterd import cli
from musterd.cli.report_text import WIDTH
from musterd.trace.lines import TraceMember, encoded
from tests.unit.taped import AT, RUN, Silent, Tale, Tape, header

TALE = Tale(
    silences=[Silent(1, 100.0, 175.0), Silent(2, 200.0), Silent(3, 300.0, 420.0, restarted=True)],
    outages=[(450.0, 540.0)],
    clock=[(560.0, 90.0), (570.0, -90.0)],
    seconds=900.0,
)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A trace in which Nova errs by shard, clock and member, and musterd by the member."""
    Tape(TALE).write(tmp_path / "trace")
    return tmp_path / "trace"


def told(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = cli.main(list(map(str, words)))
    return status, *capsys.readouterr()


def test_a_report_has_everything_in_it(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = told(capsys, "report", trace)
    assert (status, err) == (0, "")
    for word in (
        *("memcached, 2026-11-24 06:00Z to 2026-11-24 06:15Z", "service_down_time 60"),
        *("2026-11-24", "Nova (db)", "musterd", "SHARD", "STORM", "CLOCK", "ALONE"),
        *("deaths: 2; found by Nova (db) 2, musterd 2", "sooner than Nova (db) (median)"),
        *("compute/h01", "watched: all of that time", "service_down_time = 114"),
        "service_down_time = 94, by which a death is found 34 s later",
    ):
        assert word in out
    assert max(map(len, out.splitlines())) <= WIDTH


def test_json_has_the_same(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = told(capsys, "report", trace, "--json")
    answer = json.loads(out)
    assert status == 0
    assert answer["total"]["judges"]["db"]["causes"] == {"shard": 9, "clock": 11, "alone": 1}
    assert answer["total"]["judges"]["musterd"]["times"] == 1
    assert answer["total"]["deaths"]["count"] == 2
    assert [each["judge"] for each in answer["advice"]] == ["db", "musterd"]


def test_the_end_of_a_trace_may_do(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.loads(told(capsys, "report", trace, "--since", "5min", "--json")[1])
    assert answer["total"]["watched"] == 300.0
    assert answer["begin"] == "2026-11-24T06:10:00Z"
    assert answer["total"]["judges"]["musterd"]["times"] == 0


def test_what_is_missing_is_said(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    later = RUN.replace("24T", "25T")
    text = next(trace.iterdir()).read_bytes()
    (trace / f"{later}-0000.jsonl.gz").write_bytes(text[:-20])
    out = told(capsys, "report", trace)[1]
    assert f"note: {later}-0000.jsonl.gz: its last line was cut off" in out


def test_names_from_a_trace_move_no_cursor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = Tape(Tale(silences=[Silent(0, 100.0, 175.0), Silent(0, 300.0)]))
    tape.lines[0] = TraceMember(0, "compute", "<b>\x1b[31mh0", "<script>", 0)
    tape.write(tmp_path / "trace")
    out = told(capsys, "report", tmp_path / "trace", "--html", tmp_path / "page.html")[1]
    assert "\x1b" not in out
    text = (tmp_path / "page.html").read_text()
    assert "<b>" not in text
    assert "<script>" not in text


def test_without_a_name_it_is_the_trace_of_the_configuration(
    trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "musterd.toml"
    file.write_text(f'trace_dir = "{trace}"\n')
    for command in ("report", "replay"):
        assert told(capsys, command, "--config", file)[0] == 0
    status, _, err = told(capsys, "report")
    assert status == 2
    assert "musterd-trace: there is no such folder" in err


class Outside(HTMLParser):
    """What a page would load from elsewhere, or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs if name in ("src", "href", "style") or name[:2] == "on"]
        if names or tag in ("script", "link", "img", "iframe", "object", "form"):
            self.found.append(f"{tag} {names}")


def test_a_page_is_one_file_that_needs_and_runs_nothing(
    trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "page.html"
    assert told(capsys, "report", trace, "--html", file)[0] == 0
    text, outside = file.read_text(), Outside()
    outside.feed(text)
    assert outside.found == []
    assert "url(" not in text
    assert "@import" not in text
    assert re.search(r"default-src 'none'; style-src 'sha256-[\w+/=]+'", text)
    assert "9 living called down" in text


def test_a_day_may_have_a_part_of_a_second(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = AT.replace(hour=23, minute=59, second=59, microsecond=700_000)
    lines = Tape(Tale(members=1, seconds=5.0)).lines
    (tmp_path / f"{RUN}-0000.jsonl").write_bytes(encoded([header(at=begun), *lines]))
    assert told(capsys, "report", tmp_path, "--html", tmp_path / "page.html")[0] == 0
    assert (tmp_path / "page.html").read_text().count("<svg") == 2


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["report", "nowhere"], "nowhere: there is no such folder"),
        (["report", ".", "--since", "soon"], "use 90s, 15min, 12h or 7d"),
        (["replay", ".", "--service-down-time", "0"], "use a number of seconds"),
        (["replay", "nowhere"], "nowhere: there is no such folder"),
    ],
)
def test_wrong_use_is_one_clear_line(
    words: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = told(capsys, *words)
    assert (status, out) == (2, "")
    assert word in err
    assert err.count("\n") == 1


def test_a_replay_stands_beside_what_was_recorded(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = told(capsys, "replay", trace, "--service-down-time", "100")
    assert (status, err) == (0, "")
    assert "replayed with service_down_time 100" in out
    assert "musterd found them 40.0 s sooner than replayed" in out
    assert max(map(len, out.splitlines())) <= WIDTH
    answer = json.loads(told(capsys, "replay", trace, "--service-down-time", "100", "--json")[1])
    assert answer["changed"] == {"service_down_time": 100.0}
    judges = answer["total"]["judges"]
    assert (judges["musterd"]["times"], judges["replayed"]["times"]) == (1, 0)


def test_a_replay_under_the_same_settings_errs_as_much(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = json.loads(told(capsys, "replay", trace, "--json")[1])
    judges = answer["total"]["judges"]
    assert judges["replayed"] == judges["musterd"]
    assert "replayed with the same settings" in told(capsys, "replay", trace)[1]


def test_times_not_watched_are_told_and_many_of_them_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for hour in range(6, 18):
        tape = Tape(Tale(members=1, seconds=5.0))
        begun = AT.replace(hour=hour)
        name = f"{begun:%Y%m%dT%H%M%SZ}-0000.jsonl"
        (tmp_path / name).write_bytes(encoded([header(at=begun), *tape.lines]))
    page = tmp_path / "page.html"
    lines = told(capsys, "report", tmp_path, "--html", page)[1].splitlines()
    assert "not watched: 2026-11-24 06:00:05Z to 2026-11-24 07:00:00Z (59.9 min)" in lines
    assert "and 1 times more" in lines
    assert page.read_text().count("<li>not watched: ") == 11
