"""Which documents of a part still stand after a step: what passed the rules and nothing has removed since.

Every step after ``filter`` asks this of the steps before it. A step that has not run, or has nothing to say of a
part, removes nothing.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.store.storage import Storage

Step = Literal["filter", "dedup", "semantic", "cuts", "contamination"]

_REMOVED: dict[Step, pc.Expression] = {
    "dedup": pc.field("removed"),
    "semantic": pc.field("removed"),
    "cuts": pc.field("removed"),
    "contamination": pc.field("action") == "drop",
}
_COLUMN = {"contamination": "action"}


def standing(store: Storage, source: str, shard: str, after: Step) -> npt.NDArray[np.bool_]:
    """For each row of ``documents/<source>/<shard>.parquet`` whether it stands after the step ``after``."""
    part = f"{source}/{shard}.parquet"
    decisions = store.read_table(f"decisions/filter/{part}", ["id", "passed"])
    stands: npt.NDArray[np.bool_] = decisions["passed"].to_numpy().copy()
    steps = list(_REMOVED)
    for step in steps[: steps.index(after) + 1] if after != "filter" else []:
        path = f"decisions/{step}/{part}"
        if store.exists(path):
            table = store.read_table(path, ["id", _COLUMN.get(step, "removed")])
            gone = table.filter(_REMOVED[step])["id"]
            stands &= ~pc.is_in(decisions["id"], value_set=gone.cast(pa.string())).to_numpy()
    return stands
