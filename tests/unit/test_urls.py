"""No password of a URL is ever shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.urls import has_secret, host_and_port, without_secret, without_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://nova:s3cret@db:5432/fleet", "postgresql://nova:***@db:5432/fleet"),
        ("postgresql://nova:s3/c?r@t#@db/fleet?a=b", "postgresql://nova:***@db/fleet?a=b"),
        (
            "postgresql://db/fleet?user=n&password=s3cret&a=b",
            "postgresql://db/fleet?user=n&password=***&a=b",
        ),
        ("postgresql://db/f?sslpassword=s3cret", "postgresql://db/f?sslpassword=***"),
        ("mysql+pymysql://nova:s3cret@db/nova", "mysql+pymysql://nova:***@db/nova"),
        ("host=db password='s3 cret' user=n", "host=db password=*** user=n"),
        ("nova:s3cret@db", "nova:***@db"),
        ("http://ops:s3cret@coordinator:8420", "http://ops:***@coordinator:8420"),
    ],
)
def test_a_password_is_hidden(url: str, shown: str) -> None:
    assert without_secret(url) == shown
    assert has_secret(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory:",
        "memcached://h1:11211,h2:11211?replicas=2",
        "embedded://[::1]:11311",
        "postgresql://nova@db:5432/fleet?application_name=a@b",
        "sqlite:////var/lib/musterd.db",
    ],
)
def test_a_url_without_a_password_stays_as_it_is(url: str) -> None:
    assert without_secret(url) == url
    assert not has_secret(url)


@given(password=st.text(min_size=1).map(lambda text: f"<<{text}>>"))
def test_no_password_however_odd_comes_through(password: str) -> None:
    assert password not in without_secret(f"postgresql://nova:{password}@db/fleet")


@pytest.mark.parametrize(
    ("address", "parts"),
    [("h:1", ("h", 1)), ("[::1]:11211", ("::1", 11211)), ("127.0.0.1:0", ("127.0.0.1", 0))],
)
def test_an_address_has_two_parts(address: str, parts: tuple[str, int]) -> None:
    assert host_and_port(address) == parts


@pytest.mark.parametrize(
    "address", ["", "h", ":1", "h:", "h:x", "h:65536", "[::1]", "[::1", "::1", "h:-1", "h:1²"]
)
def test_a_half_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        host_and_port(address)


def test_urls_inside_prose_lose_their_passwords() -> None:
    text = "a: b@c: no answer from postgresql://u:s3@cret@db/x, nor from http://v:s3cret@h"
    told = "a: b@c: no answer from postgresql://u:***@db/x, nor from http://v:***@h"
    assert without_secrets(text) == told


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://h/d?%70assword=s3cret",
        "postgresql://h/d?sslpass%77ord=s3cret&sslmode=require",
        "postgresql://h/d?sslmode=require&%50ASSWORD='s3cret x'",
    ],
)
def test_an_option_written_in_percent_signs_is_hidden_too(url: str) -> None:
    assert "s3cret" not in without_secret(url)
    assert "s3cret" not in without_secrets(f"cannot use {url} here")
    assert has_secret(url)
