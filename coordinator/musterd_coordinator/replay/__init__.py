"""What was recorded is judged anew, as by a coordinator with other settings, in simulated time."""

from collections.abc import Mapping

from musterd.report.assessing import Spells, downs
from musterd.trace.recording import Said, Stretch
from musterd_coordinator.replay.player import Player
from musterd_coordinator.replay.rules import CHANGEABLE, replay_rules
from musterd_coordinator.replay.script import script_of

__all__ = ["CHANGEABLE", "replayed", "verdicts_of"]


def verdicts_of(stretch: Stretch, changed: Mapping[str, float]) -> dict[int, list[Said]]:
    """Return what musterd says of each member, by number, with settings that are ``changed``.

    Raises ConfigError for settings that cannot be, or a trace without those that were in force.
    """
    rules = replay_rules(stretch.header, changed)
    player = Player(script_of(stretch, rules), rules)
    player.play()
    return dict(player.verdicts)


def replayed(stretch: Stretch, changed: Mapping[str, float]) -> Spells:
    """Return when musterd calls members down with settings that are ``changed``, as :func:`verdicts_of`."""
    return downs(verdicts_of(stretch, changed), stretch.end)
