"""Writes `docs/faults.md` and its pictures from what the fault lab left: see `make faults`.

python -m tests.faults.report RESULTS docs

What was run with `--locked` is a section of that page, and leaves the rest of it as it is.
"""

import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tabulate import tabulate

STATES = {
    "up": "#2f855a",
    "suspect": "#d69e2e",
    "down": "#c53030",
    "left": "#718096",
    "unknown": "#cbd5e0",
}
HEAD = """\
<!-- Written by `make faults`; do not edit. -->
# What musterd does when things break

Every line is a run of real processes: a coordinator, five agents with fourteen members that beat
once a second, down after 4 s, swept twice a second, and the real store. Something is broken; one
host is killed a second after that, another when all is well again. All the while somebody asks for
every member, more than six times a second.

- **false downs**: members that were alive and were ever answered down or left, in any answer or in
  the history. It must be 0, with the guard against mass silences and (where the fault is the
  store's or the observer's) without it.
- **not listening**: seconds in which the answers said so.
- **found**: seconds of listening from a host's death to the answer that it is down, for the one
  that died during the fault and the one that died after. At most {bound} s: down time, a sweep, an
  interval; the two polls around it can add 0.3 s. A full disk silences some of the living for a
  second or two; whoever dies just then is held with them by the guard, for 8 s more.
- **Nova**: what Nova 34 answered in the same fault, with 200 live services, interval 1 s and down
  time 6 s.

"""

LOCKED, LOCKED_END = "<!-- locked -->\n", "<!-- end of locked -->\n"
LOCKED_HEAD = """\
## With everything locked

The same list against a fleet that nothing is open of: memcached by TLS and password, PostgreSQL by
TLS with `sslmode=verify-full`, MariaDB by TLS with `ssl_ca`, embedded stores and relays by TLS, beats
signed with a key for each member and `signatures = require`, and the coordinator's API by TLS with
tokens. Whoever is hostile there has certificates, password and role, and no member's key
(`make faults ARGS=--locked`).

"""


def main(results: Path, docs: Path) -> None:
    """Write what was run into the page: all of it, or the section of those that were locked."""
    runs = [json.loads(file.read_text()) for file in sorted(results.glob("*.json"))]
    file = docs / "faults.md"
    page = file.read_text()
    if all(run["outcome"]["locked"] for run in runs):
        file.write_text(with_section(page, locked_section(runs)))
    else:
        file.write_text(with_section(open_page(runs, docs), section_of(page)))


def section_of(page: str) -> str:
    """What the page says of locked runs."""
    _, begins, rest = page.partition(LOCKED)
    return begins + "".join(rest.partition(LOCKED_END)[:2])


def with_section(page: str, section: str) -> str:
    """The page with this section, before those of the faults."""
    bare = page.replace("\n" + (section_of(page) or LOCKED), "")
    before, begins, after = bare.partition("\n## ")
    return before + ("\n" + section if section else "") + begins + after


def open_page(runs: Sequence[dict[str, Any]], docs: Path) -> str:
    """The page of runs that were not locked, whose pictures are written."""
    pictures = docs / "faults"
    pictures.mkdir(exist_ok=True)
    for old in pictures.glob("*.png"):
        old.unlink()
    faults: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in runs:
        outcome = run["outcome"]
        faults.setdefault((outcome["store"], outcome["fault"]), []).append(run)
    page = [HEAD.format(bound=5.5), table(faults), machine(runs)]
    for (store, fault), variants in sorted(faults.items()):
        name = f"{plain(store)}-{plain(fault)}.png"
        draw(variants[0], pictures / name)
        page.append(section(store, fault, variants, f"faults/{name}"))
    return "\n".join(page)


