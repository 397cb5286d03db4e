"""The dataset card says what the corpus is made of, in a form that dataset hubs read."""

import pytest
import yaml
from made_folder import EVERY_FATE, EVERY_UNREAD, STEPS, Doc, write_folder

from dataflow import connect
from dataflow.catalog.card import CARD, card, write_card
from dataflow.store.manifest import Made, Part, ensure

RECIPE = {
    "name": "my corpus",
    "rules": {"sets": [], "custom": {"min_words": "n_words >= 2"}},
    "sources": [
        {"name": "web", "kind": "web", "licence": "CC0-1.0"},
        {"name": "books", "kind": "prose", "licence": ""},
    ],
    "instructions": [{"name": "chat", "licence": "MIT"}],
}


@pytest.fixture
def store(tmp_path):
    many = [Doc(f"web/many#{n}", signals={"language": "en"}, phases=("main",)) for n in range(10)]
    return write_folder(str(tmp_path), [*EVERY_FATE, *many], EVERY_UNREAD, recipe=RECIPE)


def test_its_head_is_yaml_with_licences_and_the_languages_trained_on(store):
    _, head, body = card(connect(store)).split("---\n", 2)
    assert yaml.safe_load(head) == {
        "language": ["en"],
        "license": ["CC0-1.0", "MIT"],
        "pretty_name": "my corpus",
        "task_categories": ["text-generation"],
    }
    assert body.startswith("\n# my corpus\n")


def test_it_names_sources_rules_and_counts(store):
    text = card(connect(store))
    assert "| books | prose | not stated |" in text
    assert "| chat | instructions | MIT |" in text
    assert "| min_words | `n_words >= 2` |" in text
    assert "## Records by source" in text


def test_it_lies_in_the_folder_and_says_the_same_again(store):
    con = connect(store)
    write_card(store, con)
    first = store.read_bytes(CARD)
    write_card(store, con)
    assert store.read_bytes(CARD) == first


def test_it_says_what_was_removed_and_cut(tmp_path):
    line = ("a line that many have\n", "line")
    docs = [
        Doc("web/a#0", "one\na line that many have\ntwo"),
        Doc("web/a#1", duplicate_of="web/a#0"),
        Doc("web/a#2", duplicate_of="web/a#0", kind="url", similarity=None),
        Doc("web/a#3", "three\na line that many have\nfour", cut=(line,), cut_from="web/a#0"),
        Doc("web/a#4", "a line that many have\n", cut=(line,), cut_from="web/a#0", too_little_left=True),
        Doc("web/a#5", contaminated_by=("7", "8")),
        Doc("web/a#6", hits=({"item": "9", "action": "annotate"},)),
    ]
    text = card(connect(write_folder(str(tmp_path), docs, steps=STEPS[:4])))
    assert "2 documents repeat others and were removed (1 near, 1 url)." in text
    assert "22 bytes of passages that other documents keep were cut from 1 documents. 1 more had" in text
    assert (
        "evaluation sets, 1 were left as they are (the view `contamination` names them); 1 were dropped."
        in text
    )
    assert "## Passages cut" in text


def test_it_says_nothing_of_what_was_not_done(tmp_path):
    text = card(connect(write_folder(str(tmp_path), [Doc("web/a#0")], steps=STEPS[:4])))
    assert not [word for word in ("repeat others", "were cut", "evaluation sets") if word in text]


def test_it_counts_contaminated_documents_by_set(tmp_path):
    docs = [Doc(f"web/a#{n}", contaminated_by=("7",) if n < 3 else ()) for n in range(5)]
    store = write_folder(str(tmp_path), docs, steps=STEPS[:4])
    ensure(store, Part("decontaminate-index", "all", 1, {}, {}), lambda: Made((), {"items:quiz": 12}))
    text = card(connect(store))
    assert "## Evaluation sets" in text
    assert "| quiz | 12 | 1 | 3 |" in text
