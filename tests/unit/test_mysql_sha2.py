"""A password for the key that a server of MySQL shows."""

import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.stores.mysql.sha2 import encrypted, rsa_key

SALT = bytes(range(1, 21))
HEAD, FOOT = b"-----BEGIN PUBLIC KEY-----\n", b"\n-----END PUBLIC KEY-----\n"


def openssl(*arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run(
        ["openssl", *arguments], input=given, capture_output=True, check=True
    ).stdout


@pytest.fixture(scope="session", params=["1024", "2048", "3072"])
def private_key(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file of a private key."""
    path = tmp_path_factory.mktemp("keys") / "private.pem"
    path.write_bytes(openssl("genrsa", request.param))
    return path


@pytest.fixture(scope="session")
def public_key(private_key: Path) -> bytes:
    """Give the public key as a server sends it."""
    return openssl("rsa", "-in", str(private_key), "-pubout")


@pytest.mark.parametrize("password", ["p", "fünfzig €", "x" * 80, "x" * 20])
def test_a_server_reads_it_with_its_private_key(
    private_key: Path, public_key: bytes, password: str
) -> None:
    sent = encrypted(password.encode(), SALT, public_key)
    how = ("-inkey", str(private_key), "-pkeyopt", "rsa_padding_mode:oaep")
    blended = openssl("pkeyutl", "-decrypt", *how, given=sent)
    assert (
        bytes(each ^ SALT[at % 20] for at, each in enumerate(blended)) == password.encode() + b"\0"
    )
    assert sent != encrypted(password.encode(), SALT, public_key), "it is another each time"


def test_a_password_that_is_longer_than_the_key_is_refused(public_key: bytes) -> None:
    with pytest.raises(ValueError, match="too long"):
        encrypted(b"x" * 400, SALT, public_key)


def test_a_public_key_that_is_cut_off_is_none(public_key: bytes) -> None:
    lines = public_key.splitlines()
    with pytest.raises(ValueError, match="server's public key"):
        rsa_key(b"\n".join([*lines[:2], lines[-1]]))


def integer(value: int) -> bytes:
    content = value.to_bytes(value.bit_length() // 8 + 1)
    return der(0x02, content)


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    count = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 | count]) + size.to_bytes(count) + content


def pem(modulus: int, exponent: int) -> bytes:
    key = der(0x30, integer(modulus) + integer(exponent))
    return HEAD + b64encode(der(0x30, der(0x30, b"") + der(0x03, b"\0" + key))) + FOOT


@given(st.integers(1 << 1023, 1 << 2048), st.integers(3, 1 << 32))
def test_any_key_is_read_as_it_was_written(modulus: int, exponent: int) -> None:
    assert rsa_key(pem(modulus, exponent)) == (modulus, exponent)


@pytest.mark.parametrize(("modulus", "exponent"), [(40000, 2), (2047, 4000), (100, 2)])
def test_a_key_that_would_only_keep_its_reader_busy_is_refused(modulus: int, exponent: int) -> None:
    with pytest.raises(ValueError, match="none that is in use"):
        rsa_key(pem(1 << modulus, 1 << exponent))


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda some: HEAD + some + FOOT))
def test_what_is_no_key_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match="server's public key"):
        rsa_key(text)


@given(st.binary(max_size=80))
def test_bytes_that_are_no_key_are_a_value_error(some: bytes) -> None:
    with pytest.raises(ValueError, match="server's public key"):
        rsa_key(HEAD + b64encode(some) + FOOT)
