"""Webhooks that fail, hang and lie, programs that do, and what an Alertmanager is sent."""

import hmac
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import anyio
import msgspec
import pytest
from anyio.abc import SocketStream

from musterd.incidents import IncidentKind
from musterd_coordinator.notify.alertmanager import LASTS, Alertmanager, alerts
from musterd_coordinator.notify.endpoint import DEADLINE, Poster, Undelivered
from musterd_coordinator.notify.matters import Message, MessageKind, matter_of
from musterd_coordinator.notify.program import Program
from musterd_coordinator.notify.webhook import Webhook
from tests.notify_desk import START, Answer, answering, incident

KEY = "0123456789abcdef"
OPENED = Message(
    MessageKind.OPENED, START, "text", matter_of(incident(), "http://c1:8420"), going_on=1
)
BEAT = Message(MessageKind.HEARTBEAT, START, "musterd notify follows 1 of 1 coordinators")


def says(text: str, *, then_waits: bool = False) -> Answer:
    """Say ``text``, and end, or stay."""

    async def answer(stream: SocketStream) -> None:
        await stream.send(text.encode())
        if then_waits:
            await anyio.sleep_forever()

    return answer


async def delivered(answer: Answer, deadline: float = DEADLINE) -> list[bytes]:
    async with answering(answer) as (url, came):
        await Webhook(f"{url}/hook?a=b", KEY, None, deadline).deliver([OPENED])
        return came


async def refusal(answer: Answer, deadline: float = DEADLINE) -> Undelivered:
    async with answering(answer) as (url, _):
        with pytest.raises(Undelivered) as caught:
            await Webhook(url, KEY, None, deadline).deliver([OPENED])
        return caught.value


async def test_a_message_is_json_that_is_signed() -> None:
    [request] = await delivered(says("HTTP/1.1 204 No Content\r\n\r\n"))
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /hook?a=b HTTP/1.1\r\n")
    assert b"Content-Type: application/json" in head
    digest = hmac.new(KEY.encode(), body, "sha256").hexdigest()
    assert f"Musterd-Signature: sha256={digest}".encode() in head
    assert msgspec.json.decode(body, type=Message) == OPENED


async def test_without_a_key_nothing_is_signed_and_a_login_is_shown() -> None:
    async with answering(says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as (url, came):
        hook = Webhook(url.replace("//", "//me:p%40ss@") + "/x", None, None)
        await hook.deliver([OPENED])
    assert b"Signature" not in came[0]
    assert b"Authorization: Basic bWU6cEBzcw==" in came[0]
    assert hook.name == url


@pytest.mark.parametrize(
    "answer",
    [
        says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlonger than it said"),
        says("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\ncut off"),
        says("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", then_waits=True),
        says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", then_waits=True),
    ],
)
async def test_whoever_says_that_it_took_a_message_took_it(answer: Answer) -> None:
    await delivered(answer)


@pytest.mark.parametrize(
    ("status", "words", "of_message"),
    [
        ("500 Oops", "it answered 500", False),
        ("429 Slow", "it answered 429", False),
        ("404 Not Found", "it answered 404", False),
        ("400 Bad", "it answered 400", True),
        ("302 Found\r\nLocation: http://127.0.0.1:1/", "302; name the URL that it leads", False),
    ],
)
async def test_any_other_answer_is_none(status: str, words: str, *, of_message: bool) -> None:
    error = await refusal(says(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))
    assert words in str(error)
    assert error.of_message is of_message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says("", then_waits=True), "no answer within 0.2 s"),
        (says("HTTP/1.1 100 Continue\r\n\r\n", then_waits=True), "no answer within 0.2 s"),
        (says("HTTP/1.1 200 OK\r\nX: " + "y" * 200_000, then_waits=True), "too long"),
        (says("SSH-2.0-OpenSSH\r\n"), "http://127.0.0.1:"),
        (says(""), "server disconnected"),
    ],
)
async def test_one_that_hangs_or_talks_nonsense_costs_a_deadline_at_most(
    answer: Answer, words: str
) -> None:
    assert words in str(await refusal(answer, deadline=0.2))


async def test_where_nobody_is_nothing_is_delivered() -> None:
    with pytest.raises(Undelivered, match=r"http://127.0.0.1:1: connection refused"):
        await Poster("http://127.0.0.1:1/", None).post(b"{}")


