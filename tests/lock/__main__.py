"""Copy docs/lock-it.md to four hosts, and hold what they answer against the page."""

import os
import subprocess
import sys
import time

from tests.lock.hosts import FAILED, ROOT, Host, all_hosts
from tests.lock.page import Step, is_answer, steps_of

PATIENCE = 300.0  # seconds: longer than three down times, for which an overwritten record is noted
APART = (
    "--net",
    "--mount",
    "--propagation",
    "private",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
)
BEYOND = [  # a host that dies; the page's readers shall not lose theirs
    Step("compute2", "systemctl kill musterd-agent", None),
    Step("control1", "musterd query compute compute2", ["MEMBER VERDICT", "compute2 down"]),
]


def main() -> None:
    """Do one step after the other, and print each with its time and what was answered."""
    began = time.monotonic()
    hosts = all_hosts()
    for step in [*steps_of(ROOT / "docs/lock-it.md"), *BEYOND]:
        said = take(hosts[step.host], step)
        took = f"{time.monotonic() - began:6.1f} s"
        print(took, f"{step.host}# {step.command.splitlines()[0]}", flush=True)
        print(*(said if step.answer is not None else []), sep="\n", flush=True)


def take(host: Host, step: Step) -> list[str]:
    """Run what a host is to run, again until it answers what the page shows, and return its answer.

    :raises SystemExit: it answers something else all the time, or a command of a block fails.
    """
    deadline = time.monotonic() + PATIENCE
    while not is_done(step, said := host.run(step.command)):
        if step.answer is None or time.monotonic() > deadline:
            shown = ["but the page shows", *(step.answer or [])]
            raise SystemExit("\n".join([f"{host.name}# {step.command}", *said, *shown]))
        time.sleep(1)
    return answer_of(said)


def is_done(step: Step, said: list[str]) -> bool:
    """Return whether a host did what it is to do: each command of a block, or what the page shows."""
    if step.answer is None:
        return answer_of(said) == said
    return is_answer(step.answer, answer_of(said))


def answer_of(said: list[str]) -> list[str]:
    """Return what a host said without what our shell says of commands that fail."""
    return [line for line in said if not line.startswith(FAILED)]


if __name__ == "__main__":
    if (
        os.environ.get("LOCK_IT") != "apart"
    ):  # all that is made goes with a process that is init in there
        again = ["unshare", *APART, sys.executable, "-m", "tests.lock"]
        sys.exit(
            subprocess.run(again, env=os.environ | {"LOCK_IT": "apart"}, check=False).returncode
        )
    main()
