"""Hot loops over Arrow buffers, compiled by numba: the only place that sees raw bytes."""

from pathlib import Path

from dataflow.kernels.stale import remove_stale

remove_stale(Path(__file__).parent)
