"""What a recipe may say about the mixture, and the sentence that answers what it may not."""

import subprocess
import sys

import pyarrow as pa
import pytest
from pydantic import ValidationError

from dataflow.config import explain
from dataflow.errors import RecipeError
from dataflow.mixture.config import Budget, Mixture, Phase, Validation, parse_budget
from dataflow.mixture.expressions import check

SIGNALS = pa.schema(
    {"id": pa.string(), "quality": pa.float32(), "n_words": pa.int64(), "language": pa.string()}
)


@pytest.mark.parametrize(
    ("written", "budget"),
    [
        ("20M tokens", Budget(20_000_000, "tokens")),
        ("1.5B tokens", None),
        ("1G", Budget(1_000_000_000, "bytes")),
        ("1 GB", Budget(1_000_000_000, "bytes")),
        ("64 M bytes", Budget(64_000_000, "bytes")),
        ("500 token", Budget(500, "tokens")),
        ("0", None),
        ("-3M", None),
        ("many tokens", None),
        ("tokens", None),
    ],
)
def test_a_budget_is_an_amount_and_a_unit(written: str, budget: Budget | None) -> None:
    if budget is None:
        with pytest.raises(ValueError, match="is written"):
            parse_budget(written)
    else:
        assert parse_budget(written) == budget
        assert parse_budget(str(budget)) == budget


def test_the_same_budget_written_differently_is_the_same_mixture() -> None:
    assert Mixture(budget="20M tokens") == Mixture(budget="20000k tokens")
    assert Mixture.model_validate({"budget": 4000}) == Mixture(budget="4k")
    assert Mixture.model_validate_json(Mixture(budget="1G").model_dump_json()) == Mixture(budget="1G")


def test_left_out_everything_is_used_once_in_one_phase() -> None:
    assert Mixture().parsed_budget is None
    assert [phase.name for phase in Mixture().phases] == ["main"]
    assert Validation() == Validation(share=0.005, max_documents=500)


@pytest.mark.parametrize(
    ("phases", "said"),
    [
        ([], "at least one phase"),
        ([{"name": "main", "weights": {"web": 0, "books": 0}}], "weights sum to nothing"),
        ([{"name": "main", "weights": {"web": -1}}], 'the weight of "web" is -1.0'),
        ([{"name": "main", "weights": {"web": float("inf")}}], 'the weight of "web" is inf'),
        ([{"name": "a", "share": 0.5}, {"name": "b", "share": 0.4}], "sum to 0.9, not to 1"),
        ([{"name": "a", "share": 0.5}, {"name": "a", "share": 0.5}], 'two phases are named "a"'),
        ([{"name": "validation"}], "held-out documents"),
        ([{"name": "../main"}], "letters, digits"),
        ([{"name": "main", "wieghts": {}}], 'unknown key "wieghts". Did you mean "weights"?'),
    ],
)
def test_a_faulty_phase_is_refused_by_name(phases: list[dict[str, object]], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Mixture.model_validate({"phases": phases})
    assert said in str(explain(caught.value, Mixture, "mixture")).replace(": Did", ". Did")


def test_thirds_sum_to_one() -> None:
    Mixture(phases=[Phase(name=name, share=1 / 3) for name in "abc"])


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        ({"weights": {"boks": 1}}, '"boks" is not a source. Did you mean "books"?'),
        ({"where": "qualty > 0.8"}, 'unknown column "qualty". Did you mean "quality"?'),
        ({"order": "n_word DESC"}, 'unknown column "n_word". Did you mean "n_words"?'),
        ({"where": "quality >"}, "syntax error"),
        ({"where": "language"}, "is of type varchar, not true or false"),
        ({"where": "count(*) > 3"}, "aggregate"),
        ({"order": "max(quality)"}, "aggregate"),
        ({"where": "1 IN (SELECT 1 FROM read_text('/etc/hostname'))"}, "a subquery is not allowed"),
        ({"where": "true) FROM signals; DROP TABLE signals; SELECT (1"}, "(main), where"),
        ({"where": "random() > 0.5"}, "random may give another answer"),
        ({"order": "quality LIMIT 1"}, "is not a sort key"),
    ],
)
def test_sql_that_cannot_be_used_is_refused_before_anything_is_read(
    phase: dict[str, object], said: str
) -> None:
    mixture = Mixture(phases=[Phase.model_validate({"name": "main", **phase})])
    with pytest.raises(RecipeError) as caught:
        check(mixture, ["web", "books"], SIGNALS)
    assert said in str(caught.value)
    assert "mixture.phases.0 (main)" in str(caught.value)


def test_only_the_columns_that_the_phases_speak_of_are_read() -> None:
    phases = [
        Phase(name="a", share=0.5, where="Quality > 0.8 -- the good ones", weights={"web": 1}),
        Phase(name="b", share=0.5, order="lower(language), n_words DESC NULLS FIRST"),
    ]
    assert check(Mixture(phases=phases), ["web"], SIGNALS) == ["language", "n_words", "quality"]


def test_importing_the_configuration_imports_nothing_heavy() -> None:
    heavy = "{'duckdb', 'numba', 'numpy', 'pyarrow'}"
    code = f"import sys, dataflow.mixture.config; sys.exit(' '.join({heavy} & set(sys.modules)) or 0)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
