"""Fed with datatrove's own words, every shared measure has its value on real documents, but for stated definitions.

Each measure stands three times: our kernels, datatrove, and one plain function that becomes either by the
switches named in ``differences.yaml``. Where all three meet, nothing but those definitions differs.
"""

import os

import pyarrow as pa
import pytest
from comparison import SETS, UNEXPLAINED, condition, differences, equal, our_tables, our_values, read_pages
from real_documents import corpus_paths, english_documents, peer_cache
from switched_definitions import MEASURES, On, c4_lines

from dataflow.kernels import ngrams
from dataflow.rules.evaluate import load_set
from dataflow.transforms.table import TRANSFORMS

PEER = os.environ.get("DATAFLOW_PEER_PYTHON")
N = 2000
HASHES, ELLIPSES = "gopher_hash_to_word_ratio", "gopher_ellipsis_to_word_ratio"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PEER, reason="DATAFLOW_PEER_PYTHON names no Python with datatrove and spaCy"),
    pytest.mark.skipif(not corpus_paths(), reason="no documents: ../shared/data is not here"),
]


@pytest.fixture(scope="module")
def pages():
    documents = english_documents(corpus_paths(), N)
    assert len(documents) == N
    return read_pages(PEER, documents, peer_cache())


@pytest.fixture(scope="module")
def tables(pages):
    return our_tables(pages)


@pytest.fixture(scope="module")
def ours(tables):
    return our_values(tables)


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_without_switches_is_ours_and_with_all_of_them_datatroves(name, pages, ours):
    measure, switches = MEASURES[name]
    for page, value in zip(pages, ours[name], strict=True):
        assert equal(measure(page, On()), value)
        assert equal(measure(page, On(switches)), page.answer["values"][name])


def test_the_lines_of_c4_are_ours_without_switches_and_datatroves_with_all_of_them(pages):
    _, switches = MEASURES["n_sentences"]
    left, _ = TRANSFORMS["c4_lines"](pa.array([page.text for page in pages], pa.large_string()))
    for page, text in zip(pages, left.to_pylist(), strict=True):
        assert c4_lines(page, On()) == [line for line in text.split("\n") if line]
        assert "\n".join(c4_lines(page, On(switches))).strip() == page.answer["c4_text"]


def test_our_kernel_given_datatroves_words_finds_the_repetition_defined(pages):
    on = On(("words", "punctuation", "letter_case"))
    given = [page.words(on) for page in pages]
    found = ngrams.repetition_of_words(pa.array(given, pa.large_list(pa.large_string())))
    for name, characters in found.items():
        measure, _ = MEASURES[name.replace("characters", "character_share")]
        for page, words, n in zip(pages, given, characters, strict=True):
            assert equal(measure(page, on), n / sum(map(len, words)))


def test_the_values_explain_datatroves_decisions(pages):
    for rules in SETS:
        for page in pages:
            assert bool(page.answer["first"][rules]) == bool(page.answer["failing"][rules])
        for rule in load_set(rules).rules:
            name, passes = condition(rules, rule)
            for page in pages:
                failed = page.answer["failing"][rules]
                if (rule, HASHES in failed) != (ELLIPSES, True):  # of the two datatrove tells the first only
                    assert (rule in failed) == (not passes(page.answer["values"][name]))


@pytest.mark.parametrize("rules", SETS)
def test_decisions_by_our_own_words_only_differ_by_definitions(rules, pages, tables):
    found = differences(pages, tables[rules], rules)
    assert not [one for one in found if one.causes == UNEXPLAINED]
    assert len(found) < len(pages) / 4
