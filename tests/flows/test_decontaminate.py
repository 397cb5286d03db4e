"""Step ``decontaminate`` in the line: items planted in documents and conversations are found, whatever the shards."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from outputs import made_since, manifests

import dataflow as df
from dataflow.errors import RecipeError
from flows.recipe import parse_recipe
from flows.recipe_check import check_recipe

Line = Callable[..., None]

CAPITALS = [
    f"In which year was the city of {name} made the capital of its country for the first time in history?"
    for name in ("Bern", "Ankara", "Brasilia", "Canberra", "Abuja", "Ottawa")
]
ANSWERS = [
    f"It was in {year}, by a vote that was close, and not all were pleased." for year in range(1901, 1907)
]
NOBODY = "How many of the lamps along the long pier were still lit after the storm of that night?"
PROSE = (
    "The wind came in from the north-east and the boats stayed where they were. Day {} of it was the worst. "
    * 6
)
HELD = {  # planted at the end of document n
    3: CAPITALS[0].upper(),
    40: f"{CAPITALS[1]}\n{ANSWERS[1]}",
    77: CAPITALS[2].replace(" ", "\n  ").replace("?", " !!"),
    78: f"{CAPITALS[2]} {CAPITALS[3]}",
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe whose documents and conversations hold items of its sets."""
    folder = tmp_path_factory.mktemp("planted")
    texts = {f"{n // 60}.jsonl": [] for n in range(120)}
    for n in range(120):
        text = PROSE.format(*[n * n + k for k in range(6)]) + " ".join(f"n{n}w{k}" for k in range(40))
        texts[f"{n // 60}.jsonl"].append(f"{text}\n\n{HELD.get(n, '')}")
    (folder / "text").mkdir()
    for name, lines in texts.items():
        (folder / "text" / name).write_text("".join(json.dumps({"text": text}) + "\n" for text in lines))
    items = [{"id": f"c{n}", "question": asked, "answer": ANSWERS[n]} for n, asked in enumerate(CAPITALS)]
    items += [{"id": "tiny", "question": "Who is it?", "answer": ""}]
    (folder / "capitals.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (folder / "pier.json").write_text(json.dumps([{"query": NOBODY, "choices": ["four", "none"], "gold": 1}]))
    turns = [(CAPITALS[4], "I do not know."), ("And then?", f"You said: {CAPITALS[5]} {ANSWERS[5]}")]
    turns += [(f"Say {n}.", f"{n}, as you asked.") for n in range(30)]
    chat = [{"instruction": asked, "input": "", "output": said} for asked, said in turns]
    (folder / "chat.json").write_text(json.dumps(chat))
    recipe = {
        "name": "planted",
        "sources": [{"name": "text", "path": str(folder / "text")}],
        "shard_bytes": "20K",
        "signals": [],
        "rules": {"sets": []},
        "dedup": {"near": False},
        "decontaminate": {"sets": [str(folder / "capitals.jsonl"), str(folder / "pier.json")]},
        "instructions": [{"name": "chat", "path": str(folder / "chat.json")}],
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def clean(in_process: Line, planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the whole line on it."""
    out = tmp_path_factory.mktemp("clean") / "out"
    in_process("run", planted, "--out", out)
    return out


def ask(out: Path, sql: str) -> list[tuple[object, ...]]:
    with df.connect(str(out)) as con:
        return con.execute(sql).fetchall()


def test_every_planted_document_and_conversation_is_found_and_no_other(clean: Path) -> None:
    found = ask(clean, "SELECT split_part(id, '/', 1), id, item, part FROM contamination ORDER BY id, item")
    texts = {n: f"text/{n // 60}.jsonl#{n % 60}" for n in HELD}
    assert found == [
        ("chat", "chat/chat.json#0", "c4", "prompt"),
        ("chat", "chat/chat.json#1", "c5", "prompt+answer"),
        ("text", texts[3], "c0", "prompt"),
        ("text", texts[40], "c1", "prompt+answer"),
        ("text", texts[77], "c2", "prompt"),
        ("text", texts[78], "c2", "prompt"),
        ("text", texts[78], "c3", "prompt"),
    ]


def test_they_are_neither_in_the_corpus_nor_in_a_split(clean: Path, in_process: Line) -> None:
    fates = dict(ask(clean, "SELECT fate, count(*) FROM ledger WHERE source = 'text' GROUP BY fate"))
    assert fates["contaminated"] == len(HELD)
    assert sum(fates.get(fate, 0) for fate in ("train", "validation", "unused")) == 120 - len(HELD)
    assert ask(clean, "SELECT id FROM plan JOIN contamination USING (id)") == []
    assert ask(clean, "SELECT count(*) FROM ledger WHERE source = 'chat' AND fate = 'contaminated'") == [(2,)]
    in_process("check", clean)


@pytest.fixture
def copy(clean: Path, tmp_path: Path) -> Path:
    """The run, in a folder that may be changed."""
    return shutil.copytree(clean, tmp_path / "copy")


def test_another_action_is_decided_again_from_the_same_index_and_no_sets_leave_nothing(
    in_process: Line, planted: Path, copy: Path
) -> None:
    before = manifests(copy)
    in_process("decontaminate", planted, "--out", copy)
    assert not made_since(before, copy)
    in_process("decontaminate", planted, "--out", copy, "--set", "decontaminate.action=annotate")
    assert set(made_since(before, copy)) == {"decontaminate"}
    assert ask(copy, "SELECT DISTINCT action FROM contamination WHERE id LIKE 'text/%'") == [("annotate",)]
    in_process("decontaminate", planted, "--out", copy, "--set", "decontaminate=null")
    assert ask(copy, "SELECT count(*) FROM contamination WHERE id LIKE 'text/%'") == [(0,)]


def test_what_is_cut_is_not_in_the_corpus(in_process: Line, planted: Path, copy: Path) -> None:
    for step in ("decontaminate", "mix"):
        in_process(step, planted, "--out", copy, "--set", "decontaminate.action=cut")
    in_process("check", copy)
    assert ask(copy, "SELECT DISTINCT action FROM contamination WHERE id LIKE 'text/%'") == [("cut",)]
    drawn = ask(copy, "SELECT count(DISTINCT id) FROM corpus")
    assert drawn == ask(
        copy, "SELECT count(*) FROM ledger WHERE source = 'text' AND fate IN ('train', 'validation')"
    )
    held = r"SELECT count(*) FROM corpus WHERE regexp_matches(lower(text), 'made\s+the\s+capital\s+of')"
    assert ask(copy, held) == [(0,)]
    assert ask(copy, held.replace("corpus", "documents")) == [(len(HELD),)]


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"sets": ["a.jsonl"], "ngrm": 8}, 'decontaminate.ngrm: unknown key "ngrm". Did you mean "ngram"?'),
        (
            {"sets": [{"name": "a", "path": "x", "promt": ["q"]}]},
            'unknown key "promt". Did you mean "prompt"?',
        ),
        ({"sets": [{"path": "x"}]}, "decontaminate.sets.0.name: this key is needed"),
        ({"sets": []}, "decontaminate.sets: list should have at least 1 item"),
        ({"ngram": 13}, "decontaminate.sets: this key is needed"),
        ({"sets": ["/gone/*.jsonl"]}, 'no file matches "/gone/*.jsonl"'),
    ],
)
def test_a_wrong_section_is_refused_before_any_work(section: dict[str, object], says: str) -> None:
    with pytest.raises(RecipeError) as error:
        recipe = parse_recipe({"sources": [{"name": "a", "path": "x"}], "decontaminate": section}, "r.yaml")
        check_recipe(recipe, ["decontaminate"])
    assert says in str(error.value)
