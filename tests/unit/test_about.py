"""The version, which is read once and never again."""

import sys
from pathlib import Path

import pytest

from musterd.about import version

SOURCES = Path(__file__).parents[2]


def test_the_version_outlives_its_files(tmp_path: Path) -> None:
    described = tmp_path / "outlived-7.1.dist-info" / "METADATA"
    described.parent.mkdir()
    described.write_text("Metadata-Version: 2.1\nName: outlived\nVersion: 7.1\n")
    sys.path.append(str(tmp_path))
    try:
        assert version("outlived") == "7.1"
    finally:
        sys.path.remove(str(tmp_path))
    assert version("outlived") == "7.1"
    version.cache_clear()
    assert version("outlived") == "unknown"
    version.cache_clear()


@pytest.mark.parametrize("folder", ["common", "agent", "coordinator"])
def test_nobody_else_reads_what_is_installed(folder: str) -> None:
    readers = [
        path.name
        for path in (SOURCES / folder).rglob("*.py")
        if "importlib.metadata" in (text := path.read_text()) or "import metadata" in text
    ]
    assert readers == (["about.py"] if folder == "common" else [])
