"""What a run will take, before it starts: steps, tokens, parameters, memory; does the data suffice."""

import math
from dataclasses import asdict, dataclass

from trainer.config import TrainRun
from trainer.errors import RefusedError
from trainer.packing import RowPlan

BYTES_PER_PARAMETER = 16
"""Weights, gradients and AdamW's two moments, all fp32."""
CHINCHILLA_TOKENS_PER_PARAMETER = 20
"""Tokens for a compute-optimal run (Hoffmann et al. 2022, table 3)."""


@dataclass(frozen=True)
class Budget:
    """How long a run is."""

    steps: int
    rows: int  # rows that are read, the last step's padding rows left out
    batch_rows: int
    rows_per_epoch: int
    tokens_in_data: int


def check_budget(run: TrainRun, plan: RowPlan, world: int = 1) -> Budget:
    """Steps and rows of a run; refused where it asks for more tokens than ``epochs`` readings of the data
    hold.
    """
    if run.batch_tokens % (run.seq_len * world):
        fix = f"Choose a multiple of seq_len {run.seq_len}" + (
            f" times {world} processes." if world > 1 else "."
        )
        raise RefusedError(
            f"batch_tokens {run.batch_tokens:,} does not divide into rows", "batch_tokens", fix
        )
    batch_rows = run.batch_tokens // run.seq_len
    n_tokens = plan.shards.n_tokens
    there = n_tokens * run.epochs
    if run.tokens > there:
        raise RefusedError(
            f"{run.tokens:,} training tokens asked for, but the data holds {n_tokens:,} "
            f"and may be read {run.epochs} time(s)",
            "tokens",
            "Ask for fewer, raise max_epochs, or mix a larger corpus.",
        )
    rows = plan.n_rows(run.epochs)
    steps = run.steps_asked()
    if run.steps and (steps - 1) * batch_rows >= rows:
        raise RefusedError(
            f"{steps:,} steps of {run.batch_tokens:,} tokens asked for, but {there:,} tokens "
            f"({run.epochs} reading(s) of the data) make only {math.ceil(rows / batch_rows):,}",
            "steps",
            "Ask for fewer, raise max_epochs, or mix a larger corpus.",
        )
    longest = math.ceil(rows / batch_rows)
    steps = min(steps, longest) if steps else longest
    return Budget(steps, min(rows, steps * batch_rows), batch_rows, len(plan.epoch(0)), n_tokens)


def estimate(
    budget: Budget, n_parameters: int, flops_per_token: int, tokens_per_step: int
) -> dict[str, float]:
    """The figures that ``trainer budget`` prints."""
    trained = budget.rows * (tokens_per_step // budget.batch_rows)
    return {
        **asdict(budget),
        "parameters": n_parameters,
        "positions_trained": trained,
        "flops": float(flops_per_token) * trained,
        "state_bytes": n_parameters * BYTES_PER_PARAMETER,
        "chinchilla_tokens": n_parameters * CHINCHILLA_TOKENS_PER_PARAMETER,
    }
