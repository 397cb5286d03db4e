"""A mixture drawn as a tree: phases, their sources, and what each gives.

``estimate`` draws it from sizes before anything has run, ``planned`` from the plan as it came out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow.mixture.config import Mixture
from dataflow.store.storage import Storage


@dataclass(frozen=True)
class Branch:
    """What one source gives to one phase."""

    phase: str
    source: str
    weight: float  # proportion of the phase, from 0 to 1
    documents: int | None  # None where only sizes are known
    n_bytes: int
    n_tokens: int | None  # None where documents were not counted
    available_bytes: int  # what the source holds for training, copies of rehydrated documents counted
    epochs: float  # n_bytes / available_bytes: how often this phase goes through the source
    exact_tokens: bool = (
        True  # False: an estimate, for passages were cut from documents after they were counted
    )


def planned(store: Storage) -> list[Branch]:
    """The branches of the plan that lies in ``store``."""
    return [Branch(**branch) for branch in store.read_json("plan/mixture.json")]


def estimate(mixture: Mixture, source_bytes: Mapping[str, int]) -> list[Branch]:
    """The branches to expect from so many bytes of kept text a source, were ``where`` to pass them all."""
    total = sum(source_bytes.values())
    budget = mixture.parsed_budget
    amount = float(total)
    if budget is not None:
        amount = budget.amount * (mixture.bytes_per_token if budget.unit == "tokens" else 1.0)
    branches = []
    for phase in mixture.phases:
        weights = phase.weights or {source: float(size) for source, size in source_bytes.items()}
        whole = sum(weights.values())
        for source in sorted(source_bytes):
            weight = weights.get(source, 0.0) / whole if whole else 0.0
            n_bytes, available = round(amount * phase.share * weight), source_bytes[source]
            epochs = n_bytes / available if available else 0.0
            branches.append(Branch(phase.name, source, weight, None, n_bytes, None, available, epochs))
    return branches


def describe(branches: Sequence[Branch], bytes_per_token: float = 4.0) -> str:
    """The tree as text; what gives nothing is left out.

    Tokens with ``~`` are estimates: bytes / ``bytes_per_token``, or from counts made before passages were cut.
    """
    rows: list[tuple[str, ...]] = [("mixture", *_figures(branches, bytes_per_token))]
    phases = list(dict.fromkeys(branch.phase for branch in branches))
    for phase in phases:
        mine = [branch for branch in branches if branch.phase == phase and branch.n_bytes]
        last = phase == phases[-1]
        rows.append((f"{'└' if last else '├'}─ {phase}", *_figures(mine, bytes_per_token)))
        within = sum(branch.n_bytes for branch in mine)
        for branch in mine:
            stem = f"{' ' if last else '│'}  {'└' if branch is mine[-1] else '├'}─ {branch.source}"
            share = f"{branch.n_bytes / within:6.1%}"
            epochs = f"{branch.epochs:.2f} epochs"
            rows.append((stem, *_figures([branch], bytes_per_token), share, epochs))
    widths = [
        max(len(row[column]) for row in rows if column < len(row)) for column in range(max(map(len, rows)))
    ]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
        for row in rows
    )


def _figures(branches: Sequence[Branch], bytes_per_token: float) -> tuple[str, str, str]:
    n_bytes = sum(branch.n_bytes for branch in branches)
    documents = [branch.documents for branch in branches if branch.documents is not None]
    tokens = [branch.n_tokens for branch in branches if branch.n_tokens is not None]
    known = len(tokens) == len(branches)
    exact = known and all(branch.exact_tokens for branch in branches)
    n_tokens = sum(tokens) if known else round(n_bytes / bytes_per_token)
    return (
        f"{sum(documents):,} documents" if len(documents) == len(branches) else "",
        f"{_short(n_bytes)} bytes",
        f"{'' if exact else '~'}{_short(n_tokens)} tokens",
    )


def _short(number: int) -> str:
    """Three figures and a decimal prefix, as sizes are written in a recipe."""
    for scale, prefix in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "K")):
        if number >= 0.9995 * scale:
            return f"{number / scale:.3g}{prefix}"
    return str(number)
