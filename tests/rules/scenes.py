"""For each alert of deploy/prometheus/rules.yml: series by which it must fire, and such by which it must not.

Series are in promtool's notation, a value each minute: `0+10x20` rises by ten, twenty times.
"""

from typing import NamedTuple

WHO = '{instance="c1:8420"}'
SHARD = '{instance="c1:8420",shard="mc1:11211"}'
GROUP = '{instance="c1:8420",group="compute"}'
MEMBER = '{instance="h1:9100",group="compute",member="h1"}'


class Scene(NamedTuple):
    """Series of a fault, and the same when all is well; after so many minutes the alert is looked at."""

    fault: dict[str, str]
    well: dict[str, str]
    minutes: int = 20


def steady(name: str, fault: str, well: str) -> Scene:
    """One series that has one value all the time."""
    return Scene({name: f"{fault}x60"}, {name: f"{well}x60"})


def rising(name: str, each_minute: float) -> Scene:
    """One counter that rises, or stands still."""
    return Scene({name: f"0+{each_minute:g}x60"}, {name: "7x60"})


def histogram(name: str, labels: str, slow: bool, bounds: tuple[str, str]) -> dict[str, str]:
    """Ten values a minute that are all below the first bound, or all above it."""
    inner = labels.strip("{}")
    first = "0x90" if slow else "0+10x90"
    return {
        f'{name}_bucket{{{inner},le="{bounds[0]}"}}': first,
        f'{name}_bucket{{{inner},le="{bounds[1]}"}}': "0+10x90",
        f'{name}_bucket{{{inner},le="+Inf"}}': "0+10x90",
    }


PERIOD = {f"musterd_sweep_period_seconds{WHO}": "1x90"}
DOWN_TIME = {f"musterd_service_down_time_seconds{WHO}": "60x90"}
SWEEPS = {f"musterd_shard_sweeps_total{SHARD}": "0+60x60"}
_UNPROVEN = 'musterd_unproven_sweeps_total{instance="c1:8420",shard="mc1:11211",reason="timeout"}'
_READING = 'musterd_unproven_sweeps_total{instance="c1:8420",shard="mc1:11211",reason="roster"}'
_DEATHS = 'musterd_transitions_total{instance="c1:8420",group="compute",from="up",to="down",cause="silent"}'
_REJECTED = 'musterd_rejected_records_total{instance="c1:8420",shard="mc1:11211",reason="mac"}'
_STORM = 'musterd_storm_silent_members{instance="c1:8420",group="compute",zone="r1"}'
_CONFLICT = 'musterd_members_marked{instance="c1:8420",group="compute",mark="conflict"}'
_FILE = 'node_textfile_mtime_seconds{instance="h1:9100",file="/var/lib/node/musterd.prom"}'
_KIND = '{instance="c1:8420",kind="deaths"}'
_RELAY = '{instance="r1:11412",kind="beats"}'
_WRITES = '{instance="r1:11412"}'

SCENES = {
    "MusterdNobodyAnswers": Scene({}, {f"musterd_build_info{WHO}": "1x60"}),
    "MusterdNotReady": steady(f"musterd_ready{WHO}", "0", "1"),
    "MusterdMembersNotHeard": steady(f"musterd_uncovered{WHO}", "5", "0"),
    "MusterdShardSilent": steady(f"musterd_shard_listening{SHARD}", "0", "1"),
    "MusterdSweepsUnproven": Scene(
        {_UNPROVEN: "0+10x60", **SWEEPS}, {_UNPROVEN: "0+5x60", _READING: "0+60x60", **SWEEPS}
    ),
    "MusterdSweepsSlow": Scene(
        histogram("musterd_sweep_duration_seconds", SHARD, True, ("1", "2.5")) | PERIOD,
        histogram("musterd_sweep_duration_seconds", SHARD, False, ("1", "2.5")) | PERIOD,
    ),
    "MusterdFalseDowns": rising(f"musterd_false_downs_total{GROUP}", 0.1),
    "MusterdFoundLate": Scene(
        histogram("musterd_detection_seconds", WHO, True, ("120", "180")) | DOWN_TIME,
        histogram("musterd_detection_seconds", WHO, False, ("120", "180")) | DOWN_TIME,
        70,
    ),
    "MusterdManyDeaths": Scene({_DEATHS: "0+2x60"}, {_DEATHS: "0+0.5x60"}),
    "MusterdMassSilence": steady(_STORM, "9", "0"),
    "MusterdVerdictsHeld": steady(
        'musterd_held{instance="c1:8420",kind="storm",scope="compute/r1"}', "9", "0"
    ),
    "MusterdConflict": steady(_CONFLICT, "1", "0"),
    "MusterdRecordsRejected": rising(_REJECTED, 1),
    "MusterdCoordinatorsDisagree": steady(f"musterd_coordinators_disagree{WHO}", "1", "0"),
    "MusterdRegistryLost": steady(f"musterd_registry_ok{WHO}", "0", "1"),
    "MusterdRegistryBehind": Scene(
        {f"musterd_registry_unsaved{WHO}": "5x60"}, {f"musterd_registry_unsaved{WHO}": "5 0 9 0x60"}
    ),
    "MusterdRegistryLeftOut": steady(f"musterd_registry_quarantined{WHO}", "1", "0"),
    "MusterdNoRoom": steady(f"musterd_members_not_seated{WHO}", "3", "0"),
    "MusterdIncident": steady(f"musterd_incidents{_KIND}", "2", "0"),
    "MusterdRelayStoreLost": steady(f"musterd_relay_store_ok{_RELAY}", "0", "1"),
    "MusterdRelaySlow": Scene(
        histogram("musterd_relay_write_seconds", _WRITES, True, ("1", "2.5")),
        histogram("musterd_relay_write_seconds", _WRITES, False, ("1", "2.5")),
    ),
    "MusterdAgentNotBeating": steady(f"musterd_agent_beating{MEMBER}", "0", "1"),
    "MusterdAgentLosesShard": steady(
        'musterd_agent_shard_beating{instance="h1:9100",shard="mc1:11211"}', "0", "1"
    ),
    "MusterdAgentGone": Scene({_FILE: "0x60"}, {_FILE: "0+60x60"}),
    "MusterdHostStarved": steady('musterd_agent_overdue_seconds{instance="h1:9100"}', "8", "0"),
}
