"""The module encrypts a password for the key that a server of MySQL shows; pure but for chance.

Where neither TLS nor a socket of this host hides it, an account of ``caching_sha2_password``, which all of
MySQL 9 are, gives its password so whenever the server does not remember it: after its start, and after
``FLUSH PRIVILEGES``. asyncmy would have a package of 12 MB for this one step, which no agent needs else.
"""

import binascii
import os
from base64 import b64decode
from hashlib import sha1
from typing import NamedTuple

_SALT = 20
_HASH = 20  # bytes of a SHA-1, which the protocol takes
_INTEGER, _BITS, _SEQUENCE = 0x02, 0x03, 0x30
_LEAST, _MOST = 1024, 16384  # bits of a key: what is larger only keeps its reader busy
_LARGEST_EXPONENT = 1 << 32
_EMPTY_LABEL = sha1(b"").digest()  # noqa: S324  # as RFC 8017, section 7.1.1, has it


class RsaKey(NamedTuple):
    """An `RsaKey` is an RSA key that encrypts: its modulus and its exponent."""

    modulus: int
    exponent: int


def encrypted(password: bytes, salt: bytes, public_key: bytes) -> bytes:
    """Return what a server that sent ``salt`` and ``public_key`` takes for ``password``.

    Raises ValueError for a key that is none, and for a password that is too long for it.
    """
    key = rsa_key(public_key)
    size = (key.modulus.bit_length() + 7) // 8
    secret = password + b"\0"
    if len(secret) > size - 2 * _HASH - 2:
        raise ValueError("the password is too long for the server's key")
    blended = bytes(each ^ salt[at % _SALT] for at, each in enumerate(secret))
    padded = _padded(blended, size)
    return pow(int.from_bytes(padded), key.exponent, key.modulus).to_bytes(size)


def rsa_key(pem: bytes) -> RsaKey:
    """Return the key in a text that begins with ``BEGIN PUBLIC KEY``. Raises ValueError."""
    lines = pem.strip(b"\0 \r\n").splitlines()
    if len(lines) < 3 or lines[0].strip() != b"-----BEGIN PUBLIC KEY-----":  # noqa: PLR2004
        raise ValueError("the server's public key is none")
    try:
        outer = _content(b64decode(b"".join(lines[1:-1]), validate=True), _SEQUENCE)[0]
    except binascii.Error:
        raise ValueError("the server's public key is no base64") from None
    _, rest = _content(outer, _SEQUENCE)  # the algorithm
    inner = _content(_content(rest, _BITS)[0][1:], _SEQUENCE)[0]
    modulus, rest = _content(inner, _INTEGER)
    exponent, _ = _content(rest, _INTEGER)
    key = RsaKey(int.from_bytes(modulus), int.from_bytes(exponent))
    if not _LEAST <= key.modulus.bit_length() <= _MOST or key.exponent > _LARGEST_EXPONENT:
        raise ValueError("the server's public key is none that is in use")
    return key


def _content(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """Return what is in the first value of ``der``, which has this tag, and what is behind it."""
    if len(der) < 2 or der[0] != tag:  # noqa: PLR2004
        raise ValueError("the server's public key is no RSA key")
    length, begin = der[1], 2
    if length & 0x80:  # so many bytes say the length
        begin += length & 0x7F
        length = int.from_bytes(der[2:begin])
    if len(der) < begin + length:
        raise ValueError("the server's public key is cut off")
    return der[begin : begin + length], der[begin + length :]


def _padded(message: bytes, size: int) -> bytes:
    """Return ``message`` as RFC 8017 has it in EME-OAEP, section 7.1.1, in ``size`` bytes."""
    seed = os.urandom(_HASH)
    filling = bytes(size - len(message) - 2 * _HASH - 2)
    block = _masked(_EMPTY_LABEL + filling + b"\1" + message, seed)
    return b"\0" + _masked(seed, block) + block


def _masked(text: bytes, seed: bytes) -> bytes:
    """Return ``text`` with a mask from ``seed`` over it, by MGF1 with SHA-1."""
    counts = range(-(-len(text) // _HASH))
    mask = b"".join(sha1(seed + count.to_bytes(4)).digest() for count in counts)  # noqa: S324
    return bytes(each ^ over for each, over in zip(text, mask, strict=False))
