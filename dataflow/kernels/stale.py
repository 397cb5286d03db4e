"""Throws away compiled kernels that were made before a module they call changed.

numba keeps compiled code beside the source and looks at that one file alone: a kernel whose helper or constant in
another module has changed would go on as it was, without a word, and give other bytes than a fresh clone. So what was
compiled before the last change of any module it imports, directly or through others, is compiled again.
"""

import re
from pathlib import Path

_IMPORT = re.compile(r"^\s*from dataflow\.kernels(?:\.(\w+))? import (\([^)]*\)|.+)", re.MULTILINE)


def remove_stale(folder: Path) -> list[str]:
    """Remove the index files of stale kernels in ``folder/__pycache__``; their names."""
    sources = {path.stem: path for path in folder.glob("*.py")}
    imports = {name: _imported(path, sources) for name, path in sources.items()}
    changed = {name: path.stat().st_mtime_ns for name, path in sources.items()}
    latest = {name: max(changed[one] for one in _with_all(name, imports)) for name in sources}
    removed = []
    for index in sorted((folder / "__pycache__").glob("*.nbi")):
        module = index.name.split(".")[0]
        if index.stat().st_mtime_ns < latest.get(module, 0):
            index.unlink(missing_ok=True)  # another process may have been first
            removed.append(index.name)
    return removed


def _imported(path: Path, known: dict[str, Path]) -> set[str]:
    named = _IMPORT.findall(path.read_text(encoding="utf-8"))
    return {
        one
        for module, names in named
        for one in ([module] if module else re.findall(r"\w+", names))
        if one in known
    }


def _with_all(name: str, imports: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    left = {name}
    while left:
        found |= left
        left = {other for one in left for other in imports[one]} - found
    return found
