"""Our reading of fastText models against fastText itself: same labels, same scores, and no trust in the file."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataflow.errors import DataflowError
from dataflow.kernels import fasttext_words
from dataflow.kernels.arrow import buffers
from dataflow.kernels.fasttext_model import classifier, probability

fasttext = pytest.importorskip("fasttext")
fasttext.FastText.eprint = lambda *arguments, **options: None

WORDS = {
    "sea": "whale ship sea salt deck mast sail captain harpoon \u043a\u0438\u0442 \u9be8 </s>",
    "law": "court judge law clause party article treaty \u0437\u0430\u043a\u043e\u043d \u6cd5\u5f8b paragraph",
    "food": "bread butter salt soup dish cook oven \u0441\u0443\u043f \u6c64 spoon plate",
}

KINDS = {
    "softmax, word pairs": {"loss": "softmax", "wordNgrams": 2, "bucket": 500},
    "softmax, parts and triples": {"loss": "softmax", "minn": 2, "maxn": 4, "wordNgrams": 3, "bucket": 700},
    "hierarchical, parts": {"loss": "hs", "minn": 1, "maxn": 5, "bucket": 300, "dim": 16},
    "one against all": {"loss": "ova", "minn": 3, "maxn": 3, "bucket": 100},
    "negative sampling": {"loss": "ns", "bucket": 50},
    "two labels": {"loss": "softmax", "wordNgrams": 2, "bucket": 500, "labels": 2},
    "two labels, hierarchical": {"loss": "hs", "wordNgrams": 2, "bucket": 500, "labels": 2},
    "two labels, parts": {"loss": "softmax", "minn": 2, "maxn": 3, "wordNgrams": 3, "bucket": 500, "labels": 2},
    "two labels, pruned": {"wordNgrams": 3, "bucket": 700, "labels": 2, "quantise": {"cutoff": 400}},
    "quantised": {"loss": "softmax", "minn": 2, "maxn": 4, "bucket": 700, "quantise": {}},
    "quantised with norms": {"loss": "softmax", "wordNgrams": 2, "bucket": 500, "quantise": {"qnorm": True}},
    "quantised and pruned": {
        "loss": "hs", "minn": 2, "maxn": 4, "wordNgrams": 2, "bucket": 700, "dim": 7,
        "quantise": {"cutoff": 400, "qnorm": True},
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A small model of each kind."""
    folder = tmp_path_factory.mktemp("fasttext")
    random = np.random.default_rng(7)
    paths = {}
    for number, (kind, options) in enumerate(KINDS.items()):
        options = dict(options)
        quantise = options.pop("quantise", None)
        labels = list(WORDS)[: options.pop("labels", 3)]
        lines = []
        for _ in range(300):
            label = labels[int(len(labels) * random.random() ** 1.5)]  # not equally common
            lines.append(f"__label__{label} {' '.join(random.choice(WORDS[label].split()[:-1], 12))}\n")
        train = folder / f"{number}.txt"
        train.write_text("".join(lines), encoding="utf-8")
        options = {
            "dim": 10,
            "epoch": 15,
            "minCount": 1,
            "thread": 1,
            "seed": 3,
            "verbose": 0,
            "lr": 0.3,
        } | options
        model = fasttext.train_supervised(input=str(train), **options)
        if quantise is not None:
            model.quantize(input=str(train), verbose=0, **quantise)
        paths[kind] = str(folder / f"{number}.{'bin' if quantise is None else 'ftz'}")
        model.save_model(paths[kind])
    return paths


def best(path: str, texts: list[str], k: int) -> list[list[tuple[str, float]]]:
    model = classifier(path)
    data, offsets = buffers(pa.array(texts, pa.large_string()))
    found, scores = model.top(data, offsets[:-1], offsets[1:], np.arange(len(offsets)), k)
    return [
        [(model.names[label], score) for label, score in zip(row, values, strict=True) if label >= 0]
        for row, values in zip(found.tolist(), scores.tolist(), strict=True)
    ]


def assert_is_fasttexts(reference, path: str, texts: list[str], k: int = 3) -> None:
    for text, found in zip(texts, best(path, texts, k), strict=True):
        labels, scores = reference.predict(text.replace("\n", " "), k=k)
        expected = {
            label.removeprefix("__label__"): score for label, score in zip(labels, scores, strict=True)
        }
        assert [score for _, score in found] == pytest.approx(np.minimum(scores, 1).tolist(), abs=1e-4), text
        # the order may differ only where the scores do not
        for label, score in found:
            if sum(abs(other - score) < 1e-5 for other in scores) < 2 and score > 2e-5:
                assert expected[label] == pytest.approx(score, abs=1e-4), text


