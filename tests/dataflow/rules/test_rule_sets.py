"""The published sets: every figure on its bound and one step past it, and whom each set is for."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pytest

from dataflow.rules.config import DEFAULT_SETS
from dataflow.rules.evaluate import Rules, active_rules, apply, load_set, set_names
from dataflow.signals.table import FAMILIES, schema

SIGNALS = pa.schema(
    [("id", pa.string()), ("source", pa.string()), ("kind", pa.string()), ("n_bytes", pa.int64())]
    + [field for field in schema(FAMILIES, {}) if field.name != "id"]
)
GOOD: Mapping[str, object] = {
    "kind": "web",
    "language": "en",
    "language_score": 0.9,
    "n_words": 300,
    "mean_word_length": 4.5,
    "alphabetic_word_share": 0.95,
    "n_stop_words": 6,
    "n_sentences": 9,
    "punctuation_line_share": 0.8,
    "alphabetic_character_share": 0.8,
}


def reasons_of(rules: Rules, documents: Sequence[Mapping[str, object]]) -> list[list[str]]:
    """Failing rules of documents that are GOOD but for the signals given."""
    zero = {"string": "", "bool": False, "double": 0, "float": 0, "int64": 0}
    columns = {
        field.name: pa.array(
            [{"id": "d", **GOOD, **one}.get(field.name, zero.get(str(field.type))) for one in documents],
            field.type,
        )
        for field in SIGNALS
    }
    found: list[list[str]] = apply(pa.table(columns), active_rules(rules, SIGNALS))["reasons"].to_pylist()
    return found


def reasons(rules: Rules, **signals: object) -> list[str]:
    return reasons_of(rules, [signals])[0]


@pytest.mark.parametrize(
    ("rule", "signal", "kept", "dropped"),
    [
        ("language_score", "language_score", [0.65], [0.649]),
        ("gopher_word_count", "n_words", [50, 100_000], [49, 100_001]),
        ("gopher_mean_word_length", "mean_word_length", [3, 10], [2.999, 10.001]),
        ("gopher_hash_to_word_ratio", "hash_to_word_ratio", [0.1], [0.101]),
        ("gopher_ellipsis_to_word_ratio", "ellipsis_to_word_ratio", [0.1], [0.101]),
        ("gopher_bullet_lines", "bullet_line_share", [0.9], [0.901]),
        ("gopher_ellipsis_lines", "ellipsis_line_share", [0.3], [0.301]),
        ("gopher_alphabetic_words", "alphabetic_word_share", [0.8], [0.799]),
        ("gopher_stop_words", "n_stop_words", [2], [1]),
        ("gopher_duplicate_lines", "duplicate_line_share", [0.3], [0.301]),
        ("gopher_duplicate_paragraphs", "duplicate_paragraph_share", [0.3], [0.301]),
        ("gopher_duplicate_line_characters", "duplicate_line_character_share", [0.2], [0.201]),
        ("gopher_duplicate_paragraph_characters", "duplicate_paragraph_character_share", [0.2], [0.201]),
        ("gopher_top_2gram", "top_2gram_character_share", [0.2], [0.201]),
        ("gopher_top_3gram", "top_3gram_character_share", [0.18], [0.181]),
        ("gopher_top_4gram", "top_4gram_character_share", [0.16], [0.161]),
        ("gopher_duplicate_5gram", "duplicate_5gram_character_share", [0.15], [0.151]),
        ("gopher_duplicate_6gram", "duplicate_6gram_character_share", [0.14], [0.141]),
        ("gopher_duplicate_7gram", "duplicate_7gram_character_share", [0.13], [0.131]),
        ("gopher_duplicate_8gram", "duplicate_8gram_character_share", [0.12], [0.121]),
        ("gopher_duplicate_9gram", "duplicate_9gram_character_share", [0.11], [0.111]),
        ("gopher_duplicate_10gram", "duplicate_10gram_character_share", [0.1], [0.101]),
        ("c4_sentences", "n_sentences", [5], [4]),
        ("c4_curly_bracket", "has_curly_bracket", [False], [True]),
        ("c4_lorem_ipsum", "has_lorem_ipsum", [False], [True]),
        ("fineweb_punctuation_lines", "punctuation_line_share", [0.12], [0.119]),
        ("fineweb_short_lines", "short_line_share", [0.67], [0.671]),
        ("fineweb_duplicate_line_characters", "duplicate_line_character_share", [0.01], [0.011]),
        ("fineweb_newlines", "newline_to_word_ratio", [0.3], [0.301]),
        ("url_domain", "url_domain_listed", [False, None], [True]),
        ("url_words", "n_url_words_listed", [1, None], [2]),
        ("url_strong_words", "n_url_strong_words_listed", [0, None], [1]),
        ("c4_bad_words", "n_bad_words", [0, None], [1]),
    ],
)
def test_a_value_on_the_bound_is_kept(
    rule: str, signal: str, kept: list[object], dropped: list[object]
) -> None:
    rules = Rules(sets=(*DEFAULT_SETS, "url", "c4_bad_words"))
    found = reasons_of(rules, [{signal: value} for value in (*kept, *dropped)])
    assert [rule in failed for failed in found] == [False] * len(kept) + [True] * len(dropped)


def test_every_rule_of_every_set_can_fail() -> None:
    tested = test_a_value_on_the_bound_is_kept.pytestmark[0].args[1]  # type: ignore[attr-defined]
    elsewhere = {"fineweb2", "code"}  # each tested beside its signals
    every = {rule for name in set(set_names()) - elsewhere for rule in load_set(name).rules}
    assert every - {case[0] for case in tested} == {"language_kept"}


def test_good_prose_passes_and_every_failing_rule_is_listed_in_the_order_of_the_recipe() -> None:
    assert reasons(Rules()) == []
    bad = {"n_words": 3, "n_sentences": 1, "language_score": 0.1}
    assert reasons(Rules(), **bad) == ["language_score", "gopher_word_count", "c4_sentences"]
    turned = Rules(sets=("c4", "gopher_quality", "language"))
    assert reasons(turned, **bad) == ["c4_sentences", "gopher_word_count", "language_score"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "web",
            {"language_score", "gopher_word_count", "gopher_top_2gram", "c4_sentences", "fineweb_newlines"},
        ),
        ("prose", {"language_score", "gopher_word_count", "gopher_top_2gram"}),
        ("code", {"code_mean_line_length"}),
    ],
)
def test_sets_apply_to_the_kinds_of_source_they_are_for(kind: str, expected: set[str]) -> None:
    bad = {
        "language_score": 0.1,
        "n_words": 3,
        "top_2gram_character_share": 0.9,
        "newline_to_word_ratio": 0.9,
        "mean_line_length": 200,
    }
    assert set(reasons(Rules(), kind=kind, n_sentences=0, **bad)) == expected


def test_word_length_is_not_asked_of_languages_written_in_syllables() -> None:
    short = {"mean_word_length": 2.8}
    assert [reasons(Rules(), language=language, **short) for language in ("ko", "vi", "bo", "tr")] == [
        [],
        [],
        [],
        ["gopher_mean_word_length"],
    ]


@pytest.mark.parametrize(
    ("signals", "dropped"),
    [
        ({"language": "en"}, True),
        ({"language": "de"}, False),  # has none of the eight English words, and needs none
    ],
)
def test_stop_words_are_asked_of_english_only(signals: dict[str, object], dropped: bool) -> None:
    assert ("gopher_stop_words" in reasons(Rules(), n_stop_words=0, **signals)) is dropped


def test_rules_on_written_words_do_not_run_on_scripts_without_spaces() -> None:
    chinese = {"language": "zh", "mean_word_length": 1.0, "top_2gram_character_share": 0.5, "n_stop_words": 0}
    assert reasons(Rules(), spaceless_share=0.6, **chinese) == []
    assert reasons(Rules(), spaceless_share=0.5, **chinese) == ["gopher_mean_word_length", "gopher_top_2gram"]
    assert reasons(Rules(), spaceless_share=0.6, duplicate_line_share=0.4) == ["gopher_duplicate_lines"]


@pytest.mark.parametrize(
    ("keep", "language", "expected"),
    [
        ((), "fr", []),
        (("en", "de"), "de", []),
        (("en", "de"), "fr", ["language_kept"]),
        (("en",), None, []),  # unknown: nothing is held against it
        (("o'x",), "fr", ["language_kept"]),  # quoted, not run
    ],
)
def test_keep_languages(keep: tuple[str, ...], language: str | None, expected: list[str]) -> None:
    assert reasons(Rules(sets=("language",), keep_languages=keep), language=language) == expected


def test_sets_name_their_source() -> None:
    assert set(set_names()) >= {"language", "gopher_quality", "gopher_repetition", "c4", "fineweb"}
    for name in set_names():
        assert any(digit.isdigit() for digit in load_set(name).reference)


FRENCH: Mapping[str, object] = {
    "language": "fr",
    "language_score": 0.9,
    "mean_word_length": 5,
    "alphabetic_word_share": 0.9,
    "n_stop_words_of_language": 5,
}


@pytest.mark.parametrize(
    ("rule", "signal", "kept", "dropped"),
    [
        ("score", "language_score", [0.824], [0.823]),
        ("word_count", "n_words", [50, 100_000], [49, 100_001]),
        ("mean_word_length", "mean_word_length", [2, 11], [1.99, 11.01]),
        ("alphabetic_words", "alphabetic_word_share", [0.812], [0.811]),
        ("stop_words", "n_stop_words_of_language", [2, None], [1]),
        ("hash_to_word_ratio", "hash_to_word_ratio", [0.1], [0.101]),
        ("ellipsis_to_word_ratio", "ellipsis_to_word_ratio", [0.1], [0.101]),
        ("bullet_lines", "bullet_line_share", [0.9], [0.901]),
        ("ellipsis_lines", "ellipsis_line_share", [0.3], [0.301]),
        ("punctuation_lines", "punctuation_line_share", [0.1], [0.099]),
        ("newlines", "newline_to_word_ratio", [0.185], [0.186]),
        ("duplicate_lines", "duplicate_line_share", [0.264], [0.265]),
        ("duplicate_line_characters", "duplicate_line_character_share", [0.1], [0.101]),
        ("top_2gram", "top_2gram_character_share", [0.161], [0.162]),
        ("top_3gram", "top_3gram_character_share", [0.149], [0.15]),
        ("top_4gram", "top_4gram_character_share", [0.134], [0.135]),
        ("duplicate_5gram", "duplicate_5gram_character_share", [0.15], [0.151]),
        ("duplicate_6gram", "duplicate_6gram_character_share", [0.141], [0.142]),
        ("duplicate_7gram", "duplicate_7gram_character_share", [0.131], [0.132]),
        ("duplicate_8gram", "duplicate_8gram_character_share", [0.121], [0.122]),
        ("duplicate_9gram", "duplicate_9gram_character_share", [0.111], [0.112]),
        ("duplicate_10gram", "duplicate_10gram_character_share", [0.1], [0.101]),
    ],
)
def test_fineweb2_holds_a_document_to_the_figures_of_its_language(
    rule: str, signal: str, kept: list[object], dropped: list[object]
) -> None:
    name = {"score": "fineweb2_language_score"}.get(rule, f"fineweb2_{rule}")
    for label in ("fr", "fra_Latn"):
        documents = [{**FRENCH, "language": label, signal: value} for value in (*kept, *dropped)]
        found = reasons_of(Rules(sets=("fineweb2",)), documents)
        assert found == [[]] * len(kept) + [[name]] * len(dropped)


@pytest.mark.parametrize(
    ("labels", "score", "longest", "letters", "punctuation", "newlines", "duplicate_lines"),
    [
        ("fr fra_Latn", 0.824, 11, 0.812, 0.1, 0.185, 0.264),
        ("de deu_Latn", 0.821, 15, 0.774, 0, 0.152, 0.263),
        ("es spa_Latn", 0.840, 14, 0.825, 0.182, 0.138, 0.252),
        ("ru rus_Cyrl", 0.900, 11, 0.713, 0.231, 0.139, 0.322),
        ("zh cmn_Hani", 0.692, 5, 0.735, 0.106, 0.178, 0.287),
        ("ja jpn_Jpan", 0.886, 6, 0.759, 0.096, 0.130, 0.328),
        ("ar arb_Arab", 0.711, 9, 0.787, 0.143, 0.189, 0.304),
        ("hi hin_Deva", 0.692, 21, 0.837, 0.091, 0.316, 0.206),
        ("th tha_Thai", 0.900, 10, 0.900, 0, 0.153, 0.349),
        ("sw swh_Latn", 0.300, 9, 0.802, 0.143, 0.167, 0.302),
    ],
)
def test_fineweb2_has_the_published_figures(
    labels: str,
    score: float,
    longest: float,
    letters: float,
    punctuation: float,
    newlines: float,
    duplicate_lines: float,
) -> None:
    found = load_set("fineweb2")
    row = dict(zip(found.figures, found.languages[labels], strict=True))
    expected = (score, longest, letters, punctuation, newlines, duplicate_lines)
    names = ("score", "longest", "letters", "punctuation", "newlines", "duplicate_lines")
    assert tuple(row[name] for name in names) == expected


def test_fineweb2_asks_nothing_of_english_nor_of_a_language_it_has_no_figures_for() -> None:
    bad = {"n_words": 1, "language_score": 0.1, "newline_to_word_ratio": 5}
    for language in ("en", "eng_Latn", "tlh", None):
        assert reasons(Rules(sets=("fineweb2",)), language=language, **bad) == []
    assert reasons(Rules(sets=("fineweb2",)), kind="prose", language="fr", **bad) == []


def test_fineweb2_leaves_words_and_their_ngrams_out_in_scripts_without_spaces() -> None:
    chinese = {**FRENCH, "language": "zh", "mean_word_length": 0, "top_2gram_character_share": 0.9}
    assert reasons(Rules(sets=("fineweb2",)), spaceless_share=0.9, **chinese) == []
    assert reasons(Rules(sets=("fineweb2",)), spaceless_share=0.9, **{**chinese, "n_words": 9}) == [
        "fineweb2_word_count"
    ]


def test_a_rule_of_many_languages_is_shown_as_its_set_writes_it() -> None:
    (score, count, *_) = active_rules(Rules(sets=("fineweb2",)), SIGNALS)
    assert (score.shown, count.shown) == ("language_score >= {score}", count.keep)
