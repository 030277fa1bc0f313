"""The module checks the macs of many beats at once: keyed BLAKE2s of one block each, as hashlib has it."""

from collections.abc import Sequence
from hashlib import blake2s

import numpy as np
from numpy.typing import NDArray

from musterd.beat import SIGNED, SIZE
from musterd.keys import KEY_SIZE, MAC_SIZE
from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.columns import Bools

RECORD_WORDS = SIZE // 8
"""Eight-byte words of a record with its mac."""

SEAL_WORDS = 3
"""Words of what a record is checked with: a key, and what it vouches for of an announcement."""

PORTION = 500
"""Records that are checked in one step, with one key and for one challenge: less than a millisecond."""

NO_KEY = -1

_HEAD = 6
_VERSION, _SIGNED = np.uint64(0xFF << 16), np.uint64(SIGNED << 16)
_WORD = np.dtype("<u8")
_BLOCK, _KEY = np.dtype(f"V{SIZE}"), np.dtype(f"V{KEY_SIZE}")

Words = NDArray[np.uint64]
"""Rows of words, one for each word: of n records (RECORD_WORDS, n), or of n seals (SEAL_WORDS, n)."""


def fit(records: Words, seals: Words, challenge: bytes) -> Bools:
    """Say which of n ``records`` were signed with their ``seals`` (n) for this ``challenge``."""
    count = records.shape[1]
    blocks = np.empty((count, RECORD_WORDS), _WORD)
    blocks[:, :_HEAD] = records[:_HEAD].T
    blocks[:, _HEAD] = seals[2]
    blocks[:, _HEAD + 1] = np.frombuffer(challenge, _WORD)
    keys = np.ascontiguousarray(seals[:2].T)
    pairs = zip(blocks.view(_BLOCK).ravel().tolist(), keys.view(_KEY).ravel().tolist(), strict=True)
    # One after the other, without a function of ours between: a call of Python's takes as long as a mac.
    macs = b"".join([blake2s(b, key=key, digest_size=MAC_SIZE).digest() for b, key in pairs])
    expected = np.frombuffer(macs, _WORD).reshape(count, 2)
    fits: Bools = (expected == records[_HEAD:].T).all(axis=1)
    return fits


def words_of(records: NDArray[np.void]) -> Words:
    """Return the words of n ``records``, (8, n)."""
    data = np.ascontiguousarray(records).view(_WORD).reshape(-1, RECORD_WORDS)
    return np.ascontiguousarray(data.T)


def are_signed(records: Words) -> Bools:
    """Say which of n ``records`` say that they are signed."""
    signed: Bools = (records[0] & _VERSION) == _SIGNED
    return signed


def find_keys(
    records: Words, seals: Words, challenges: Sequence[bytes], first: NDArray[np.int64]
) -> Steps[NDArray[np.int64]]:
    """Return the number of the key that each of n ``records`` was signed with, or NO_KEY.

    ``seals`` are (keys, 3, n), of which that of the number in ``first`` (n) is tried first, and
    ``challenges`` those for which a record may be signed. There is a step for each try.
    """
    found = np.full(records.shape[1], NO_KEY)
    left = np.arange(records.shape[1])
    for challenge in challenges:
        for turn in range(len(seals)):
            if not len(left):
                return found
            key = (first + turn) % len(seals)
            # To pick out what is all of it takes half as long as the macs.
            tried = seals[0] if len(seals) == 1 else seals[key, :, np.arange(len(left))].T
            fits = fit(records, tried, challenge)
            found[left[fits]] = key[fits]
            yield
            if fits.all():
                return found
            records, seals = records[:, ~fits], seals[:, :, ~fits]
            first, left = first[~fits], left[~fits]
    return found
