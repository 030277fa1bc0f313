"""An operator's change of facts: what it makes of them, its words, and who else has to be told. Pure."""

from msgspec import UNSET
from msgspec.structs import replace

from musterd.errors import Conflict
from musterd.model import Facts, FactsChange
from musterd.orders import Origin
from musterd_coordinator.roll.verdicts import NO_FACTS
from musterd_coordinator.roll.view import RollView

_NOVAS = {"disabled": ("--disable", "--enable"), "forced_down": ("--down", "--up")}
"""By what is ordered: how Nova's own command says so, and the opposite."""


def refuse_for_nova(view: RollView, row: int, change: FactsChange) -> None:
    """Raise Conflict for an order that is to be given to Nova, which would not hear of it here."""
    own = view.facts(row) or NO_FACTS
    flags = [
        flag
        for flag in _NOVAS
        if getattr(change, flag) is not UNSET
        and not (getattr(own, flag) and not getattr(change, flag))  # of an order from before
    ]
    if not flags or not view.is_watched(row):
        return
    member = view.member(row)
    service = f"{member.name} {member.metadata.get('binary', '')}".rstrip()
    yes, no = _NOVAS[flags[0]]
    raise Conflict(
        f"{member} is Nova's own, and {flags[0]} is what Nova says: `openstack compute service set"
        f" {yes if getattr(change, flags[0]) else no} {service}` tells Nova, and is seen here with the"
        " next sweep"
    )


def told(origin: Origin) -> dict[str, str]:
    """Return what the log says of whose order it is."""
    return {name: value for name, value in origin._asdict().items() if value}


def changed(facts: Facts, change: FactsChange) -> Facts:
    """Return ``facts`` after an operator's ``change``. Pure."""
    given = {
        name: value
        for name in ("zone", "owner", "metadata", "disabled", "forced_down")
        if (value := getattr(change, name)) is not UNSET
    }
    reason = "" if change.reason is UNSET else change.reason
    for flag in ("disabled", "forced_down"):
        if flag in given:
            given[f"{flag}_reason"] = reason if given[flag] else ""
    return replace(facts, **given)


def described(change: FactsChange) -> str:
    """Put an operator's ``change`` in words, for the history."""
    reason = f": {change.reason}" if change.reason else ""
    words = []
    if change.disabled is not UNSET:
        words.append(f"disabled{reason}" if change.disabled else "enabled")
    if change.forced_down is not UNSET:
        words.append(f"forced down{reason}" if change.forced_down else "no longer forced down")
    for name in ("zone", "owner", "metadata"):
        value = getattr(change, name)
        if value is not UNSET:
            words.append(f"{name} as announced" if value is None else f"{name} set to {value}")
    return "operator: " + ", ".join(words)
