"""The dataset card says what the corpus is made of, in a form that dataset hubs read."""

import pytest
import yaml
from made_folder import EVERY_FATE, EVERY_UNREAD, Doc, write_folder

from dataflow import connect
from dataflow.catalog.card import CARD, card, write_card

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
