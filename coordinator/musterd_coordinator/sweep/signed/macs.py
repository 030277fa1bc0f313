"""The module checks the macs of many beats at once: keyed BLAKE2s of one block each, as hashlib has it."""

from hashlib import blake2s

import numpy as np
from numpy.typing import NDArray

from musterd.beat import SIZE
from musterd.keys import KEY_SIZE, MAC_SIZE
from musterd_coordinator.sweep.columns import Bools

RECORD_WORDS = SIZE // 8
"""Eight-byte words of a record with its mac."""

SEAL_WORDS = 3
"""Words of what a record is checked with: a key, and what it vouches for of an announcement."""

_HEAD = 6
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
