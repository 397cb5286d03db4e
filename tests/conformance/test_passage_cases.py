"""Published decisions of other tools about lines, sentences and substrings that repeat, and ours on the same texts.

A case of ``../shared/conformance`` that is not listed in ``DIFFERENT`` must come out alike, and a listed one
otherwise: by definition, never by accident. Documents are ranked in the order in which a case lists them.
"""

import sys
from functools import cache
from pathlib import Path

import pytest
from tool_cases import FOLDER, cases

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "dataflow" / "dedup"))
from passage_corpora import cut, left

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="no cases: ../shared is not here")

DIFFERENT = {
    "datatrove_dedup_sentence_substr_decont-0001": "not ours: passages are compared within a corpus, not with an index",
    "datatrove_dedup_sentence_substr_decont-0002": "the first copy in survivor order stays; datatrove's is another",
    "datatrove_dedup_sentence_substr_decont-0004": "one copy stays, of runs of words; there every copy of bytes goes",
    "cc_net_and_curator_dedup-0000": "punctuation is compared as it is",
    "cc_net_and_curator_dedup-0001": "punctuation is compared as it is",
    "cc_net_and_curator_dedup-0002": "a digit is a digit; cc_net makes each a 0 before it compares lines",
    "cc_net_and_curator_dedup-0004": "digits, accents and control characters are compared as they are",
    "cc_net_and_curator_dedup-0006": "one copy stays; cc_net removes a line it has seen twice everywhere",
    "cc_net_and_curator_dedup-0007": "one copy stays; cc_net removes a line it has seen twice everywhere",
}
"""Cases that come out otherwise, and why."""

NORMALISED = ("replace_unicode_punct", "remove_unicode_punct", "normalize", "normalize_for_dedup")
STAGES = ("sentence_dedup", "exact_substring", "line_dedup", *NORMALISED)
FILES = ("datatrove_dedup_sentence_substr_decont", "cc_net_and_curator_dedup")
CASES = [case for file in FILES for case in cases(file) if case["stage"] in STAGES] if FOLDER.exists() else []


def texts_of(documents):
    """Texts by shard and id; those without shards are of one."""
    shards = documents if isinstance(documents, dict) else {"": documents}
    return {(shard, one["id"]): one["text"] for shard, some in shards.items() for one in some}


def expected_of(case):
    """Texts by shard and id as they should come out; a document that is left out goes."""
    expect, given = case["expect"], texts_of(case["docs"])
    if "texts" in expect:
        return dict(zip(given, expect["texts"], strict=True))
    if "output" not in expect:
        return texts_of(expect)
    output = expect["output"]
    return (
        {("", name): text for name, text in output.items()} if isinstance(output, dict) else texts_of(output)
    )


@cache
def agrees(name):
    case = next(case for case in CASES if case["id"] == name)
    if case["stage"] in NORMALISED:  # the same line to them
        pair = [case["text"], case["expect"]["text"]]
        return bool(cut(pair, lines={"min_words": 1})) or pair[0] == pair[1]
    config = {
        "sentence_dedup": {"sentences": {"span": case["params"].get("n_sentences", 3), "min_words": 1}},
        "exact_substring": {"substrings": {"words": 10}},
        "line_dedup": {"lines": {"min_words": 1}},
    }[case["stage"]]
    given = texts_of(case["docs"])
    texts = list(given.values())
    ours = left(texts, cut(texts, min_left_words=1, **config))
    found = {name: text.strip() for name, text in zip(given, ours, strict=True) if text is not None}
    return found == {name: text.strip() for name, text in expected_of(case).items()}


@pytest.mark.parametrize("name", [case["id"] for case in CASES])
def test_a_case_comes_out_alike_or_is_listed_with_its_reason(name):
    assert agrees(name) is (name not in DIFFERENT)


def test_every_case_is_there():
    assert len(CASES) == 12
    assert set(DIFFERENT) <= {case["id"] for case in CASES}
