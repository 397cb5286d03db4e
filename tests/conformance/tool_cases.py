"""Published decisions of other tools, and ours on the same input with the same parameters.

A case is one line of ``../shared/conformance``. ``answer`` gives what our signals, rule sets and transforms
make of it; None where nothing of ours corresponds. Rules of theirs are called by our names (``RULE_OF``), and
parameters that differ from their defaults become custom rules over our signals.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import duckdb
import pyarrow as pa

from dataflow.kernels.scan import analyse
from dataflow.rules.evaluate import Rules, active_rules, reasons_sql
from dataflow.rules.sql import connect
from dataflow.signals import bad_words, url
from dataflow.signals.language import find_model, identify
from dataflow.signals.options import SignalOptions
from dataflow.signals.signal import Documents
from dataflow.signals.table import compute
from dataflow.transforms.table import TRANSFORMS

FOLDER = Path(__file__).resolve().parents[2] / ".." / "shared" / "conformance"
FILES = ("datatrove_boundary_oracle", "datatrove_filters", "datatrove_url", "datamap_rs_filters")

Case = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What became of a document, or the value of one signal."""

    failing: tuple[str, ...] = ()
    text: str | None = None
    value: float | None = None
    language: str | None = None


RULE_OF = {
    "gopher_short_doc": "gopher_word_count",
    "gopher_long_doc": "gopher_word_count",
    "gopher_below_avg_threshold": "gopher_mean_word_length",
    "gopher_above_avg_threshold": "gopher_mean_word_length",
    "gopher_too_many_hashes": "gopher_hash_to_word_ratio",
    "gopher_too_many_ellipsis": "gopher_ellipsis_to_word_ratio",
    "gopher_too_many_bullets": "gopher_bullet_lines",
    "gopher_too_many_end_ellipsis": "gopher_ellipsis_lines",
    "gopher_below_alpha_threshold": "gopher_alphabetic_words",
    "gopher_enough_stop_words": "gopher_stop_words",
    "dup_line_frac": "gopher_duplicate_lines",
    "dup_para_frac": "gopher_duplicate_paragraphs",
    "dup_line_char_frac": "gopher_duplicate_line_characters",
    "dup_para_char_frac": "gopher_duplicate_paragraph_characters",
    **{f"top_{n}_gram": f"gopher_top_{n}gram" for n in (2, 3, 4)},
    **{f"duplicated_{n}_n_grams": f"gopher_duplicate_{n}gram" for n in range(5, 11)},
    "too_few_sentences": "c4_sentences",
    "curly_bracket": "c4_curly_bracket",
    "lorem_ipsum": "c4_lorem_ipsum",
    "empty": "fineweb_punctuation_lines",
    "line_punct_ratio": "fineweb_punctuation_lines",
    "short_line_ratio": "fineweb_short_lines",
    "char_dup_ratio": "fineweb_duplicate_line_characters",
    "list_ratio": "fineweb_newlines",
    "domain": "url_domain",
    "subdomain": "url_domain",
}
"""Their reasons, by the names of our rules."""


