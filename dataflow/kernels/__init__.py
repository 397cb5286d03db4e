"""Hot loops over Arrow buffers, compiled by numba: the only place that sees raw bytes."""
