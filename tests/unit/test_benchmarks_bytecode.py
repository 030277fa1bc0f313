"""A benchmark measures what is installed: modules with their bytecode."""

from importlib.util import cache_from_source
from pathlib import Path

from benchmarks.__main__ import compile_all


def test_modules_are_compiled_before_they_are_measured(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    module = tmp_path / "part" / "module.py"
    module.touch()
    compile_all(tmp_path)
    assert Path(cache_from_source(str(module))).exists()
