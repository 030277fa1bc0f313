"""What a fault did, as the report tells it, and what was answered in its course."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

from musterd.model import State
from tests.faults.observer import Observer, Sample, Witness

RESULTS = "FAULTS_RESULTS"
DEAD = (State.DOWN, State.LEFT)


@dataclass(slots=True)
class Outcome:
    """What a fault did; all times in seconds."""

    fault: str
    store: str
    guard: bool
    locked: bool = False
    kept: bool = False  # every promise
    false_downs: int = 0
    suspects: int = 0
    not_listening: float = 0.0
    explained: list[str] = field(default_factory=list)
    found_during: float | None = None
    found_after: float | None = None
    seconds: float = 0.0
    began: float = 0.0
    ended: float = 0.0
    polls: int = 0
    longest_between_polls: float = 0.0
    nova: str = ""

    def write(self, samples: Iterable[Sample], killed_at: Mapping[str, float]) -> None:
        """Leave it and the timeline where the report looks for them."""
        if (where := os.environ.get(RESULTS)) is None:
            return
        store = "".join(c if c.isalnum() else "-" for c in self.store)
        name = "".join(c if c.isalnum() else "-" for c in self.fault.lower())
        file = Path(where) / f"{store}--{name}--{'guard' if self.guard else 'bare'}.json"
        document = {
            "outcome": asdict(self),
            "killed_at": killed_at,
            "samples": [asdict(sample) for sample in samples],
        }
        file.write_text(json.dumps(document))


def assert_explained(outcome: Outcome, *words: str) -> None:
    """One of ``words`` must have been said."""
    said = any(word in reason for word in words for reason in outcome.explained)
    assert said, f"none of {words} in {outcome.explained}"


class Answers:
    """What ``observer`` was answered, and the ``others``, while hosts died at these moments."""

    def __init__(
        self, observer: Observer, others: Sequence[Witness], killed_at: Mapping[str, float]
    ) -> None:
        self._observers = (observer, *others)
        self._samples = observer.samples
        self._killed_at = killed_at

    def accused(self, alive: Sequence[str]) -> set[str]:
        """Everybody alive who was ever answered down or left, victims before their death included."""
        return {
            name
            for observer in self._observers
            for sample in observer.samples
            for name, state in sample.states.items()
            if state in DEAD and (name in alive or sample.at < self._killed_at.get(name, 0.0))
        }

    def suspects(self, names: Iterable[str]) -> set[str]:
        """Whom of these it was ever answered that they are suspect."""
        return {n for s in self._samples for n in names if s.states.get(n) == State.SUSPECT}

    def names(self) -> set[str]:
        """Everybody who was ever in an answer."""
        return {name for s in self._samples for name in s.states}

    def not_listening(self, since: float) -> float:
        """For how long it was answered, from that moment on, that not all is listened to."""
        pairs = pairwise(s for s in self._samples if s.at >= since)
        deaf = sum(after.at - before.at for before, after in pairs if not before.listening)
        return round(deaf, 1)

    def explained(self, since: float) -> list[str]:
        """What was said of that, each reason once."""
        told = (reason for s in self._samples if s.at >= since for reason in s.reasons)
        return list(dict.fromkeys(told))

    def found(self, name: str) -> float | None:
        """Listening time until a host was answered down, from its death or the last gap after it.

        After a gap everybody may have an allowance anew, and a coordinator that starts knows of no
        silence. What a long sweep adds to the listening time may have passed before the death: it is
        never more than has passed by the clock.
        """
        if not (samples := self._until_found(name)):
            return None
        before, found = samples[0], samples[-1]
        listened = found.listening_time - before.listening_time
        return min(listened, found.at - max(self._killed_at[name], before.at))

    def found_at_least(self, name: str) -> float:
        """Of that, what passed between polls that both saw it dead and not yet found.

        How far polls are apart says how busy the machine is.
        """
        between = self._until_found(name)[1:-1]
        return between[-1].listening_time - between[0].listening_time if between else 0.0

    def _until_found(self, name: str) -> list[Sample]:
        """What was answered from the last time before it was to be found until it was."""
        samples, killed = self._samples, self._killed_at[name]
        found = [s for s in samples if s.at > killed and s.states.get(name) in DEAD]
        if not found:
            return []
        earlier = [s for s in samples if s.at < found[0].at]
        before = [s for s in earlier if s.at <= killed or not s.heard or s.run < found[0].run]
        return [s for s in earlier if s.at >= before[-1].at] + found[:1] if before else []
