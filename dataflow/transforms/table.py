"""The text transforms by name, and how a list of them is applied.

A transform is a function from a column of texts to a column of texts and the number of changes in each row.
Each is idempotent: applied twice it does nothing the second time. To add one, write the function and name it
here.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from dataflow.config import nearest
from dataflow.errors import RecipeError
from dataflow.transforms.boilerplate import boilerplate
from dataflow.transforms.citations import citations
from dataflow.transforms.lines import c4_lines, fineweb_lines
from dataflow.transforms.unicode import clean_unicode

Transform = Callable[[pa.LargeStringArray], tuple[pa.LargeStringArray, np.ndarray]]

TRANSFORMS: dict[str, Transform] = {
    "unicode": clean_unicode,
    "c4_lines": c4_lines,
    "fineweb_lines": fineweb_lines,
    "citations": citations,
    "boilerplate": boilerplate,
}


def apply(
    names: Sequence[str], texts: pa.LargeStringArray
) -> tuple[pa.LargeStringArray, dict[str, np.ndarray]]:
    """The texts after the named transforms in order, and under each name the changes per row."""
    changes: dict[str, np.ndarray] = {}
    for name in names:
        if name not in TRANSFORMS:
            raise RecipeError(f'unknown transform "{name}"', "transforms", nearest(name, list(TRANSFORMS)))
        texts, changed = TRANSFORMS[name](texts)
        changes[name] = changes[name] + changed if name in changes else changed
    return texts, changes
