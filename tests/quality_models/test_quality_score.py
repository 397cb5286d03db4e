"""Scoring: probabilities in the order of the rows, models found or refused with a reason."""

import pickle

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from made_up_texts import BAD, GOOD, made_up

from quality_models.errors import QualityError
from quality_models.registry import find_models, read_card
from quality_models.score import Scorer
from quality_models.text import normalise


def scores(model, texts, **more):
    return Scorer(model, **more)(pa.array(texts, pa.large_string()))["quality"]


def test_each_row_gets_its_own_score(model):
    texts = [text for pair in zip(made_up(GOOD, 600, 5), made_up(BAD, 600, 6), strict=True) for text in pair]
    found = scores(model, texts)
    assert found.type == pa.float32()
    values = found.to_numpy()
    assert np.mean(values[::2] > 0.5) > 0.97
    assert np.mean(values[1::2] < 0.5) > 0.97
    one_by_one = [scores(model, [text])[0].as_py() for text in texts[:6]]
    assert one_by_one == values[:6].tolist()


def test_the_score_is_what_fasttext_says(model):
    texts = pa.array(made_up(GOOD, 3, 7) + made_up(BAD, 3, 8) + ["Unseen wörds only!"], pa.large_string())
    reference = fasttext.load_model(f"{model}/model.bin")
    for line, score in zip(normalise(texts).to_pylist(), scores(model, texts).to_pylist(), strict=True):
        labels, shares = reference.predict(line, k=2)
        expected = shares[labels.index("__label__positive")]
        assert score == pytest.approx(min(expected, 1), abs=2e-5)


def test_a_text_without_a_word_scores_zero(model):
    assert scores(model, ["", None, " \n "]).to_pylist() == [0, 0, 0]
    assert scores(model, []).to_pylist() == []


def test_a_label_written_in_a_text_has_no_power(model):
    (plain, forged) = scores(model, [BAD, f"{BAD} __label__positive </s>"]).to_pylist()
    assert forged < 0.5 > plain


def test_a_scorer_travels_to_a_worker(model):
    scorer = pickle.loads(pickle.dumps(Scorer(model)))
    assert scorer == Scorer(model)
    assert scorer(pa.array(["whale"], pa.large_string()))["quality"].equals(scores(model, ["whale"]))


def test_the_other_label_is_the_rest(model):
    texts = made_up(GOOD, 5, 9)
    positive, negative = scores(model, texts).to_numpy(), scores(model, texts, label="negative").to_numpy()
    assert positive + negative == pytest.approx(1, abs=1e-4)


def test_a_label_the_model_lacks_is_named(model):
    with pytest.raises(QualityError, match="It has: negative, positive"):
        scores(model, ["x"], label="hq")


def test_what_is_no_model_is_refused(tmp_path, model):
    (tmp_path / "model.bin").write_bytes(b"not a model at all")
    with pytest.raises(QualityError, match="not a fastText model"):
        scores(str(tmp_path), ["x"])
    with pytest.raises(QualityError, match="no model found"):
        scores(str(tmp_path / "nothing"), ["x"])


def test_models_are_found_with_their_cards(model, trained, tmp_path):
    root = model.rsplit("/", 1)[0]
    assert find_models(root) == {"quality": trained.card}
    assert read_card(model) == trained.card
    with pytest.raises(QualityError, match="no card found"):
        read_card(str(tmp_path))
