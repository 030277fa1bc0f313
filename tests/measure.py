"""The module measures which lines and branches of the three packages the tests take.

`make test` without ARGS measures all along: `MEASURE=build/coverage.json` in the environment
starts it, before anything imports what is measured (tests/__init__.py). Each worker of pytest-xdist
sends what it saw to the controller, which writes the file, prints a few lines, and fails a run
that took less than `FLOOR`. `python -m tests.measure` lists from the file what no test took.

SlipCover puts probes into the code and takes them out once they told (github.com/plasma-umass/
slipcover): that costs seconds of CPU in each worker, for the imports. It does not see other
processes. Files that run mostly in those are in `ELSEWHERE`, with the reason; `make coverage`
measures them too.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
import slipcover

ROOT = Path(__file__).parents[1]
INTO = Path("build/coverage.json")
PACKAGES = ("common/musterd", "agent/musterd_agent", "coordinator/musterd_coordinator")
NO_CODE = ("@overload", r"^ *\.\.\.$", "^if __name__ == ")
"""Lines that give types and never run, and what runs only as a process of its own.

SlipCover leaves out `if TYPE_CHECKING:` and `# pragma: no cover` by itself; beside that stands why."""
FLOOR = 95.0
"""The least that a run of all tests takes, in % of branches."""
MOST = 5
"""So many files are named."""
ELSEWHERE: Mapping[str, str] = {
    "agent/musterd_agent/main.py": "musterd agent, from its start to its last words",
    "common/musterd/__main__.py": "python -m musterd",
    "coordinator/musterd_coordinator/demo/cast.py": "the demo, which starts processes itself",
    "coordinator/musterd_coordinator/demo/openstack/cast.py": "the demo with Nova's code, likewise",
    "coordinator/musterd_coordinator/demo/openstack/controller.py": "runs in Nova's environment",
    "coordinator/musterd_coordinator/demo/openstack/hosts.py": "so does this",
    "coordinator/musterd_coordinator/demo/store.py": "the demo's store",
    "coordinator/musterd_coordinator/main.py": "musterd coordinator, likewise",
    "coordinator/musterd_coordinator/nova/main.py": "musterd nova, likewise",
    "coordinator/musterd_coordinator/relay/main.py": "musterd relay, likewise",
}
"""The files that run mostly in processes of their own, and in which."""


@dataclass(frozen=True)
class Taken:
    """A `Taken` counts what ran, and what there is to run."""

    lines: int = 0
    all_lines: int = 0
    branches: int = 0
    all_branches: int = 0

    @classmethod
    def of(cls, files: Iterable[Mapping[str, Any]]) -> Self:
        """Count over files as SlipCover describes them."""
        sums = {
            "covered_lines": 0,
            "missing_lines": 0,
            "covered_branches": 0,
            "missing_branches": 0,
        }
        for file in files:
            for name in sums:
                sums[name] += file["summary"].get(name, 0)
        lines, no_lines, branches, no_branches = sums.values()
        return cls(lines, lines + no_lines, branches, branches + no_branches)

    @property
    def of_branches(self) -> float:
        """Return the taken branches in %."""
        return _percent(self.branches, self.all_branches)

    def __str__(self) -> str:
        lines = _percent(self.lines, self.all_lines)
        return (
            f"{lines:5.1f} % of {self.all_lines:6} lines, "
            f"{self.of_branches:5.1f} % of {self.all_branches:5} branches"
        )


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0


class Figures:
    """The `Figures` are what all workers saw, file by file."""

    def __init__(
        self,
        seen: Mapping[str, Any],
        packages: Sequence[str] = PACKAGES,
        elsewhere: Iterable[str] = ELSEWHERE,
    ) -> None:
        self._packages = packages
        self._elsewhere = set(elsewhere) & set(seen["files"])
        self._files = {k: v for k, v in seen["files"].items() if k not in self._elsewhere}

    @property
    def enough(self) -> bool:
        """Say whether the tests took as many branches as they must."""
        return self._all().of_branches >= FLOOR

    def lines(self) -> Iterator[str]:
        """Tell each package, all of them, and the files with the most branches not taken."""
        for package in self._packages:
            files = [file for name, file in self._files.items() if name.startswith(f"{package}/")]
            yield f"{Path(package).name:20} {Taken.of(files)}"
        yield f"{'all':20} {self._all()}, of which at least {FLOOR:g} % must be taken"
        yield f"without {len(self._elsewhere)} files that run in other processes; not taken:"
        for name in sorted(self._files, key=self._missed, reverse=True)[:MOST]:
            yield f"  {self._missed(name):3} in {name}"
        if not self.enough:
            yield f"FAILED: too few branches; {sys.executable} -m tests.measure lists the others"

    def _all(self) -> Taken:
        return Taken.of(self._files.values())

    def _missed(self, name: str) -> int:
        return len(self._files[name]["missing_branches"])


class Measure:
    """A `Measure` is a plugin of pytest that sees what is imported after it, and run."""

    def __init__(
        self, into: Path = INTO, root: Path = ROOT, packages: Sequence[str] = PACKAGES
    ) -> None:
        self._into, self._packages = root / into, packages
        self._sources = [str(root / package) for package in packages]
        self._measured = self._slipcover()
        self._workers: list[str] = []
        sources = slipcover.FileMatcher(sources=self._sources)
        slipcover.ImportManager(self._measured, sources).__enter__()

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send what a worker saw."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["seen"] = json.dumps(self._measured.get_coverage())

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Keep what a worker sent; one that crashed sends nothing."""
        if seen := getattr(node, "workeroutput", {}).get("seen"):
            self._workers.append(seen)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print it before pytest's closing line, and fail a run that took too little."""
        figures, session = Figures(self._seen(), self._packages), terminalreporter._session
        terminalreporter.write_sep("=", "coverage")
        for line in figures.lines():
            terminalreporter.write_line(line)
        if session is not None and session.exitstatus == pytest.ExitCode.OK and not figures.enough:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _slipcover(self, **where: list[str]) -> Any:
        return slipcover.Slipcover(branch=True, exclude_also=list(NO_CODE), **where)

    def _seen(self) -> dict[str, Any]:
        seen: dict[str, Any] = self._measured.get_coverage()
        for worker in self._workers:
            slipcover.merge_coverage(seen, json.loads(worker))
        never_imported = self._slipcover(source=self._sources, omit=list(seen["files"]))
        slipcover.merge_coverage(seen, never_imported.get_coverage())
        self._into.parent.mkdir(parents=True, exist_ok=True)
        self._into.write_text(json.dumps(seen))
        return seen


if __name__ == "__main__":
    slipcover.print_coverage(json.loads((ROOT / INTO).read_text()), skip_covered=True)