def locked_section(runs: Sequence[dict[str, Any]]) -> str:
    """Locked runs, a line for each kind of store."""
    stores: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        stores.setdefault(run["outcome"]["store"], []).append(run["outcome"])
    rows = [
        (
            store,
            len({outcome["fault"] for outcome in outcomes}),
            len(outcomes),
            sum(outcome["kept"] for outcome in outcomes),
            sum(outcome["false_downs"] for outcome in outcomes),
            worst(outcomes, "found_during"),
            worst(outcomes, "found_after"),
        )
        for store, outcomes in sorted(stores.items())
    ]
    rows.append(("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:5]), "", ""))
    head = ["store", "faults", "runs", "kept all promises", "false downs", "found during", "after"]
    told = tabulate(rows, head, tablefmt="github", disable_numparse=True)
    return f"{LOCKED}{LOCKED_HEAD}{told}\n\n{commit()}{machine(runs)}{LOCKED_END}"


def commit() -> str:
    """Which commit ran."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return f"Commit {done.stdout.strip()}: "


def plain(text: str) -> str:
    """Text as a part of a file name."""
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def table(faults: dict[tuple[str, str], list[dict[str, Any]]]) -> str:
    """All faults, a line each; the worst of the variants counts."""
    rows = []
    for (store, fault), variants in sorted(faults.items()):
        outcomes = [run["outcome"] for run in variants]
        rows.append(
            (
                store,
                fault,
                max(outcome["false_downs"] for outcome in outcomes),
                f"{max(outcome['not_listening'] for outcome in outcomes):.1f}",
                worst(outcomes, "found_during"),
                worst(outcomes, "found_after"),
                outcomes[0]["nova"] or "",
            )
        )
    head = ["store", "fault", "false downs", "not listening", "found during", "after", "Nova"]
    return tabulate(rows, head, tablefmt="github", disable_numparse=True) + "\n"


def worst(outcomes: Iterable[dict[str, Any]], figure: str) -> str:
    """The largest of a figure, or a dash where there is none."""
    known = [outcome[figure] for outcome in outcomes if outcome[figure] is not None]
    return f"{max(known):.1f}" if known else "-"


def machine(runs: Sequence[dict[str, Any]]) -> str:
    """What ran, how often was asked, and on what."""
    polls = sum(run["outcome"]["polls"] for run in runs)
    longest = max(run["outcome"]["longest_between_polls"] for run in runs)
    today = datetime.now(UTC).date()
    return (
        f"{len(runs)} runs, {polls:,} polls, at most {longest:.2f} s apart; {today},"
        f" Linux {platform.release().split('-')[0]}, Python {platform.python_version()}.\n"
    )


def section(store: str, fault: str, variants: Sequence[dict[str, Any]], picture: str) -> str:
    """One fault: how status explained it, and its picture."""
    explained = dict.fromkeys(reason for run in variants for reason in run["outcome"]["explained"])
    said = "; ".join(f"“{reason}”" for reason in explained) or "nothing: it listened all the time"
    return (
        f"## {store}: {fault}\n\n`musterd status` said: {said}.\n\n"
        f"![States of all members over time]({picture})\n"
    )


def draw(run: dict[str, Any], file: Path) -> None:
    """The states of all members over time, how many beat, and when nobody listened."""
    from benchmarks.plots import canvas, save  # needs matplotlib

    samples, outcome = run["samples"], run["outcome"]
    at = [sample["at"] for sample in samples]
    counts = [
        [list(sample["states"].values()).count(state) for sample in samples] for state in STATES
    ]
    axes = canvas("seconds; grey: the fault, dotted: a host dies", "", width=8, height=2.6)
    axes.stackplot(at, counts, colors=list(STATES.values()), step="post", alpha=0.55)
    axes.step(at, [sample["fresh"] for sample in samples], "k-", where="post", lw=1)
    top = max(len(sample["states"]) for sample in samples)
    deaf = [not sample["listening"] for sample in samples]
    axes.fill_between(
        at, top + 0.4, top + 1.2, where=deaf, color="#2b6cb0", step="post", linewidth=0
    )
    axes.axvspan(outcome["began"], outcome["ended"], color="#000000", alpha=0.07)
    for moment in run["killed_at"].values():
        axes.axvline(moment, color="#c53030", ls=":", lw=1)
    axes.set(xlim=(0, at[-1]), ylim=(0, top + 1.4))
    axes.xaxis.label.set_fontsize(8)
    axes.set_title(
        "members by state (green up, red down, yellow suspect); line: beating; blue bar: not listening",
        fontsize=8,
        loc="left",
    )
    axes.tick_params(labelsize=8)
    save(axes, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
