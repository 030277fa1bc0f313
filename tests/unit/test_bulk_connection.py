"""A coordinator's connection to a memcached: before it is made, and the server's first answer."""

import pytest

from musterd.errors import ShardCorrupt, ShardRefused, ShardUnavailable
from musterd_coordinator.sweep.memcached.connection import BulkConnection
from musterd_coordinator.sweep.memcached.login import LoginReply


async def test_before_it_is_connected_it_sends_nothing_and_every_call_fails() -> None:
    connection = BulkConnection("mc1:11211")
    connection.send(b"delete k noreply\r\n")
    connection._let_gather()
    connection.abort("nobody is there")
    assert not connection.is_usable
    with pytest.raises(ShardUnavailable, match="nobody is there"):
        await connection.call(b"version\r\n", LoginReply("mc1:11211"))


def test_an_answer_to_user_and_password_is_read_when_it_is_whole() -> None:
    reply = LoginReply("mc1:11211")
    assert reply.parse(memoryview(b"STO")) == (0, False)
    assert reply.parse(memoryview(b"STORED\r\n")) == (8, True)
    with pytest.raises(ShardRefused, match="CLIENT_ERROR"):
        reply.parse(memoryview(b"CLIENT_ERROR authentication failure\r\n"))


@pytest.mark.parametrize("line", [b"END\r\n", b"HTTP/1.1 400 Bad Request\r\n"])
def test_what_is_no_answer_to_user_and_password_refuses_none(line: bytes) -> None:
    with pytest.raises(ShardCorrupt, match="reply is not memcached's"):
        LoginReply("mc1:11211").parse(memoryview(line))
