"""Every fault of a recipe is one line that says what, where and what to do, and nothing has run by then."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from dataflow.errors import DataflowError, RecipeError
from flows.recipe import Recipe, load_recipe, parse_recipe
from flows.recipe_check import check_recipe
from flows.steps import STEPS

SOURCES = [{"name": "web", "path": "web.jsonl"}, {"name": "books", "path": "books.jsonl"}]


def _load(folder: Path, values: object, *overrides: str) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
    return load_recipe(str(path), list(overrides))


def _fault(folder: Path, values: object, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        _load(folder, values, *overrides)
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"sorces": []}, 'sorces: unknown key "sorces". Did you mean "sources"?'),
        ({"pii": {"kind": []}}, 'pii.kind: unknown key "kind". Did you mean "kinds"?'),
        ({"dedup": {"near": {"band": 3}}}, 'dedup.near.band: unknown key "band". Did you mean "bands"?'),
        (
            {"mixture": {"phases": [{"name": "main", "wheer": "true"}]}},
            'mixture.phases.0.wheer: unknown key "wheer". Did you mean "where"?',
        ),
        (
            {"sources": [{"name": "web", "path": "x", "fields": {"txt": "body"}}]},
            'sources.0.fields.txt: unknown key "txt". Did you mean "text"?',
        ),
    ],
)
def test_an_unknown_key_at_any_depth_is_named_with_the_nearest_one(
    tmp_path: Path, section: dict[str, Any], says: str
) -> None:
    assert says in _fault(tmp_path, {"sources": SOURCES} | section)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("sead=2", 'sead: unknown key "sead". Did you mean "seed"?'),
        ("dedup.near.band=3", 'dedup.near.band: unknown key "band". Did you mean "bands"?'),
        ("sources.web.lim=3", 'sources.0.lim: unknown key "lim". Did you mean "limit"?'),
        ("sources.wib.limit=3", '--set sources.wib.limit: no item "wib" there. Did you mean "web"?'),
        ("seed", '--set: "seed" is not of the form section.key=value'),
        ("seed=[1", '--set seed: the value "[1" is not valid YAML'),
        ("seed.deep=1", '--set seed.deep: "seed" is a value, not a section'),
        ("seed=many", "seed: input should be a valid integer"),
    ],
)
def test_a_fault_in_an_override_says_that_it_came_from_there(
    tmp_path: Path, override: str, says: str
) -> None:
    said = _fault(tmp_path, {"sources": SOURCES, "seed": 1}, override)
    assert says in said
    assert "--set" in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1\nb: {", "not valid YAML: line 2: expected ',' or ']'"),
        ("a:\n\t- b", "not valid YAML: line 2: found character '\\t'"),
        ("a: \x07", "not valid YAML: unacceptable character"),
        ("a: !!python/object:os.system {}", "not valid YAML: line 1: could not determine a constructor"),
        ("seed: 1\nseed: 2", 'not valid YAML: line 2: the key "seed" stands here a second time'),
        ("", "a recipe is a mapping with at least `sources`"),
        ("- web", "a recipe is a mapping with at least `sources`"),
        ("name: x", "sources: this key is needed and is not there"),
        ("sources: []", "sources: list should have at least 1 item"),
        ("sources: [{name: web}]", "sources.0.path: this key is needed and is not there"),
        ("sources: [web]", "sources.0: this is a section with keys of its own (found 'web')"),
        ("sources: [{name: web, path: ''}]", "sources.0.path: an empty path"),
        ("sources: [{name: web, path: []}]", "sources.0.path: an empty path"),
        ("sources: [{name: web, path: 3}]", "sources.0.path: input should be a valid string (found 3)"),
    ],
)
def test_what_is_no_recipe_is_told_with_its_line_or_key(tmp_path: Path, text: str, says: str) -> None:
    assert says in _fault(tmp_path, text)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"seed": "many"}, "seed: input should be a valid integer"),
        ({"seed": -1}, "seed: input should be greater than or equal to 0 (found -1)"),
        ({"name": "a/b"}, "name: string should match pattern"),
        ({"shard_bytes": "lots"}, "shard_bytes: input should be a valid integer"),
        ({"shard_bytes": 0}, "shard_bytes: input should be greater than 0 (found 0)"),
        ({"rules": None}, "rules: this is a section with keys of its own (found None)"),
        ({"rules": {"custom": {"short": 3}}}, "rules.custom.short: input should be a valid string (found 3)"),
        (
            {"dedup": {"near": {"similarity": 2}}},
            "dedup.near.similarity: input should be less than or equal to 1",
        ),
        ({"pii": {"kinds": ["mail"]}}, "pii.kinds.0: input should be 'email'"),
        ({"runner": {"workers": -1}}, "runner.workers: input should be greater than or equal to 0"),
        (
            {"tokenizer": {"vocab_size": 10}},
            "tokenizer.vocab_size: input should be greater than or equal to 260",
        ),
        ({"mixture": {"budget": "lots"}}, 'mixture.budget: a budget is written "20M tokens"'),
    ],
)
def test_a_value_of_the_wrong_type_or_size_is_shown(
    tmp_path: Path, section: dict[str, Any], says: str
) -> None:
    assert says in _fault(tmp_path, {"sources": SOURCES} | section)


def _phase(**fields: object) -> dict[str, Any]:
    return {"mixture": {"phases": [{"name": "main", **fields}]}}


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"sources": [SOURCES[0], SOURCES[0]]}, 'two sources or instructions are named "web"'),
        (
            {"instructions": [{"name": "web", "path": "x.jsonl"}]},
            'two sources or instructions are named "web"',
        ),
        (_phase(weights={"web": 0}), "the weights sum to nothing: give one source more than 0"),
        (_phase(weights={"webb": 1}), 'weights names "webb", which is no source. Did you mean "web"?'),
        (_phase(share=0.5), "the shares of the phases sum to 0.5, not to 1"),
        ({"quality": {"positive": ["boks"], "negative": ["web"]}}, 'Did you mean "books"?'),
        ({"pretrain": {}}, "pretrain needs a section tokenizer"),
        ({"sft": {}}, "sft needs a section pretrain"),
        ({"tokenizer": {}, "pretrain": {}, "sft": {}}, "sft needs instructions"),
        (
            {"tokenizer": {}, "pretrain": {"preset": "lama-3m"}},
            'there is no preset "lama-3m". Did you mean "llama-3m"?',
        ),
        ({"tokenizer": {}, "pretrain": {"tokens": 1, "steps": 1}}, "give steps or tokens, not both"),
    ],
)
def test_sections_that_do_not_fit_together_are_refused(
    tmp_path: Path, section: dict[str, Any], says: str
) -> None:
    assert says in _fault(tmp_path, {"sources": SOURCES} | section)


def test_a_recipe_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no\.yaml: cannot read the recipe: No such file"):
        load_recipe(str(tmp_path / "no.yaml"), [])
    with pytest.raises(RecipeError, match="cannot read the recipe: Is a directory"):
        load_recipe(str(tmp_path), [])


def _recipe(folder: Path, **sections: Any) -> Recipe:
    (folder / "web.jsonl").write_text('{"text": "a"}\n')
    values = {"sources": [{"name": "web", "path": str(folder / "web.jsonl")}], "out": str(folder / "out")}
    return parse_recipe(values | sections, "recipe")


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"signals": ["gophr"]}, 'signals: unknown family of signals "gophr". Did you mean "gopher"?'),
        ({"transforms": ["unicod"]}, 'transforms: unknown transform "unicod". Did you mean "unicode"?'),
        ({"rules": {"sets": ["gopher_qualty"]}}, 'rules.sets: unknown rule set "gopher_qualty"'),
        (
            {"rules": {"custom": {"short": "n_word > 3"}}},
            'rule short: unknown column "n_word". Did you mean "n_words"?',
        ),
        ({"rules": {"custom": {"short": "n_words >"}}}, "rule short: syntax error at or near"),
        ({"rules": {"custom": {"short": "n_words > avg(n_words)"}}}, "rule short: "),
        ({"rules": {"custom": {"good": "quality > 0.5"}}}, 'rule good: unknown column "quality"'),
        ({"signals": ["c4"]}, 'Let it be computed (signals: in the recipe), or take "'),
        (
            {"dedup": {"survivor": "n_byte DESC"}},
            'dedup.survivor: unknown column "n_byte". Did you mean "n_bytes"?',
        ),
        (_phase(where="n_word > 3"), 'mixture.phases.0 (main), where: unknown column "n_word"'),
        (_phase(order="n_bytes SIDEWAYS"), "mixture.phases.0 (main), order: not SQL"),
        ({"quality": {}}, "quality: neither sources to learn from nor a ready model are named"),
        ({"quality": {"model": "/no/model.bin"}}, 'quality.model: no such file: "/no/model.bin"'),
        ({"tokenizer": {"path": "/no/tokenizer.json"}}, 'tokenizer.path: no such file: "/no/tokenizer.json"'),
        (
            {"signal_options": {"language_model": "/no/lid.ftz"}},
            'signal_options.language_model: no such file: "/no/lid.ftz"',
        ),
        (
            {"signals": ["language", "bad_words"]},
            'signals: the family "bad_words" needs a file for each language',
        ),
        (
            {"signal_options": {"url_domains": ["domains.txt"]}},
            'signal_options: url_domains or url_words is named, and the family "url" that uses it is not among',
        ),
        (
            {
                "signals": ["bad_words"],
                "signal_options": {"bad_words": {"en": "en.txt"}},
                "rules": {"sets": []},
            },
            'signals: the family "bad_words" goes by the language of a document. Add language to signals.',
        ),
        (
            {"signals": ["language", "perplexity"], "rules": {"sets": []}},
            'signals: the family "perplexity" needs a file for each language',
        ),
        (
            {"rules": {"custom": {"short": {"keep": "true", "where": "sorce = 'web'"}}}},
            'rule short, where: unknown column "sorce". Did you mean "source"?',
        ),
        (
            {"sources": [{"name": "web", "path": "/no/*.jsonl"}]},
            'source "web": no file matches "/no/*.jsonl"',
        ),
        (
            {"instructions": [{"name": "chat", "path": "/no.jsonl"}]},
            'source "chat": no such file: "/no.jsonl"',
        ),
        (
            {"tokenizer": {}, "pretrain": {"seq_len": 300}},
            "pretrain.batch_tokens: 8,192 tokens do not divide into rows of 300. Choose a multiple, such as 8100",
        ),
        ({"tokenizer": {}, "pretrain": {"seq_len": 0}}, "pretrain.seq_len: a model needs a context"),
    ],
)
def test_what_a_recipe_names_is_looked_up_before_any_work(
    tmp_path: Path, sections: dict[str, Any], says: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        check_recipe(_recipe(tmp_path, **sections), list(STEPS))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_step_that_reads_no_input_does_not_ask_for_it(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, sources=[{"name": "web", "path": "/no/*.jsonl"}])
    check_recipe(recipe, ["filter", "dedup"])


def test_texts_of_documents_that_fail_a_rule_are_not_kept_where_the_recipe_says_so(tmp_path: Path) -> None:
    from dataflow.curate import curate
    from dataflow.rules.evaluate import filter_part
    from dataflow.store.shards import plan_shards
    from dataflow.store.storage import Storage
    from flows.curate import curation_of

    recipe = _recipe(tmp_path, signals=["gopher"], rules={"sets": [], "custom": {"long": "n_words >= 2"}})
    (tmp_path / "web.jsonl").write_text(
        '{"text": "short", "author": "me"}\n{"text": "long enough", "author": "me"}\n'
    )
    recipe = recipe.model_copy(update={"keep_dropped": False})
    store = Storage(recipe.folder)
    (shard,) = plan_shards(recipe.sources[0], recipe.shard_bytes)
    curate(shard, curation_of(recipe, "web", []), store)
    part = f"web/{shard.name}"
    documents = store.read_table(f"documents/{part}.parquet")
    assert documents["text"].to_pylist() == [None, "long enough"]
    assert documents["metadata"].to_pylist() == [None, '{"author":"me"}']
    assert documents["n_bytes"].to_pylist() == [5, 11]  # of the texts that were measured
    assert None not in documents["exact_hash"].to_pylist()

    filter_part(store, "web", shard.name, recipe.rules)
    decided = pq.read_table(tmp_path / "out" / "decisions" / "filter" / f"{part}.parquet")
    assert decided["passed"].to_pylist() == [False, True]
    looser = recipe.rules.model_copy(update={"custom": {"long": "n_words >= 1"}})
    with pytest.raises(DataflowError, match="rules have changed since texts were dropped"):
        filter_part(store, "web", shard.name, looser)
