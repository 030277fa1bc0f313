"""What is promised to other programs is there, and costs nobody who does not ask for it."""

import subprocess
import sys

import pytest

import musterd


@pytest.mark.parametrize("name", musterd.__all__)
def test_what_is_promised_is_there(name: str) -> None:
    assert getattr(musterd, name).__module__.startswith("musterd.")


def test_nothing_else_is() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Detector'"):
        musterd.Detector  # noqa: B018


def test_to_import_musterd_imports_no_client() -> None:
    program = "import sys, musterd; sys.exit('musterd.client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
