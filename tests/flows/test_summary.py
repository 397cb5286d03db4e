"""The closing tables: every figure beside what it should be compared with."""

import pyarrow as pa

from dataflow.catalog.views import connect
from dataflow.rules.config import Rules
from dataflow.rules.evaluate import filter_part
from dataflow.store.manifest import Part, ensure
from dataflow.store.storage import Storage
from flows.summary import rule_remarks, samples_table, training_tables

RUN = {
    "parameters": 1_300_000,
    "tokens_trained": 1_430_000,
    "final_loss": 5.0,
    "validations": [
        {"step": 20, "loss": 7.6, "bits_per_byte": 3.4},
        {"step": 1400, "loss": 5.1, "bits_per_byte": 2.55},
    ],
    "baseline": {"unigram": {"loss": 7.2, "bits_per_byte": 3.2}, "gzip": {"bits_per_byte": 3.4}},
}


def test_a_model_stands_beside_its_beginning_and_a_unigram_model(tmp_path):
    store = Storage(str(tmp_path))
    store.write_json("runs/pretrain/summary.json", RUN)
    (table,) = training_tables(store)
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["model at step 1400"] == (5.1, 2.55, "-25.0%", "-20.3%")
    assert rows["gzip -9"] == (None, 3.4, "+0.0%", "+6.2%")
    assert "1,300,000 parameters, 1,430,000 tokens" in table.title


def test_a_run_without_held_out_text_shows_its_training_loss(tmp_path):
    store = Storage(str(tmp_path))
    store.write_json("runs/pretrain/summary.json", {**RUN, "validations": [], "baseline": {}})
    (table,) = training_tables(store)
    assert table.rows == (("training, last step", 5.0),)


def test_nothing_trained_shows_nothing(tmp_path):
    assert training_tables(Storage(str(tmp_path))) == []


def test_samples_are_shown_as_they_are(tmp_path):
    store = Storage(str(tmp_path))
    store.write_bytes(
        "runs/sft/samples.jsonl", b'{"step": 3, "prompt": "Hi", "text": "a goodester\\nthing"}\n'
    )
    assert samples_table(store).rows == (("sft, step 3", "Hi", "a goodester thing"),)


def test_rules_that_drop_more_than_declared_or_nothing_are_named(tmp_path):
    store = Storage(str(tmp_path))
    rules = Rules(
        sets=(), custom={"long": "n_words > 3", "any": "n_words >= 0", "other": "n_words > 3 OR NULL"}
    )
    store.write_json("recipe.json", {"rules": rules.model_dump(mode="json")})
    for part in ("0001", "0002"):
        ids = [f"web/a.jsonl#{number}" for number in range(3)]
        store.write_table(f"signals/web/{part}.parquet", pa.table({"id": ids, "n_words": [1, 2, 9]}))
        ensure(
            store,
            Part("filter", f"web/{part}", 1, {}, {}),
            lambda part=part: filter_part(store, "web", part, rules),
        )
    with connect(store) as con:
        rows = dict(rule_remarks(store, con).rows)
    assert rows["long"] == "drops 66.7% of the 6 documents it is about; declared: at most 50.0%"
    assert rows["any, other"] == "never dropped a document of those it is about"
