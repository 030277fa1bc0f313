"""The version, which is read once and never again."""

from importlib import metadata
from pathlib import Path

import pytest

from musterd.about import version

SOURCES = Path(__file__).parents[2]


def test_the_version_outlives_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    first = version()

    def gone(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", gone)
    assert version() == first
    version.cache_clear()
    assert version() == "unknown"
    version.cache_clear()


@pytest.mark.parametrize("folder", ["common", "agent", "coordinator"])
def test_nobody_else_reads_what_is_installed(folder: str) -> None:
    readers = [
        path.name
        for path in (SOURCES / folder).rglob("*.py")
        if "importlib.metadata" in (text := path.read_text()) or "import metadata" in text
    ]
    assert readers == (["about.py"] if folder == "common" else [])
