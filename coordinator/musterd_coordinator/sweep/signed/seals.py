"""The module checks what is read in a shard's slots: who signed it, for which challenge, and when.

A member that is announced in a slot is *claimed* there until a fresh beat of its own comes from it:
one that was signed with its key, vouches for the facts that were announced, and was signed for a
challenge with a nonce of this coordinator. Then it is *proven*, and stays so whatever anybody writes
beside that: another member takes the slot, or the member another slot, by a beat of its own only.

Only records that changed are looked at. One that stood in its slot when this coordinator began says
nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.beat import VERSION
from musterd.model import Member
from musterd_coordinator.steps import Steps, whole
from musterd_coordinator.sweep.base import BeatBatch, Roster, Signatures
from musterd_coordinator.sweep.challenge import UNSEEN, Challenge, ChallengeValue, keep
from musterd_coordinator.sweep.columns import Bools, Rejected, Slots, as_index, as_span
from musterd_coordinator.sweep.signed import macs
from musterd_coordinator.sweep.signed.claims import Claims
from musterd_coordinator.sweep.signed.columns import (
    BAD,
    CLAIMED,
    DOUBTED,
    GOOD,
    LATE,
    NOBODY,
    OLD,
    PROVEN,
    UNSIGNED,
)
from musterd_coordinator.sweep.signed.lastwords import are_last_words, are_newest
from musterd_coordinator.sweep.signed.macs import NO_KEY, PORTION, Words
from musterd_coordinator.sweep.signed.signing import Signing, as_columns

_NONE: Bools = np.zeros(0, np.bool_)


class Checked(NamedTuple):
    """A `Checked` says which of n records are ``good``: fresh beats of the members in their slots.

    ``bad`` are those that were written since this coordinator began, and are none, where a member sits
    or shall sit; ``foreign`` those of them that say they are another's.
    """

    good: Bools
    bad: Bools
    foreign: Bools


class SlotSeals:
    """A `SlotSeals` checks the records of one shard, for a coordinator with these keys.

    Since :meth:`reset`, ``contested`` are slots of proven members with a record that is not theirs,
    ``unfresh`` those with one of theirs that was signed for an old challenge; ``rejected`` counts
    such records when they are new. ``last_words`` are slots of members that fell silent before they
    looked at the challenge. ``doubtful`` are slots with a record that may vouch for other facts than
    are known, and ``lost`` those whose members should announce themselves anew.
    """

    def __init__(self, signing: Signing, challenge: Challenge, shard: str = "") -> None:
        self.challenge = challenge
        self.required = signing.required
        self._signing = signing
        self._claims = Claims(signing, shard)
        self._columns = self._claims.columns
        self._began = False  # was the shard swept in full?
        self._could_sign = True  # could agents see a challenge that makes their beats fresh?
        self._suspects: set[int] = set()
        self.reset()

    def reset(self) -> None:
        """Begin another sweep."""
        self._counts: Counter[str] = Counter()
        self.contested: list[int] = []
        self.unfresh: list[int] = []
        self.last_words: list[int] = []
        self.doubtful: set[int] = set()
        self.lost: list[int] = []

    def finish(self) -> None:
        """Note that the shard was swept in full: what is read from now on was written since."""
        self._began = True

    @property
    def size(self) -> int:
        """Return the bytes of what is kept of all members."""
        return self._columns.size

    @property
    def rejected(self) -> Rejected:
        """Return what was refused in this sweep."""
        return Rejected(**self._counts)

    async def keep_challenge(self, value: ChallengeValue, now: float) -> None:
        """Look at the challenge ``value`` of the shard, and put the nonce in. Raises StoreError."""
        self._could_sign = await keep(self.challenge, value, now)

    def with_signatures(self, batch: BeatBatch) -> BeatBatch:
        """Return ``batch`` with what is to be said of signatures.

        Of each member that was proven it is said once, whichever sweep read its first beat.
        """
        proven = self._claims.drain_proven()
        return replace(
            batch,
            rejected=batch.rejected + self.rejected,
            seated=proven if self.required else [],
            contested=self.contested,
            unfresh=self.unfresh,
            last_words=self.last_words,
            unproven="" if self._could_sign else UNSEEN,
            signatures=Signatures(
                self._with_old_key(), self.challenge.put_back, self._beating_unsigned()
            ),
        )

    def _with_old_key(self) -> int:
        columns = self._columns
        if columns.count == 1:
            return 0
        return int(np.count_nonzero((columns.member == PROVEN) & (columns.key > 0)))

    def _beating_unsigned(self) -> int:
        columns = self._columns
        if self.required:
            return 0
        return int(np.count_nonzero((columns.record == UNSIGNED) & (columns.member != NOBODY)))

    def filter_roster(self, roster: Roster, now: float) -> Steps[Roster]:
        """Take in a ``roster`` that nobody signed; return what of it is so at ``now``."""
        return (yield from self._claims.filter_roster(roster, now))

    def is_relays(self, slot: int, record: bytes) -> bool:
        """Say whether a relay with the fleet key wrote its own row ``record`` in ``slot`` of late.

        When this coordinator has just begun, no relay has seen its nonce.
        """
        if not self.required and record[2] == VERSION:
            return True
        challenges = *self.challenge.fresh, *self.challenge.stale
        return self._signing.fits_mark(slot, record, challenges)

    def staying(self) -> Slots:
        """Return slots that the roster vacated, and that are read nonetheless."""
        return self._claims.staying()

    def retire(self, member: Member) -> None:
        """Let go of ``member``: whoever runs the fleet had it forgotten."""
        self._claims.retire(member)

    def spoil(self, slots: Slots) -> None:
        """Note that what stands in ``slots`` (n) is no beat at all."""
        for slot in slots.tolist():
            if slot < len(self._columns.member) and self._columns.member[slot] == PROVEN:
                self.contested.append(slot)

    def check(self, slots: Slots, records: Words, now: float) -> Steps[Checked]:
        """Check ``records`` (8, n) in ``slots`` (n, ascending), read at ``now``, in steps.

        They are beats as far as anybody sees without a key.
        """
        columns = self._columns
        if not len(slots):
            return Checked(_NONE, _NONE, _NONE)
        columns.reserve(1 + slots.item(-1))
        at = as_span(slots)
        is_new = (columns.last[:, at] != records).any(axis=0)
        if self._suspects:  # else no record is in doubt
            still = slots[~is_new]
            columns.record[still[columns.record[still] == DOUBTED]] = BAD
        changed = np.flatnonzero(is_new)
        for begin in range(0, len(changed), PORTION):
            end = begin + PORTION
            rows = slice(begin, end) if len(changed) == len(slots) else changed[begin:end]
            yield from self._look(slots[rows], records[:, rows], now)
            # Now, and not before: what is given up half way is looked at in the next sweep.
            columns.last[:, as_index(slots[rows])] = records[:, rows]
        kinds = columns.record[at]
        good = kinds == GOOD
        if good.all():
            none = np.zeros_like(good)
            return Checked(good, none, none)
        bad = (kinds > GOOD) & np.isin(columns.member[at], (CLAIMED, PROVEN))
        if bad.any():
            last = are_last_words(columns, slots, records, now)
            self.last_words += slots[last].tolist()
            bad &= ~last
            self._tell_of_bad(slots[bad])
        good |= kinds == UNSIGNED
        return Checked(good, bad, self._are_foreign(slots, records, bad))

    def _tell_of_bad(self, slots: Slots) -> None:
        columns = self._columns
        proven = slots[columns.member[slots] == PROVEN]
        self.contested += proven[columns.record[proven] == BAD].tolist()
        self.unfresh += proven[columns.record[proven] == LATE].tolist()

    def _are_foreign(self, slots: Slots, records: Words, bad: Bools) -> Bools:
        other = self._columns.identity[slots] != records[1]
        foreign: Bools = bad & other
        return foreign

    def _look(self, slots: Slots, records: Words, now: float) -> Steps[None]:
        """Say of changed ``records`` (8, n) what they are."""
        columns = self._columns
        columns.record[slots] = BAD
        signed = macs.are_signed(records)
        if not self._began:
            columns.record[slots] = OLD if self.required else np.where(signed, OLD, UNSIGNED)
            return
        if not signed.all():
            self._accept_unsigned(slots[~signed])
            slots, records = slots[signed], records[:, signed]
        here = (columns.member[slots] != NOBODY) & (columns.identity[slots] == records[1])
        keys = np.full(len(slots), NO_KEY)
        fresh = self.challenge.fresh
        if here.all():
            keys = yield from self._keys(slots, records, fresh)
        else:
            keys[here] = yield from self._keys(slots[here], records[:, here], fresh)
        fit = keys != NO_KEY
        if fit.all():
            self._accept(slots, records, keys, now)
            return
        self._accept(slots[fit], records[:, fit], keys[fit], now)
        left = np.flatnonzero(~fit)
        left = left[~self._bear_out(slots[left], records[:, left], now)]
        if len(left):
            yield from self._refuse(slots[left], records[:, left], here[left], now)

    def _keys(
        self, slots: Slots, records: Words, challenges: Sequence[bytes]
    ) -> Steps[NDArray[np.int64]]:
        seals, first = self._columns.seals_of(slots), self._columns.keys_of(slots)
        return macs.find_keys(records, seals, challenges, first)

    def _accept(self, slots: Slots, records: Words, keys: NDArray[np.int64], now: float) -> None:
        """Take in records that were signed by the members in their slots."""
        columns = self._columns
        at, run, sequence = as_index(slots), records[2], records[3]
        columns.key[at] = keys
        usual = (columns.member[at] == PROVEN) & (columns.run[at] == run)
        usual &= sequence >= columns.sequence[at]
        if usual.all():
            self._note(slots, run, sequence, now)
            return
        self._note(slots[usual], run[usual], sequence[usual], now)
        for each in np.flatnonzero(~usual).tolist():
            self._accept_one(slots.item(each), records[:, each], now)

    def _accept_one(self, slot: int, record: Words, now: float, seals: bytes | None = None) -> None:
        """Take in a record of a member that was not proven here, or of another run, or an old one.

        It vouches for the facts behind ``seals``, if those are others than before.
        """
        columns = self._columns
        identity, run, sequence = record[1:4].tolist()
        if not self._claims.is_newer(identity, run, sequence, now):
            self._counts["stale"] += 1
            return
        if columns.member[slot] != PROVEN or seals is not None:
            self._claims.prove(slot, seals)
        self._suspects.discard(slot)  # it was an agent that restarted, and nobody else
        self._note(np.array([slot]), record[2:3], record[3:4], now)

    def _note(
        self, slots: Slots, run: NDArray[np.uint64], sequence: NDArray[np.uint64], now: float
    ) -> None:
        columns = self._columns
        at = as_index(slots)
        newer = (columns.run[at] != run) | (columns.sequence[at] != sequence)
        columns.heard_at[slots[newer]] = now
        columns.record[at], columns.run[at], columns.sequence[at] = GOOD, run, sequence

    def _bear_out(self, slots: Slots, records: Words, now: float) -> Bools:
        """Say which of ``records`` bear out what was announced in their slots, and take those in."""
        borne_out, first = np.zeros(len(slots), np.bool_), np.zeros(1, np.int64)
        for at, slot in enumerate(slots.tolist()):
            claim = self._claims.claims.get(slot)
            if claim is None or claim.identity != records.item(1, at):
                continue
            if self._columns.member[slot] == CLAIMED:
                continue  # it was tried already
            sealed = self._claims.seals(claim.member)
            seals = as_columns(sealed)[: self._columns.count]
            key = whole(macs.find_keys(records[:, [at]], seals, self.challenge.fresh, first))[0]
            if key != NO_KEY:
                self._accept_one(slot, records[:, at], now, sealed)
                self._columns.key[slot] = key
                borne_out[at] = True
        return borne_out

    def _refuse(self, slots: Slots, records: Words, here: Bools, now: float) -> Steps[None]:
        """Count records that nobody announced here signed now, by what is wrong with them."""
        columns, stale = self._columns, np.zeros(len(slots), np.bool_)
        keys = yield from self._keys(slots[here], records[:, here], self.challenge.stale)
        stale[here] = keys != NO_KEY
        self._counts["stale"] += int(np.count_nonzero(stale))
        self._counts["mac"] += int(np.count_nonzero(here & ~stale))
        columns.record[slots[stale]] = LATE
        columns.heard_at[slots[stale & are_newest(columns, slots, records)]] = now
        for at in np.flatnonzero(~stale).tolist():
            self._doubt(slots.item(at), records[:, at], bool(here[at]))

    def _doubt(self, slot: int, record: Words, here: bool) -> None:
        """Take in a record with a wrong mac, or of a member that is not announced in its slot."""
        columns = self._columns
        if columns.member[slot] != PROVEN:
            if here:
                self.lost.append(slot)
            return
        # An agent that restarts may announce other facts, which are read soon.
        if here and record[2] != columns.run[slot] and slot not in self._suspects:
            self._suspects.add(slot)
            columns.record[slot] = DOUBTED
        self.doubtful.add(slot)

    def _accept_unsigned(self, slots: Slots) -> None:
        if not self.required:
            self._columns.record[slots] = UNSIGNED
            return
        self._counts["unsigned"] += len(slots)
