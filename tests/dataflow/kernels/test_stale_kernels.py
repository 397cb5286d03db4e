"""Compiled kernels are thrown away when a module they call has changed, and only then."""

import os
from pathlib import Path

from dataflow.kernels.stale import remove_stale

SOURCES = {
    "letters": "A = 1",
    "reading": "from dataflow.kernels.letters import A",
    "scanning": "from dataflow.kernels import (\n    reading,\n)",
    "minhashing": "B = 2",
}


def test_what_calls_a_changed_module_even_through_another_is_removed(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").mkdir()
    for name, source in SOURCES.items():
        (tmp_path / f"{name}.py").write_text(source)
        os.utime(tmp_path / f"{name}.py", (100, 100))
        index = tmp_path / "__pycache__" / f"{name}.count-3.py311.nbi"
        index.write_text("")
        os.utime(index, (200, 200))
    assert remove_stale(tmp_path) == []
    os.utime(tmp_path / "letters.py", (300, 300))
    removed = [name.split(".")[0] for name in remove_stale(tmp_path)]
    assert removed == ["letters", "reading", "scanning"]
    assert [path.name.split(".")[0] for path in (tmp_path / "__pycache__").iterdir()] == ["minhashing"]
