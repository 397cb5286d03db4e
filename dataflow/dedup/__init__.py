"""Which documents repeat others, and which of them stay."""

from dataflow.dedup.config import Dedup, Near

__all__ = ["Dedup", "Near"]
