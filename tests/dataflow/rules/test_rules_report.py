"""What is said of rules at the end of a run, and that nothing is said where there is nothing to say."""

import pytest

from dataflow.rules.config import Rules
from dataflow.rules.report import declared_shares, remarks

RULES = Rules(
    sets=("language",),
    keep_languages=("en",),
    custom={
        "long": "n_words > 9",
        "poems": {"keep": "n_words > 3", "where": "source = 'poems'", "max_share": 0.2},
    },
)


def counted(**rules: tuple[int, int]) -> dict[str, int]:
    counts = {"documents": 100, "passed": 1}
    for name, (applied, failed) in rules.items():
        counts |= {f"applied:{name}": applied, f"failed:{name}": failed}
    return counts


def test_rules_that_drop_some_of_what_they_are_about_need_no_remark():
    counts = counted(language_score=(100, 50), language_kept=(100, 99), long=(90, 1), poems=(10, 2))
    assert remarks(RULES, counts) == []


def test_a_rule_that_drops_more_than_its_declared_share_is_named_with_both():
    counts = counted(language_score=(100, 51), language_kept=(100, 100), long=(90, 1), poems=(10, 3))
    assert [name for name, _ in remarks(RULES, counts)] == ["language_score", "poems"]
    assert (
        remarks(RULES, counts)[1][1] == "drops 30.0% of the 10 documents it is about; declared: at most 20.0%"
    )


def test_a_rule_that_never_fires_and_one_that_is_about_nothing_are_told_apart():
    counts = counted(language_score=(100, 0), language_kept=(100, 0), long=(100, 3), poems=(0, 0))
    (silent, said), (idle, also) = remarks(RULES, counts)
    assert (silent, idle) == ("language_score, language_kept", "poems")
    assert "never dropped" in said
    assert "no document to judge" in also


def test_a_default_rule_for_documents_that_are_not_there_needs_no_remark():
    assert remarks(Rules(sets=("code",)), counted()) == []
    [(idle, _)] = remarks(Rules(sets=("url",)), counted())
    assert idle == "url_domain, url_words, url_strong_words"


@pytest.mark.parametrize(
    ("rules", "name", "share"),
    [
        (Rules(sets=("language",)), "language_score", 0.5),
        (Rules(sets=("language",), max_share=0.9), "language_score", 0.9),
        (Rules(sets=("language",), keep_languages=("en",)), "language_kept", 1),
        (Rules(sets=("language",), custom={"language_score": {"max_share": 0.1}}), "language_score", 0.1),
        (Rules(sets=("language",), custom={"language_score": "language_score > 0.9"}), "language_score", 0.5),
    ],
)
def test_the_share_nearest_to_the_rule_holds(rules, name, share):
    assert declared_shares(rules)[name] == share