# Programs


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """Make a program of some lines of sh, and return the command."""

    def make(lines: str) -> str:
        file = tmp_path / "page me"
        file.write_text(f"#!/bin/sh\n{lines}\n")
        file.chmod(0o700)
        return f"'{file}' --urgent"

    return make


async def test_a_program_reads_the_message_and_has_no_secrets(
    script: Callable[[str], str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = script(f'(cat; echo; echo "$@"; echo "$MUSTERD_TOKEN.") > {out}')
    environ = {"PATH": "/usr/bin:/bin", "MUSTERD_TOKEN": "secret"}
    await Program(command, environ).deliver([OPENED])
    body, words, token = out.read_text().splitlines()
    assert msgspec.json.decode(body, type=Message) == OPENED
    assert (words, token) == ("--urgent opened", ".")


async def test_a_program_that_fails_has_the_last_word(script: Callable[[str], str]) -> None:
    with pytest.raises(Undelivered, match=r"page me: it ended with status 3: no \\x1bmodem$"):
        await Program(script("printf 'no \\033modem\\n' >&2; exit 3")).deliver([OPENED])


async def test_a_program_that_hangs_is_ended_with_all_that_it_started(
    script: Callable[[str], str],
) -> None:
    program = Program(script("sleep 600 & sleep 600"), longest=0.2)
    with pytest.raises(Undelivered, match=r"it took longer than 0.2 s, and was ended"):
        await program.deliver([OPENED])


async def test_a_program_need_not_read_and_need_not_be_there(
    script: Callable[[str], str],
) -> None:
    await Program(script("exec <&-; exit 0")).deliver([OPENED])
    with pytest.raises(Undelivered, match="/nowhere: no such file or directory"):
        await Program("/nowhere").deliver([OPENED])


# Alertmanager


async def test_all_alertmanagers_are_sent_everything_and_one_is_enough() -> None:
    async with answering(says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as (url, came):
        await Alertmanager(f"http://127.0.0.1:1/, {url}/am/", 0.0, None).deliver([OPENED, BEAT])
    assert came[0].startswith(b"POST /am/api/v2/alerts HTTP/1.1\r\n")
    assert len(msgspec.json.decode(came[0].partition(b"\r\n\r\n")[2])) == 2
    with pytest.raises(Undelivered, match=r"http://127.0.0.1:1: connection refused$"):
        await Alertmanager("http://127.0.0.1:1", 0.0, None).deliver([OPENED])


def test_an_alert_says_what_where_since_when_and_until_it_is_told_again() -> None:
    [alert] = alerts(OPENED, 0.0)
    assert alert["labels"] == {
        "alertname": "MusterdIncident",
        "kind": "deaths",
        "severity": "critical",
        "group": "compute",
        "zone": "rack-a",
        "incident": "a",
    }
    assert alert["annotations"]["summary"] == "3 members of rack-a are down"
    assert (alert["startsAt"], alert["endsAt"]) == (START, START + timedelta(seconds=LASTS))


def test_an_alert_ends_when_it_is_resolved_and_when_it_is_of_another_kind() -> None:
    later, over = START + timedelta(hours=1), START + timedelta(minutes=50)
    resolved = Message(MessageKind.RESOLVED, later, "text", OPENED.incident, OPENED.incident, over)
    [alert] = alerts(resolved, 0.0)
    assert (alert["startsAt"], alert["endsAt"]) == (START, over)
    held = matter_of(incident(kind=IncidentKind.MASS_SILENCE), "")
    was, now = alerts(Message(MessageKind.CHANGED, later, "text", OPENED.incident, held), 0.0)
    assert (was["labels"]["kind"], was["endsAt"]) == ("mass_silence", later)
    assert (now["labels"]["kind"], now["endsAt"]) == ("deaths", later + timedelta(seconds=LASTS))


@pytest.mark.parametrize(("period", "lasts"), [(10.0, LASTS), (600.0, 1500.0)])
def test_a_heartbeat_is_an_alert_that_ends_when_two_are_missed(period: float, lasts: float) -> None:
    [alert] = alerts(BEAT, period)
    assert alert["labels"]["alertname"] == "MusterdHeartbeat"
    assert alert["endsAt"] == START + timedelta(seconds=lasts)
