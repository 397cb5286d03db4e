"""Arrays in memory as long as they fit, and in a temporary file where they do not.

What is looked up at random (a forest over all documents, the signatures of one huge component) has to be an array.
Beyond the limit it is a file that the system maps into memory page by page: slower, by as much as it is short of
memory, but the work goes on. A file of zeros takes no room on disk where nothing is written.
"""

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt


class Room:
    """Room for arrays of ``limit`` bytes in memory, and for any more on disk while the block lasts."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._n_files = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def zeros(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """An array of zeros."""
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if size <= self._left:
            self._left -= size
            return np.zeros(shape, dtype)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="dataflow-dedup-")
        self._n_files += 1
        path = Path(self._folder.name) / f"array-{self._n_files}"
        return np.memmap(path, dtype, "w+", shape=shape).view(np.ndarray)
