"""The module puts the reason of every verdict into words that an operator understands. Pure."""

from collections.abc import Mapping, Sequence

from musterd.beat import Status
from musterd_coordinator.judge.transitions import Cause

BEATING = "beating"
OVERWRITTEN = "its record is overwritten by somebody without its key, or by a second agent with it"
"""A run that another one followed counts again when it shows that it goes on: so two agents with one
key look as somebody does who writes recorded beats."""
EVIDENT = frozenset(
    {
        *(Cause.SILENT, Cause.MASS_SILENCE, Cause.HOLD_OVER, Cause.CONFIRMED),
        *(Cause.NEVER_BEAT, Cause.OVERWRITTEN),
    }
)  # by silence
PLAIN: Mapping[int, str] = {
    Cause.FIRST_BEAT: "first beat seen",
    Cause.BEAT: "beating again",
    Cause.LEAVING: "its agent said that it is leaving",
    Cause.CHECK_FAILING: "its agent reports a failing check",
    Cause.CONFLICT_OVER: "only one agent beats under this name now",
    Cause.STRANGE_NUMBERS_OVER: "its beats are numbered as an agent numbers them again",
    Cause.CONTESTED_OVER: "nobody overwrites its record any more",
    Cause.STRANGE_NUMBERS: "its beats are numbered as no agent numbers them: somebody else writes"
    " them too, or they are spoiled on their way",
    Cause.CONTESTED: OVERWRITTEN,
    Cause.GOODBYE_OVER: "its agent still says goodbye, or that its check fails, after the hold of a"
    " mass goodbye",
}
CONFLICTS: Mapping[int, str] = {
    Cause.CONFLICT: "several agents beat under this name",
    Cause.STRANGE_NUMBERS: PLAIN[Cause.STRANGE_NUMBERS],
    Cause.CONTESTED: OVERWRITTEN,
}
"""By what made a member a conflict: the words while it is one."""


def hexadecimal(incarnation: int) -> str | None:
    """Return an incarnation as people see it: 16 hex digits, or None for none."""
    return f"{incarnation:016x}" if incarnation else None


def silence(seconds: float, last_beat: str | None, shard: str, proven_ago: float) -> str:
    """Return why silence was believed.

    ``last_beat`` is an RFC 3339 instant, or None for none seen.
    """
    seen = (
        f"last beat seen {last_beat}" if last_beat else "no beat seen since this coordinator began"
    )
    return (
        f"silent for {seconds:.1f} s of listening; {seen};"
        f" shard {shard} proven {proven_ago:.1f} s ago"
    )


def cause_text(cause: Cause, evidence: str, incarnations: tuple[int, int], hold: float) -> str:
    """Return the reason of one change.

    ``evidence`` is the text of :func:`silence` where the cause is EVIDENT.
    """
    if (text := PLAIN.get(cause)) is not None:
        return text
    now, before = (hexadecimal(each) for each in incarnations)
    texts = {
        Cause.RESTARTED: f"its agent restarted: incarnation {now} after {before}",
        Cause.SILENT: evidence,
        Cause.MASS_SILENCE: f"{evidence}; so much of its zone fell silent at once that the"
        f" observer is the likelier culprit: held for {hold:g} s of listening before it counts as down",
        Cause.MASS_GOODBYE: "its agent says goodbye, or that its check fails, and so much of its zone"
        f" does so at once that one culprit is likelier: held for {hold:g} s of listening before it"
        " is believed",
        Cause.HOLD_OVER: f"{evidence}; the hold of a mass silence is over",
        Cause.CONFIRMED: f"{evidence}; an operator confirmed the mass silence and ended its hold",
        Cause.NEVER_BEAT: evidence,
        Cause.OVERWRITTEN: f"{evidence}; {OVERWRITTEN}",
        Cause.CONFLICT: f"{CONFLICTS[Cause.CONFLICT]}: incarnations {now} and {before}",
    }
    return texts[cause]


def conflict_text(conflict: bool, cause: int) -> str:
    """Return why a member is a conflict; empty where it is none."""
    return CONFLICTS[cause] if conflict else ""


def examples(names: Sequence[str], count: int) -> str:
    """Return a few of ``count`` names, and how many more there are."""
    more = count - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def clamped_text(interval_ms: int, push_timeout_ms: int, interval: float, push: float) -> str:
    """Return what to add for a member that promises what no agent may be set to; seconds."""
    told = f"an interval of {interval_ms / 1000:g} s"
    if push_timeout_ms:
        told += f" and a push timeout of {push_timeout_ms / 1000:g} s"
    return f"; its beats tell {told}, which no agent may have: taken as {interval:.3g} s and {push:.3g} s"


def deaf_text(push: float) -> str:
    """Return what to add for a member that waits less for a push than the canary took; seconds."""
    return f"; not judged now: it waits {push:.3g} s for a push, and the canary took longer"


def unheard_text(why: str) -> str:
    """Return what to add for a member if none of its shards is listening; ``why`` names them."""
    return f"; not judged now: it is not heard, for {why}"


def spoiled_text(shard: str) -> str:
    """Return what to add for a member if no beat of its own stands in its slot of ``shard``."""
    return f"; what stands for it in {shard} is no beat of its own: spoiled, or another member's"


def contested_text(left: float) -> str:
    """Return what to add for a member whose records are overwritten; seconds left to be heard."""
    return f"; {OVERWRITTEN}: it has {left:.1f} s more of listening to be heard by its own"


def put_off_text(left: float) -> str:
    """Return what to add if a verdict waits for an allowance after a gap; seconds left."""
    return f"; not judged before {left:.1f} s more of listening: its shard was not listened to for a while"


def up_text(reason: str, status: int, missed: int, lag: float, interval: float) -> str:
    """Return what to say of a member that is up but not quite well.

    ``lag`` and ``interval`` are in seconds.
    """
    if status == Status.DRAINING:
        return f"{reason}; draining: its agent asks for no new work"
    if lag > max(interval, 1.0):
        return f"{reason}; its last beat left {lag:.1f} s late: the host is starved"
    if missed:
        return f"{reason}; {missed} pushes failed before the last one got through"
    return reason


def forced_text(said: str, observed: str, reason: str) -> str:
    """Return why a member is down that an operator forced down; ``said`` is the operator's word."""
    return f"forced down{f': {said}' if said else ''}; observed {observed}: {reason}"