COMMANDS = [
    "</s>",
    "__label__sea",
    "__label__",
    "__label__new",
    "x" * 30,
    "\u00e9" * 13,
    "<",
    ">",
    "\U0001f40b",
]
SPACES = ["\0", "\t", "\v", "\f", "\r", "\n", "\u00a0", "\u3000", "\u2028", "\u0085"]
pieces = st.sampled_from([*" ".join(WORDS.values()).split(), *COMMANDS, *SPACES])
written = st.lists(pieces | st.text(max_size=12), max_size=25).map(" ".join) | st.text(max_size=60)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(texts=st.lists(written, min_size=1, max_size=4))
@example(
    texts=["", " ", "\0", "</s>", "whale </s> court court", "__label__sea", "a" * 5000, "\U0001f40b" * 999]
)
def test_labels_and_scores_are_those_of_fasttext(files, kind, texts):
    assert_is_fasttexts(loaded(files[kind]), files[kind], texts)


_LOADED: dict = {}


def loaded(path: str):
    if path not in _LOADED:
        _LOADED[path] = fasttext.load_model(path)
    return _LOADED[path]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(texts=st.lists(written, min_size=1, max_size=4))
def test_the_probability_of_one_label_is_that_of_fasttext(files, kind, texts):
    data, offsets = buffers(pa.array(texts, pa.large_string()))
    scores = probability(files[kind], "law").of(data, offsets)
    for text, score in zip(texts, scores.tolist(), strict=True):
        labels, shares = loaded(files[kind]).predict(text.replace("\n", " "), k=-1)
        expected = dict(zip(labels, shares, strict=True)).get("__label__law", 0)
        assert score == pytest.approx(min(expected, 1), abs=1e-4)


def test_two_labels_are_folded_to_one_number_a_row(files):
    assert probability(files["two labels"], "law").words.rows.shape[1] == 1
    assert probability(files["two labels, hierarchical"], "sea").words.rows.shape[1] == 1
    assert probability(files["softmax, word pairs"], "law").labels is not None


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(written, min_size=2, max_size=8), cached=st.sampled_from([1, 1 << 8, 1 << 18]))
def test_a_sum_is_the_same_to_the_bit_whatever_came_before_it(files, texts, cached, monkeypatch_session):
    words = classifier(files["hierarchical, parts"]).words
    data, offsets = buffers(pa.array(texts, pa.large_string()))
    whole, counts = words.sums(data, offsets[:-1], offsets[1:], np.arange(len(offsets)))
    monkeypatch_session.setattr(fasttext_words, "CACHE_FLOATS", cached)
    for row in range(len(texts)):
        alone, count = words.sums(data, offsets[row : row + 1], offsets[row + 1 : row + 2], np.arange(2))
        assert alone.tobytes() == whole[row : row + 1].tobytes()
        assert count == counts[row]


@pytest.fixture(scope="session")
def monkeypatch_session():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_pieces_of_a_text_are_read_as_if_white_space_lay_between_them(files):
    text = "whale court\u043a\u0438\u0442 soup"
    data, _ = buffers(pa.array([text], pa.large_string()))
    words = classifier(files["softmax, parts and triples"]).words
    starts, ends = np.array([0, 6, 11]), np.array([5, 11, len(data)])
    split = words.sums(data, starts, ends, np.array([0, 3, 3]))
    data, offsets = buffers(pa.array(["whale court \u043a\u0438\u0442 soup", ""], pa.large_string()))
    joined = words.sums(data, offsets[:-1], offsets[1:], np.arange(3))
    assert [part.tolist() for part in split] == [part.tolist() for part in joined]


@pytest.mark.parametrize("kind", ["softmax, word pairs", "quantised with norms", "quantised and pruned"])
def test_a_file_cut_anywhere_is_refused(files, kind, tmp_path: Path):
    content = Path(files[kind]).read_bytes()
    cut = tmp_path / "cut.bin"
    for length in {0, 1, 7, 8, 50, 63, 64, 90, 200, len(content) // 3, len(content) // 2, len(content) - 1}:
        cut.write_bytes(content[:length])
        with pytest.raises(DataflowError, match=r"cut\.bin"):
            classifier(str(cut))


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, 1 << 20), value=st.integers(0, 255), head=st.booleans())
def test_a_damaged_file_is_read_or_refused_but_never_read_past_its_end(
    files, tmp_path_factory, place, value, head
):
    kind = "quantised and pruned"
    content = bytearray(Path(files[kind]).read_bytes())
    content[place % (1200 if head else len(content))] = value
    damaged = tmp_path_factory.mktemp("damaged") / "model.ftz"
    damaged.write_bytes(content)
    with suppress(DataflowError):
        best(str(damaged), ["whale court </s>", "x"], 2)


def test_what_is_no_classifier_is_refused_with_a_reason(tmp_path: Path):
    with pytest.raises(DataflowError, match="cannot be read"):
        classifier(str(tmp_path / "none.bin"))
    other = tmp_path / "other.bin"
    other.write_bytes(b"not a model, but long enough to hold a header of one" * 3)
    with pytest.raises(DataflowError, match="its first bytes are others"):
        classifier(str(other))
    lines = tmp_path / "lines.txt"
    lines.write_text("whale ship sea\n" * 50)
    vectors = fasttext.train_unsupervised(
        str(lines), dim=4, minCount=1, bucket=10, epoch=1, thread=1, verbose=0
    )
    vectors.save_model(str(other))
    with pytest.raises(DataflowError, match="word vectors, not a classifier"):
        classifier(str(other))
