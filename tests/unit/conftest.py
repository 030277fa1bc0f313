"""What unit tests share."""

import os
from pathlib import Path

import pytest

from musterd import config


@pytest.fixture
def no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Leave out this host's configuration and environment; gives where the default file would be."""
    default = tmp_path / "nowhere.toml"
    monkeypatch.setattr(config, "DEFAULT_FILE", default)
    for name in [name for name in os.environ if name.startswith("MUSTERD_")]:
        monkeypatch.delenv(name)
    return default
