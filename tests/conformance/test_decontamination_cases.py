"""datatrove's decisions about documents that hold items of an evaluation set, and ours, document by document.

datatrove drops a document for any one n-gram, of the answer alone, the prompt too, or across both, as it is told.
Ours always looks at prompt and answer as one text, and asks for a share of an item's n-grams. So each case is asked
twice: with the least share there is, where one n-gram is enough, and with the recipe's default.
"""

import json
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
from tool_cases import FOLDER, cases

from dataflow.dedup.contamination.config import Decontaminate
from dataflow.dedup.contamination.decontaminate import find_items
from dataflow.dedup.contamination.index import build_index, load_index
from dataflow.dedup.contamination.sets import find_sets
from dataflow.store.storage import Storage
from dataflow.transforms.pii import Pii

HELLASWAG = FOLDER.parent / "data" / "eval" / "hellaswag_val_2000.jsonl.gz"
pytestmark = pytest.mark.skipif(
    not (FOLDER.exists() and HELLASWAG.exists()), reason="no cases: ../shared is not here"
)

REASONS = {
    "prompt": "ours looks for the prompt too; datatrove was told not to",
    "across": "ours looks for n-grams across prompt and answer; datatrove was told not to",
    "share": "one n-gram or a few are less than a fifth of the item's; datatrove drops for any one",
}

ANY_N_GRAM = {
    "0005": {"0": "prompt", "2": "across", "4": "prompt"},
    "0006": {"2": "across"},
    "0007": {"0": "prompt", "4": "prompt"},
    "0008": {"1": "prompt"},
    "0009": {},
    "0010": {"1": "prompt", "5": "across"},
    "0011": {},
}
"""Documents that ours drops and datatrove keeps; there are none the other way."""

DEFAULT_SHARE = {
    "0005": {"0": "prompt", "1": "share", "2": "across"},
    "0006": {"1": "share", "2": "across", "4": "share"},
    "0007": {"0": "prompt", "1": "share"},
    "0008": {"1": "prompt", "4": "share", "5": "share"},
    "0009": {"4": "share", "5": "share"},
    "0010": {"1": "prompt", "4": "share"},
    "0011": {},
}
"""Documents that one drops and the other keeps, with the recipe's defaults; ``share`` is what datatrove alone drops."""


@cache
def decontamination_cases():
    file = "datatrove_dedup_sentence_substr_decont"
    return {case["id"][-4:]: case for case in cases(file) if case["stage"] == "ngram_decontamination"}


def dropped_here(case, folder, min_overlap):
    params = case["params"]
    path = HELLASWAG
    if "eval_query" in params:
        path = Path(folder) / "set.jsonl"
        path.write_text(json.dumps({"question": params["eval_query"], "answer": params["eval_label"]}))
    config = Decontaminate(sets=[str(path)], ngram=params["n_grams"])
    store = Storage(str(folder))
    build_index(store, find_sets(config), config, Pii())
    index = load_index(store, str(folder))
    texts = pa.array([document["text"] for document in case["docs"]], pa.large_string())
    rows = set(find_items(texts, index, min_overlap or config.min_overlap).row.tolist())
    return {document["id"] for number, document in enumerate(case["docs"]) if number in rows}


@pytest.mark.parametrize(("min_overlap", "table"), [(1e-9, ANY_N_GRAM), (None, DEFAULT_SHARE)])
@pytest.mark.parametrize("name", ANY_N_GRAM)
def test_a_document_is_decided_alike_or_listed_with_its_reason(tmp_path, name, min_overlap, table):
    case = decontamination_cases()[name]
    ours = dropped_here(case, tmp_path, min_overlap)
    theirs = {document["id"] for document in case["docs"]} - set(case["expect"]["kept_ids"])
    assert ours ^ theirs == set(table[name])
    assert theirs - ours == {document for document, reason in table[name].items() if reason == "share"}


def test_every_case_is_listed_and_every_reason_used():
    assert set(decontamination_cases()) == set(ANY_N_GRAM) == set(DEFAULT_SHARE)
    used = {
        reason for table in (ANY_N_GRAM, DEFAULT_SHARE) for of in table.values() for reason in of.values()
    }
    assert used == set(REASONS)
