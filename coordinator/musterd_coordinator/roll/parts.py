"""The module says what a roll is made of, for the classes that do its work with one another."""

from typing import Protocol

from musterd.model import Facts
from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.roll.absent import Absent
from musterd_coordinator.roll.admission import Admission
from musterd_coordinator.roll.arrangement import Arranger
from musterd_coordinator.roll.figures import RunFigures
from musterd_coordinator.roll.lives import ForgottenLives
from musterd_coordinator.roll.names import NameIndex
from musterd_coordinator.roll.notices import Notices
from musterd_coordinator.roll.outbox import Outbox
from musterd_coordinator.roll.placement import Placement
from musterd_coordinator.roll.reporting import ChangeReporter
from musterd_coordinator.roll.shard import Clocks, ShardState
from musterd_coordinator.roll.versions import ChangeLog


class RollParts(Protocol):
    """`RollParts` are the parts of one roll; nothing outside this room knows them (see ``RollView``)."""

    ready: bool
    clocks: Clocks
    shards: list[ShardState]
    detector: Detector
    directory: NameIndex
    arranger: Arranger
    facts: dict[int, Facts]  # by row, of those of which an operator said anything
    ordered: dict[int, Facts]  # and of those of which their store says that one ordered something
    said: dict[int, Facts]  # both together
    placement: Placement
    admission: Admission
    absent: Absent
    lives: ForgottenLives
    unsaved: Outbox
    changes: ChangeLog
    reporter: ChangeReporter
    notices: Notices
    figures: RunFigures
