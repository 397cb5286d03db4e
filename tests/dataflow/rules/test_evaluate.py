"""Rules as a user writes them: what they decide, what is refused and how it is said."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dataflow.errors import RecipeError
from dataflow.rules import evaluate
from dataflow.rules.evaluate import Rule, Rules, active_rules, apply, filter_part, reasons_sql
from dataflow.rules.sql import connect
from dataflow.store.documents import FILTER
from dataflow.store.storage import Storage

SIGNALS = pa.table(
    {
        "id": ["a", "b", "c", "d"],
        "source": ["web", "poems", "web", "web"],
        "kind": ["web", "prose", "web", "code"],
        "date": ["2020-01-01", None, "yesterday", "2021-05-05"],
        "n_words": pa.array([10, 5, 100, None], pa.int64()),
        "quality": pa.array([0.9, 0.1, 0.7, None], pa.float32()),
    }
)


def custom(**rules: str) -> Rules:
    return Rules(sets=(), custom=rules)


def failing(rules: Rules, signals: pa.Table = SIGNALS) -> list[list[str]]:
    found: list[list[str]] = apply(signals, active_rules(rules, signals.schema))["reasons"].to_pylist()
    return found


@pytest.mark.parametrize(
    ("keep", "dropped"),
    [
        ("n_words >= 20 OR source = 'poems'", ["a"]),
        ("quality >= 0.7", ["b"]),  # a float32 of 0.7 is at the bound as written
        ("N_WORDS > 5 -- at least six", ["b"]),
        ("TRY_CAST(date AS DATE) < DATE '2021-01-01'", ["d"]),
        ("list_contains(['web', 'poems'], source)", []),
        ("true", []),
        ("false", ["a", "b", "c", "d"]),
        ("NULL::BOOLEAN", []),
    ],
)
def test_a_rule_drops_the_documents_of_which_it_is_false(keep: str, dropped: list[str]) -> None:
    assert [
        row for row, reasons in zip("abcd", failing(custom(mine=keep)), strict=True) if reasons
    ] == dropped


def test_all_failing_rules_are_listed_under_whatever_names_they_have() -> None:
    rules = custom(**{"it's": "n_words > 50", '"; DROP': "quality > 0.8", "\\": "false"})
    assert failing(rules)[1] == ["it's", '"; DROP', "\\"]
    assert failing(rules)[3] == ["\\"]


def test_no_rules_pass_everything() -> None:
    assert failing(custom()) == [[], [], [], []]


def test_a_custom_rule_with_the_name_of_a_sets_rule_takes_its_place() -> None:
    replaced = Rules(sets=("language",), custom={"language_score": "language_score >= 0.2"})
    found = active_rules(replaced, [*SIGNALS.column_names, "language", "language_score"])
    assert [(rule.name, rule.keep, rule.where) for rule in found] == [
        ("language_score", "language_score >= 0.2", "(kind IN ('web', 'prose'))")
    ]


def test_a_rule_of_ones_own_may_be_about_some_documents_only() -> None:
    rules = Rules(
        sets=(), custom={"long": {"keep": "n_words > 50", "where": "source = 'web' AND quality > 0.5"}}
    )
    assert failing(rules) == [["long"], [], [], []]


def test_what_a_mapping_says_of_a_sets_rule_narrows_it_and_leaves_the_rest() -> None:
    columns = [*SIGNALS.column_names, "language", "language_score"]
    mine = {"language_score": {"where": "source <> 'poems' -- they are short", "max_share": 0.9}}
    (rule,) = active_rules(Rules(sets=("language",), custom=mine), columns)
    assert (rule.keep, rule.set) == ("language_score >= 0.65", "language")
    assert rule.where == "((kind IN ('web', 'prose'))) AND (\nsource <> 'poems' -- they are short\n)"


@pytest.mark.parametrize(
    ("mine", "message"),
    [
        ({"keep": "n_word > 1"}, 'rule mine: unknown column "n_word". Did you mean "n_words"?'),
        ({"keep": "true", "where": "sorce = 'web'"}, 'rule mine, where: unknown column "sorce"'),
        ({"keep": "true", "where": "n_words"}, "rule mine, where: .*not true or false"),
        ({"where": "true"}, "rule mine: no condition to keep a document by"),
        ({}, "rule mine: no condition to keep a document by"),
    ],
)
def test_a_mapping_is_checked_in_all_its_parts(mine: dict[str, str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        active_rules(Rules(sets=(), custom={"mine": mine}), SIGNALS.schema)


def test_where_guards_a_condition_that_cannot_be_computed_elsewhere() -> None:
    rule = Rule("year", keep="CAST(date AS DATE) > DATE '2020-06-01'", where="date LIKE '20%'")
    assert apply(SIGNALS, [rule])["reasons"].to_pylist() == [["year"], [], [], []]


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ("n_word > 1", 'unknown column "n_word". Did you mean "n_words"?'),
        ('source = "poems"', "unknown column \"poems\". Write 'poems' for the text."),
        ("other.n_words > 1", 'names a table. Write "n_words" alone.'),
        ("n_words", '"n_words" is of type bigint, not true or false'),
        ("'yes'", "not true or false"),
        ("NULL", "not true or false"),
        ("", "the condition is empty"),
        ("n_words >", "syntax error"),
        ("n_words > 1) OR (true", "syntax error"),
        ("true, false", "single expression"),
        ("true AS kept", "syntax error"),
        ("n_words > 1 /*", "unterminated"),
        ("true; DROP TABLE signals", "more than one statement"),
        ("sum(n_words) > 5", "is an aggregate over many documents"),
        ("n_words > avg(n_words)", "is an aggregate over many documents"),
        ("row_number() OVER () > 1", "a window function is not allowed"),
        ("(SELECT true)", "a subquery is not allowed"),
        ("n_words IN (SELECT 1)", "a subquery is not allowed"),
        ("EXISTS (FROM read_text('/etc/passwd'))", "a subquery is not allowed"),
        ("EXISTS (FROM '/etc/passwd')", "a subquery is not allowed"),
        ("COLUMNS(*) IS NOT NULL", "a star is not allowed"),
        ("unnest([true, false])", "UNNEST not supported here"),
        ("n_words > $limit", "a parameter is not allowed"),
        ("n_words > ?", "a parameter is not allowed"),
        ("random() > 0.5", "random may give another answer each time"),
        ("date < now()::VARCHAR", "now may give another answer each time"),
        ("date < current_date::VARCHAR", "current_date may give another answer each time"),
        ("getenv('HOME') = ''", 'unknown function "getenv"'),
        ("nword(n_words)", 'unknown function "nword"'),
    ],
)
def test_what_is_no_condition_on_one_document_is_refused(keep: str, message: str) -> None:
    with pytest.raises(RecipeError) as error:
        active_rules(custom(fine="true", mine=keep), SIGNALS.schema)
    assert str(error.value).startswith("rule mine: ")
    assert message in str(error.value)


def test_a_value_that_cannot_be_computed_names_the_rule() -> None:
    with pytest.raises(RecipeError, match=r"^rule when: cannot be computed .*yesterday.* TRY_CAST"):
        failing(custom(fine="true", when="CAST(date AS DATE) > DATE '2020-01-01'"))


def test_an_unknown_set_names_the_nearest() -> None:
    with pytest.raises(
        RecipeError, match=r'unknown rule set "gopher_qualty"\. Did you mean "gopher_quality"\?'
    ):
        active_rules(Rules(sets=("gopher_qualty",)), SIGNALS.schema)


def test_a_set_whose_signal_is_not_computed_says_what_to_do() -> None:
    with pytest.raises(RecipeError, match=r'unknown signal "n_sentences".*take "c4" out of rules.sets'):
        active_rules(Rules(sets=("c4",)), SIGNALS.schema)


def test_a_set_listed_twice_is_refused() -> None:
    with pytest.raises(RecipeError, match='"c4" is listed twice'):
        active_rules(Rules(sets=("c4", "c4")), [*SIGNALS.column_names, "n_sentences"])


def test_languages_to_keep_without_the_language_set_are_refused() -> None:
    with pytest.raises(ValidationError, match='applied by the set "language"'):
        Rules(sets=("c4",), keep_languages=("en",))


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=30) | st.text("n_words ()';,>1-/*\"", max_size=20))
def test_any_text_is_a_boolean_per_document_or_a_recipe_error(keep: str) -> None:
    try:
        rules = active_rules(custom(mine=keep), SIGNALS.schema)
        decided = apply(SIGNALS, rules)
    except RecipeError:
        return
    assert decided["id"].to_pylist() == ["a", "b", "c", "d"]


def test_checked_sql_runs_on_a_connection_without_disk(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    for query in (
        f"FROM '{tmp_path}/secret.csv'",
        f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
        "INSTALL httpfs",
    ):
        with pytest.raises(Exception, match=r"(?i)disabled|permission|configuration"):
            connect().sql(query).fetchall()
    assert not (tmp_path / "out.csv").exists()


def test_reasons_sql_serves_other_queries_over_signals() -> None:
    connection = connect()
    connection.register("t", SIGNALS)
    rules = active_rules(custom(long="n_words > 50", good="quality > 0.5"), SIGNALS.schema)
    query = f"SELECT count(*) FROM t WHERE len({reasons_sql(rules)}) = 0"
    assert connection.sql(query).fetchall() == [(2,)]


def write_signals(store: Storage, signals: pa.Table) -> None:
    store.write_table("signals/web/0001.parquet", signals)


def test_filter_part_decides_row_for_row(tmp_path: Path) -> None:
    store = Storage(str(tmp_path))
    write_signals(store, SIGNALS)
    made = filter_part(store, "web", "0001", custom(long="n_words > 50", good="quality > 0.5", never="true"))
    assert made.outputs == ("decisions/filter/web/0001.parquet",)
    assert made.counts == {
        "documents": 4,
        "passed": 2,
        "applied:long": 3,  # of the fourth the number of words is not known
        "failed:long": 2,
        "applied:good": 3,
        "failed:good": 1,
        "applied:never": 4,
        "failed:never": 0,
    }
    table = store.read_table(made.outputs[0])
    assert table.schema.equals(FILTER)
    assert table.to_pylist() == [
        {"id": "a", "passed": False, "reasons": ["long"]},
        {"id": "b", "passed": False, "reasons": ["long", "good"]},
        {"id": "c", "passed": True, "reasons": []},
        {"id": "d", "passed": True, "reasons": []},
    ]


def test_filter_part_of_nothing_writes_an_empty_table(tmp_path: Path) -> None:
    store = Storage(str(tmp_path))
    write_signals(store, SIGNALS.slice(0, 0))
    made = filter_part(store, "web", "0001", custom(long="n_words > 50"))
    assert made.counts == {"documents": 0, "passed": 0, "applied:long": 0, "failed:long": 0}
    assert store.read_table(made.outputs[0]).schema.equals(FILTER)


def test_rows_keep_their_order_in_a_large_part() -> None:
    n = 300_000
    signals = pa.table(
        {"id": [f"{number}" for number in range(n)], "n_words": pa.array(range(n), pa.int64())}
    )
    decided = apply(signals, active_rules(custom(even="n_words % 2 = 0"), signals.schema))
    assert decided["id"].equals(signals["id"])
    assert decided["passed"].to_pylist() == [number % 2 == 0 for number in range(n)]


def test_golden_decisions_of_version_2(tmp_path: Path) -> None:
    store = Storage(str(tmp_path))
    write_signals(store, SIGNALS)
    made = filter_part(store, "web", "0001", custom(long="n_words > 50", good="quality > 0.5"))
    rows = repr(store.read_table(made.outputs[0]).to_pylist()).encode()
    assert evaluate.VERSION == 2
    assert (
        hashlib.sha256(rows).hexdigest() == "820fc9ae52b63275fe5c2531b953fa202b5c5aa7bc6575b828cb88b2cc671e3e"
    )


def test_importing_the_configuration_is_light() -> None:
    heavy = ("duckdb", "pyarrow", "numba", "numpy")
    code = (
        "import sys, dataflow.rules.evaluate, dataflow.rules.config, dataflow.dedup;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
