"""Values that mean the same wherever they are set."""

from pathlib import Path

import pytest

from musterd.errors import ConfigError
from musterd.settings.sources import load

pytestmark = pytest.mark.usefixtures("no_configuration")


def test_a_switch_is_a_word_in_a_file_as_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "musterd.toml"
    path.write_text("anonymous_read = true")
    assert load({}, {}, path).settings.anonymous_read is True
    assert load({"anonymous_read": "false"}, {}, path).settings.anonymous_read is False
    path.write_text("anonymous_read = 1")
    with pytest.raises(ConfigError, match="anonymous_read: 1 is not usable; use true or false"):
        load({}, {}, path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("listen", "unix:/run/musterd/api.sock,h1:8420"),
        ("coordinator", "unix:/run/musterd/api.sock"),
        ("coordinator", "http+unix:///run/musterd/api.sock"),
    ],
)
def test_a_unix_socket_is_listened_on_and_asked(key: str, value: str) -> None:
    assert getattr(load({key: value}, {}).settings, key) == value
