"""Raw text in, an accounted-for corpus out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataflow.catalog.views import connect

__all__ = ["connect"]


def __getattr__(name: str) -> Any:
    """Import ``connect`` when it is first asked for: ``import dataflow`` must not wait for DuckDB."""
    if name == "connect":
        from dataflow.catalog.views import connect

        return connect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
