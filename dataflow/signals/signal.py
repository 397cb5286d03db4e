"""What a signal is: a column computed from the counts of a document, with its definition beside it.

A signal of your own is a function under ``@signal``; its docstring is the definition that ``dataflow
signals`` prints::

    @signal(unit="share", reference="ours")
    def curly_line_share(counts: Counts) -> Values:
        \"\"\"Curly brackets for each line.\"\"\"
        return ratio(counts["curly_brackets"], counts["lines"])

and one more name in its family's ``SIGNALS``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from dataflow.kernels.scan import Analysis

Counts = Mapping[str, npt.NDArray[np.int64]]
"""Raw counts by name, as ``dataflow.kernels.scan.Analysis.statistics`` has them."""

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Documents:
    """A batch of documents as the signals see them."""

    texts: pa.LargeStringArray
    """The texts as stored."""
    urls: pa.StringArray
    """Where each came from, null where that is not known."""
    kind: str
    """Kind of their source: web, prose, code."""
    analysis: "Analysis"
    """What ``dataflow.kernels.scan.analyse`` found in the texts."""


@dataclass(frozen=True)
class Signal:
    """A named column of the signals table."""

    name: str
    """Name of the column."""
    unit: str
    """Characters, words, characters a word, share (0 to 1), ratio (0 and up), flag, label, score, ...."""
    definition: str
    """One line that says exactly what the value is."""
    reference: str
    """Paper and section, or the model."""
    family: str
    """``basic``, ``language``, ``gopher``, ``c4``, ``fineweb``; ``extra`` where another step computes it."""
    type: pa.DataType
    """Arrow type of the column."""
    values: Callable[[Counts], Values] | None = field(default=None, repr=False, compare=False)
    """Counts to values; none where a model is asked instead."""

    def compute(self, counts: Counts) -> pa.Array:
        """The column of this signal for documents so counted."""
        if self.values is None:
            raise TypeError(f"signal {self.name} is not computed from counts")
        return pa.array(self.values(counts).astype(self.type.to_pandas_dtype(), copy=False), self.type)


_FLOATS = ("share", "ratio", "characters a word", "characters a line", "nats", "bits")


def signal(
    unit: str, reference: str, family: str = "", name: str = ""
) -> Callable[[Callable[[Counts], Values]], Signal]:
    """Make a signal of a function of the counts, named and defined by it.

    Args:
        unit: as in ``Signal``; a flag becomes bool; a share, ratio, mean or entropy float32; all else int64.
        reference: paper and section.
        family: by default the name of the function's module.
        name: by default that of the function.
    """
    types = {"flag": pa.bool_()} | dict.fromkeys(_FLOATS, pa.float32())

    def make(function: Callable[[Counts], Values]) -> Signal:
        return Signal(
            name=name or function.__name__,
            unit=unit,
            definition=" ".join((function.__doc__ or "").split()),
            reference=reference,
            family=family or function.__module__.rpartition(".")[2],
            type=types.get(unit, pa.int64()),
            values=function,
        )

    return make


def share(part: Values, whole: Values) -> Values:
    """``part / whole`` as float32, 0 where the whole is 0."""
    divisor = np.where(whole == 0, 1, whole).astype(np.float64)
    return np.where(whole == 0, 0.0, part / divisor).astype(np.float32)


def ratio(count: Values, of: Values) -> Values:
    """``count / max(of, 1)`` as float32: what there is none of is taken as one."""
    return (count / np.maximum(of, 1)).astype(np.float32)
