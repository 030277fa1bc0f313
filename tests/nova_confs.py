"""A nova.conf of a few lines is loaded, or refused with one sentence that names the file."""

from pathlib import Path

import pytest

from musterd.errors import ConfigError
from musterd.settings.sources import Loaded, load


def load_text(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Loaded:
    path = tmp_path / "nova.conf"
    path.write_text(text)
    return load({}, environ or {}, path)


def store(tmp_path: Path, text: str) -> str:
    return load_text(tmp_path, text).settings.store


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, text)
    told = str(caught.value)
    assert "\n" not in told
    assert str(tmp_path / "nova.conf") in told
    return told
