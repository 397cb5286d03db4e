"""Real evaluation sets: every item is found where it is planted, and none in real text that never held one."""

import gzip
import itertools
import json
import random
import re
from pathlib import Path

import pyarrow as pa
import pytest

from dataflow.dedup.contamination.config import Decontaminate
from dataflow.dedup.contamination.decontaminate import find_items
from dataflow.dedup.contamination.index import ITEMS_PATH, build_index, load_index
from dataflow.dedup.contamination.sets import find_sets, read_items
from dataflow.store.storage import Storage
from dataflow.transforms.pii import Pii

DATA = Path(__file__).resolve().parents[4] / ".." / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="no evaluation sets: ../shared/data is not here")

CONFIG = Decontaminate(sets=[f"{DATA}/eval/*.jsonl*"])
random_ = random.Random(1)
WAYS = (
    str,
    str.upper,
    lambda text: re.sub(r"\s+", lambda _: random_.choice(["  ", "\n", " \t"]), text),
    lambda text: text.replace("'", "’").replace('"', "“"),
    lambda text: re.sub(r"(?<=\w)[.,;:?!](?=\s|$)", lambda _: random_.choice([" !", ";", ",", "…"]), text),
)
"""How the same words may be written: as they are, in capitals, with other spaces, quotation marks, punctuation."""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = Storage(str(tmp_path_factory.mktemp("index")))
    build_index(made, find_sets(CONFIG), CONFIG, Pii())
    return made


@pytest.fixture(scope="module")
def index(store):
    return load_index(store, "real")


def texts_of(path, most=None):
    with gzip.open(DATA / path, "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in itertools.islice(file, most)]


def test_every_item_is_found_in_the_middle_of_a_document_however_it_is_written(store, index):
    items = [item for found in find_sets(CONFIG) for item in read_items(found)[0]]
    rows = store.read_table(ITEMS_PATH).to_pylist()
    around = texts_of("text/abc_news.jsonl.gz", 200)
    documents, held = [], []
    for number, (item, row) in enumerate(zip(items, rows, strict=True)):
        kinds = {
            "prompt": row["n_prompt"] and item.prompt,
            "whole": row["n_whole"] and f"{item.prompt} {item.answer}",
        }
        for text in filter(None, kinds.values()):
            one = around[len(documents) % len(around)]
            middle = one.find(" ", len(one) // 2)
            documents.append(f"{one[:middle]}\n{WAYS[len(documents) % len(WAYS)](text)}\n{one[middle:]}")
            held.append(number)
    found = find_items(pa.array(documents, pa.large_string()), index, CONFIG.min_overlap)
    pairs = set(zip(found.row.tolist(), found.item.tolist(), strict=True))
    missed = [(n, number) for n, number in enumerate(held) if (n, number) not in pairs]
    assert missed == []
    assert {row["set"] for row in rows} == {rows[number]["set"] for number in held}
    assert len(set(held)) == sum(row["fate"] == "used" for row in rows) > 9000


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("text/abc_news.jsonl.gz", None),
        ("text/brown.jsonl.gz", None),
        ("text/sotu.jsonl.gz", 60),
        ("tech/english_docs.jsonl.gz", 300),
        ("tech/dictionaries.jsonl.gz", None),
        ("web/c4_demo.jsonl.gz", None),
        ("lang/udhr.jsonl.gz", None),
    ],
)
def test_text_that_never_held_one_is_clean(index, path, most):
    found = find_items(pa.array(texts_of(path, most), pa.large_string()), index, 1e-9)
    assert found.row.tolist() == []  # not even a single n-gram


def test_what_is_left_out_is_told(store):
    rows = store.read_table(ITEMS_PATH).to_pylist()
    left_out = [(row["set"], row["fate"]) for row in rows if row["fate"] != "used"]
    assert {one: left_out.count(one) for one in left_out} == {
        ("HumanEval", "repeated"): 1,
        ("arc_easy", "short"): 32,
        ("arc_easy", "repeated"): 2,
        ("cmmlu_dev", "short"): 41,
        ("openbook_qa", "short"): 74,
        ("truthfulqa", "short"): 1,
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        # GSM8K's training problems: three are test problems with other numbers.
        ("instruct/gsm8k_train.jsonl.gz", ["gsm8k_test 602", "gsm8k_test 602", "gsm8k_test 632"]),
        # A preference set that holds a problem of SVAMP, rewritten.
        ("instruct/llamafactory_dpo_en_demo.jsonl.gz", ["svamp 238"]),
    ],
)
def test_what_real_instruction_data_holds(index, path, expected):
    with gzip.open(DATA / path, "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    texts = ["\n".join(_strings(record)) for record in records]
    found = find_items(pa.array(texts, pa.large_string()), index, CONFIG.min_overlap)
    assert sorted(f"{index.sets[item]} {index.names[item]}" for item in found.item.tolist()) == expected


def _strings(value):
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _strings(one)]