def cases(file: str) -> list[Case]:
    lines = (FOLDER / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def agrees(case: Case, ours: Answer | None) -> bool:
    """Whether ours is what the case expects: the decision, its reason, the text left, the value."""
    expected = case["expect"]
    if ours is None:
        return False
    if "fraction" in expected:
        return ours.value is not None and abs(ours.value - expected["fraction"]) < 1e-6
    if expected["keep"] != (not ours.failing):
        return False
    if (reason := expected.get("reason")) and RULE_OF[reason] not in ours.failing:
        return False
    if "text" in expected and expected["text"] != ours.text:
        return False
    return expected.get("language") in (None, ours.language)


def answer(case: Case) -> Answer | None:
    """Our decision on a case."""
    stage, params = case["stage"], case["params"]
    given = case.get("input")
    if stage in ("gopher_quality", "gopher_repetition", "fineweb_quality"):
        sets = "fineweb" if stage == "fineweb_quality" else stage
        return Answer(_failing(signals(case["text"]), (sets,), _custom(params)))
    if stage == "c4_quality":
        texts, _ = TRANSFORMS["c4_lines"](pa.array([case["text"]], pa.large_string()))
        text = texts[0].as_py()
        return Answer(_failing(signals(text), ("c4",), _custom(params)), text)
    if stage == "language":
        labels, scores = identify(pa.array([case["text"]], pa.large_string()), find_model(None))
        table = pa.table({"kind": ["web"], "language": labels, "language_score": scores})
        failed = _failing(table, ("language",), languages=params["languages"])
        return Answer(failed, language=labels[0].as_py())
    if stage == "rep_counter_fraction":
        n, weighted = params["ngram_size"], params["weighted_by_chars"]
        of_lines = "duplicate_line_character_share" if weighted else "duplicate_line_share"
        of_grams = f"top_{n}gram_character_share" if n < 5 else f"duplicate_{n}gram_character_share"
        values = signals("\n".join(given) if n == 1 else " ".join(given))
        return Answer(value=values[of_lines if n == 1 else of_grams][0].as_py())
    if stage == "SymbolRatioFilter":
        most = params["max_symbol_to_word_ratio"]
        rule = f"hash_to_word_ratio + ellipsis_to_word_ratio <= {most}"
        return Answer(_failing(signals(given[params.get("text_field", "text")]), (), {"symbols": rule}))
    if stage == "PageLenFilter":
        rule = f"n_words BETWEEN {params['lower_bound']} AND {params['upper_bound']}"
        return Answer(_failing(signals(given[params.get("text_field", "text")]), (), {"length": rule}))
    if stage == "UrlSubstringFilter":
        return Answer(_failing(signals("", given["url"]), (), {"url": _banned(params)}))
    if stage == "regex":
        table = signals(case["text"], family=bad_words, listed="copyright")
        return Answer(_failing(table, ("c4_bad_words",)))
    if stage == "url_filter":
        table = signals("", case["url"], url, "\n".join(params["extra_domains"]))
        return Answer(_failing(table, ("url",)))
    return None


def signals(
    text: str, address: str | None = None, family: ModuleType | None = None, listed: str = ""
) -> pa.Table:
    """Signals of one crawled English page; of one more family with lines ``listed`` in a file."""
    texts, urls = pa.array([text], pa.large_string()), pa.array([address], pa.string())
    documents = Documents(texts, urls, "web", analyse(texts, 0, 5))
    columns = {"kind": ["web"], "url": urls, "language": pa.array(["en"]), "language_score": [1.0]}
    columns |= compute(documents, ("gopher", "c4", "fineweb"))
    if family:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "list.txt"
            path.write_text(listed, encoding="utf-8")
            options = SignalOptions(bad_words={"en": str(path)}, url_domains=(str(path),))
            columns |= family.compute(documents, columns, options)
    return pa.table(columns)


def _failing(*args: Any, **kwargs: Any) -> tuple[str, ...]:
    """Names of the rules that a table of one document fails."""
    return failing_rules(*args, **kwargs)[0]


def failing_rules(
    table: pa.Table, sets: tuple[str, ...], custom: Mapping[str, str] | None = None, languages: Any = ()
) -> list[tuple[str, ...]]:
    """Names of the rules that each row of a table of signals fails."""
    rules = Rules(sets=sets, custom=dict(custom or {}), keep_languages=tuple(languages))
    reasons = reasons_sql(active_rules(rules, table.schema))
    rows = _connection().from_arrow(table).project(reasons).fetchall()
    return [tuple(failed) for (failed,) in rows]


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    return connect()


def _custom(params: Case) -> dict[str, str]:
    """Our rules with datatrove's parameters: those that a set has under the same name are replaced."""
    custom = {}
    for name, value in params.items():
        match name:
            case "min_doc_words":
                most = params.get("max_doc_words", 100_000)
                custom["gopher_word_count"] = f"n_words BETWEEN {value} AND {most}"
            case "min_stop_words":
                custom["gopher_stop_words"] = f"n_stop_words >= {value}"
            case "max_symbol_word_ratio":
                custom["gopher_hash_to_word_ratio"] = custom["gopher_ellipsis_to_word_ratio"] = "true"
            case "min_num_sentences":
                custom["c4_sentences"] = f"n_sentences >= {value}"
            case "line_punct_thr":
                custom["fineweb_punctuation_lines"] = f"punctuation_line_share >= {value}"
            case "short_line_thr":
                custom["fineweb_short_lines"] = f"short_line_share <= {value}"
            case "char_duplicates_ratio":
                custom["fineweb_duplicate_line_characters"] = f"duplicate_line_character_share <= {value}"
            case "new_line_ratio":
                custom["fineweb_newlines"] = f"newline_to_word_ratio <= {value}"
    return custom


def _banned(params: Case) -> str:
    """SQL that is true of a URL with fewer banned parts than are too many."""
    address = "url" if params["case_sensitive"] else "lower(url)"
    listed = params["banlist"] if params["case_sensitive"] else [word.lower() for word in params["banlist"]]
    if params["exact_domain_match"]:
        host = f"regexp_extract({address}, '^[a-z]+://([^/]+)', 1)"
        found = [f"{host} = '{word}'" for word in listed]
    else:
        for ignored in params["ignore_chars"]:
            address = f"replace({address}, '{ignored}', '')"
        found = [f"contains({address}, '{word}')" for word in listed]
    return " + ".join(f"({condition})::INT" for condition in found) + f" < {params['num_banned_substrs']}"
