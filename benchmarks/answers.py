"""The benchmark measures what one answer costs a coordinator in CPU, without server, socket and sweeps.

The application is called as a server calls it, over a fleet whose store is played. To compare two
commits, run it in a checkout of each, in turn.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

import anyio
from starlette.types import Message, Scope

from benchmarks.figures import Figure, Result, command_of, parser_of, positive, progress, show
from benchmarks.steps_fleet import BIG, StillFleet
from musterd import log
from musterd_coordinator.http import App, make_app

EXAMPLE = """\
example:
  python -m benchmarks answers --repeats 15
"""
NAMES = 1000  # in one query, and in a page
BATCH = 20  # requests that are made ready at once: a server has few at a time
MEMBERS = f"/v1/groups/{BIG}/members"
HEADERS = [
    (b"host", b"localhost:8420"),
    (b"accept", b"application/json"),
    (b"user-agent", b"benchmark"),
]


@dataclass(frozen=True, slots=True)
class Question:
    """A `Question` is a kind of request, and how many of them make one run."""

    name: str
    count: int
    status: int
    asked: list["Request"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Request:
    """A `Request` is what a server hands on."""

    method: str
    target: str
    body: bytes = b""

    def scope(self) -> Scope:
        """Return what is known before its body comes; each call gets its own."""
        path, _, query = self.target.partition("?")
        length = [(b"content-length", b"%d" % len(self.body))] if self.body else []
        media = [(b"content-type", b"application/json")] if self.body else []
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8420),
            "client": ("127.0.0.1", 50000),
            "scheme": "http",
            "root_path": "",
            "headers": [*HEADERS, *media, *length],
            "state": {},
            "method": self.method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
        }


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("answers", __doc__, EXAMPLE)
    parser.add_argument("--members", type=positive, default=20_000)
    parser.add_argument("--repeats", type=positive, default=9, help="runs of each kind of question")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    args = arguments().parse_args(argv)
    log.configure("error")
    fleet = StillFleet(args.members, 1)
    for steps in (fleet.seat(0), fleet.seat(1), fleet.sweep(0), fleet.sweep(1), fleet.sweep(0)):
        for _ in steps:
            pass
    questions = list(_questions(fleet.names))
    rounds = progress(range(args.repeats), "asking", "round")
    runs = [
        anyio.run(measure, make_app(fleet.desk), questions, backend_options={"use_uvloop": True})
        for _ in rounds
    ]
    figures = [
        Figure(question.name, "µs of CPU", [run[at] for run in runs])
        for at, question in enumerate(questions)
    ]
    facts = {"members": args.members}
    title = "CPU of one answer in the application"
    return show(
        Result("answers", title, figures, facts, command=command_of("answers", argv)), args.json
    )


def _questions(names: Sequence[str]) -> Iterator[Question]:
    chance = random.Random(1)
    some = [chance.choice(names) for _ in range(500)]
    one = [Request("GET", f"{MEMBERS}/{name}") for name in some]
    yield Question("GET one member", 10_000, 200, one)
    nobody = [Request("GET", f"{MEMBERS}/no-{name}") for name in some]
    yield Question("GET one that is not there", 5_000, 404, nobody)
    for count, times in ((10, 2_000), (NAMES, 100)):
        asked = [json.dumps({"members": chance.sample(names, count)}) for _ in range(50)]
        posts = [Request("POST", f"/v1/groups/{BIG}/query", each.encode()) for each in asked]
        yield Question(f"POST {count} names", times, 200, posts)
    pages = [Request("GET", f"{MEMBERS}?after={name}") for name in names[::NAMES]]
    yield Question("GET a page of the list", 20, 200, pages)
    yield Question("GET one group", 2_000, 200, [Request("GET", f"/v1/groups/{BIG}")])
    yield Question("GET /healthz", 5_000, 200, [Request("GET", "/healthz")])


async def measure(app: App, questions: Sequence[Question]) -> list[float]:
    """Return the µs of CPU that an answer to each of ``questions`` took."""
    return [await _ask(app, question) for question in questions]


async def _ask(app: App, question: Question) -> float:
    asked, statuses = question.asked, set[int]()
    body = b""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if "status" in message:
            statuses.add(message["status"])

    batches = list[float]()
    for at in range(0, question.count, BATCH):
        some = [asked[number % len(asked)] for number in range(at, at + BATCH)]
        prepared = [(request.scope(), request.body) for request in some]
        began = time.process_time()
        for scope, body in prepared:  # noqa: B007  # it is what receive() gives
            await app(scope, receive, send)
        batches.append(time.process_time() - began)
    assert statuses == {question.status}, statuses
    return 1e6 * median(batches) / BATCH


if __name__ == "__main__":
    sys.exit(main())
