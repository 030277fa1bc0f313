"""The module says what an incident is, what to do next, and what to type for it. Pure."""

from collections.abc import Mapping
from shlex import quote

from musterd.incidents import IncidentKind
from musterd_coordinator.incidents.sighting import Sighting

_KIND = IncidentKind

_NEXT: Mapping[IncidentKind, str] = {
    _KIND.UNHEARD: "Bring a shard of theirs back: until then nobody is declared down for silence there.",
    _KIND.MASS_SILENCE: "Look at what they share first, as network and power; confirm the silence, by"
    " `musterd confirm-silence`, once you know that they are dead.",
    _KIND.DEATHS: "Read why, evacuate what ran there, and repair each, or forget it if it will not come"
    " back.",
    _KIND.CONFLICT: "Find who else writes as them, and stop it: a second agent with the same name, or a"
    " stranger.",
    _KIND.FAILING_CHECKS: "Look on these hosts at what their agents' checks look at: the agents are alive.",
    _KIND.COORDINATORS_DISAGREE: "Compare the store, replicas, keys and settings of the two, and what each"
    " says of its shards.",
    _KIND.REGISTRY_BEHIND: "Look at the registry's server and disk: orders are refused while it is away, and"
    " changes wait in memory.",
    _KIND.SLOW_SWEEPS: "Raise sweep_period above what a sweep takes, or share the members among more"
    " shards.",
    _KIND.REDUNDANCY_LOST: "Bring the shard back before another one goes: its members are heard on one"
    " shard less.",
    _KIND.FORCED_DOWN: "Take the order back once it is repaired: beats do not end it.",
}
_CHOSEN: Mapping[IncidentKind, str] = {
    _KIND.MASS_SILENCE: "--state suspect",
    _KIND.DEATHS: "--state down",
    _KIND.CONFLICT: "--mark conflict",
    _KIND.FAILING_CHECKS: "--mark check_failing",
    _KIND.FORCED_DOWN: "--mark forced_down",
}
"""How `musterd members` shows whom it concerns."""

_ARE: Mapping[IncidentKind, str] = {
    _KIND.UNHEARD: "heard nowhere: no shard of theirs is listening",
    _KIND.MASS_SILENCE: "suspect: too much of a zone went at once",
    _KIND.DEATHS: "down",
    _KIND.CONFLICT: "in conflict: others than their agents write beats, too",
    _KIND.FAILING_CHECKS: "down, by a failing check of their own",
    _KIND.FORCED_DOWN: "forced down by operators",
}
"""What members are, after how many and where."""


def what(sighting: Sighting, zones: int, groups: int = 1) -> str:
    """Say what is the matter, of so many ``zones`` of so many ``groups``."""
    if (are := _ARE.get(sighting.kind)) is None:
        return _of_parts(sighting, zones)
    verb = "is" if sighting.count == 1 else "are"
    text = f"{sighting.count} {_where(sighting, zones, groups)} {verb} {are}"
    if sighting.kind is not _KIND.MASS_SILENCE or sighting.suspect == sighting.count:
        return text
    return f"{text}; {sighting.count - sighting.suspect} of these down by now"


def next_step(kind: IncidentKind) -> str:
    """Say in one sentence what to do next."""
    return _NEXT[kind]


def command(sighting: Sighting) -> str:
    """Return what to type first, for a shell."""
    chosen = _CHOSEN.get(sighting.kind)
    if chosen is None:
        return "musterd status"
    if not sighting.group:
        return "musterd groups"
    zone = f" {_option('--zone', sighting.zone)}" if sighting.zone else ""
    return f"musterd members {quote(sighting.group)}{zone} {chosen}"


def _option(name: str, text: str) -> str:
    """Return an option for a shell, whose ``text`` is not taken for another one."""
    return quote(f"{name}={text}") if text.startswith("-") else f"{name} {quote(text)}"


def _where(sighting: Sighting, zones: int, groups: int) -> str:
    if groups > 1:
        return f"in {zones} zones of {groups} groups"
    if zones > 1:
        return f"of {sighting.group} in {zones} zones"
    return f"of {sighting.group} in {sighting.zone}" if sighting.zone else f"of {sighting.group}"


def _of_parts(sighting: Sighting, many: int) -> str:
    """Say what is the matter with a shard, the registry or another coordinator, or with ``many`` of them."""
    why = f": {sighting.detail}" if sighting.detail else ""
    one, scope = many <= 1, sighting.scope
    match sighting.kind:
        case _KIND.SLOW_SWEEPS:
            who = scope if one else f"{many} shards"
            return f"sweeps of {who} take longer than their period{why}"
        case _KIND.REDUNDANCY_LOST:
            who = f"{scope} is" if one else f"{many} shards are"
            return f"{who} not listening, and covered by others{why}"
        case _KIND.COORDINATORS_DISAGREE:
            who = f"{scope} counts" if one else f"{many} coordinators count"
            return f"{who} members otherwise{why}"
        case _:
            return f"{sighting.count} changes are not in the registry yet{why}"
