"""Training: measured on what was held out, the same bytes twice, faults explained, real text told apart."""

import random

import numpy as np
import pyarrow as pa
import pytest
from made_up_texts import BAD, GOOD, SMALL, made_up, stream
from pydantic import ValidationError

from dataflow.store.storage import Storage
from quality_models.config import Quality
from quality_models.errors import QualityError
from quality_models.sample import draw
from quality_models.train import VERSION, train, train_quality


def test_the_output_folder_gets_model_and_card(tmp_path, trained):
    store = Storage(str(tmp_path))
    positive, negative = stream(made_up(GOOD, 400, 1)), stream(made_up(BAD, 500, 2))
    made = train_quality(store, SMALL, positive, negative, seed=1)
    assert made.outputs == tuple(f"models/quality/{name}" for name in ("card.json", "card.md", "model.bin"))
    assert store.read_bytes("models/quality/model.bin") == trained.model
    card = store.read_json("models/quality/card.json")
    assert (card["positive"], card["negative"]) == (["books"], ["web"])
    assert (card["offered_positive"], card["offered_negative"]) == (400, 500)
    assert card["trained_positive"] + card["evaluation"]["positive"] == 400  # as many of one as of the other
    assert card["trained_negative"] + card["evaluation"]["negative"] == 400
    assert made.counts["trained_documents"] + made.counts["held_out_documents"] == 800
    assert "\n| positive | books | 400 | 361 | 39 |\n" in store.read_bytes("models/quality/card.md").decode()


def test_unlike_texts_are_told_apart(trained):
    assert trained.card.evaluation.auc > 0.99
    assert trained.card.evaluation.accuracy > 0.95


def test_the_same_bytes_twice_in_whatever_order_documents_come(trained):
    good, bad = made_up(GOOD, 400, 1), made_up(BAD, 500, 2)
    again = train(SMALL, stream(good[::-1], 7), stream(bad[100:] + bad[:100], 500), seed=1)
    assert again.model == trained.model
    assert again.card == trained.card


def test_another_seed_is_another_model(trained):
    other = train(SMALL, stream(made_up(GOOD, 400, 1)), stream(made_up(BAD, 500, 2)), seed=2)
    assert other.model != trained.model


def test_the_model_of_this_version(trained):
    """Golden: when this changes, raise VERSION. Counts only, since floats may differ between kinds of CPU."""
    assert VERSION == 2
    assert (trained.card.evaluation.positive, trained.card.evaluation.negative) == (39, 41)
    assert trained.card.n_bytes == 77_893


def test_the_sample_is_bounded_and_balanced():
    sample = draw(stream(made_up(GOOD, 300, 1)), stream(made_up(BAD, 900, 2)), 150, 0.2, seed=1)
    assert len(sample.texts) == 300
    assert sample.labels.sum() == 150
    assert 30 < sample.held_out.sum() < 90


@pytest.mark.parametrize("order", range(5))
def test_which_documents_are_drawn_does_not_depend_on_order(order):
    good, bad = made_up(GOOD, 130, 1), made_up(BAD, 130, 2)
    shuffled = random.Random(order).sample(good, len(good))
    one = draw(stream(good), stream(bad), 110, 0.2, seed=1)
    other = draw(stream(shuffled, 11), stream(bad), 110, 0.2, seed=1)
    assert one.texts.equals(other.texts)
    assert (one.held_out == other.held_out).all()


def test_repeated_and_shared_texts_do_not_count():
    good, bad = made_up(GOOD, 200, 1), made_up(BAD, 200, 2)
    sample = draw(stream(good + good + bad[:20]), stream(bad + good[:30]), 1_000, 0.2, seed=1)
    texts = sample.texts.to_pylist()
    assert len(texts) == len(set(texts)) == 2 * 170
    assert not set(sample.texts.filter(pa.array(sample.labels)).to_pylist()) & set(bad[:20])


@pytest.mark.parametrize(
    ("good", "bad", "says"),
    [
        (made_up(GOOD, 40, 1), made_up(BAD, 200, 2), "the positive class has 40 usable documents of 40 read"),
        (made_up(GOOD, 200, 1), [], "the negative class has 0 usable"),
        (["same"] * 500, made_up(BAD, 200, 2), "the positive class has 1 usable documents of 500"),
        (made_up(GOOD, 200, 1), made_up(GOOD, 200, 1), "has 0 usable documents of 200"),
        ([" \n"] * 300, made_up(BAD, 200, 2), "has 0 usable documents of 300"),
    ],
)
def test_too_little_to_learn_from_is_refused(good, bad, says):
    with pytest.raises(QualityError, match=says):
        train(SMALL, stream(good), stream(bad), seed=1)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"positive": ["a", "b"], "negative": ["b"]}, "source b is both"),
        ({"positive": ["a"]}, "needed together"),
        ({"positive": ["a"], "negative": ["b"], "model": "m.bin"}, "either a ready model"),
    ],
)
def test_a_section_that_means_nothing_is_refused(section, says):
    with pytest.raises(ValidationError, match=says):
        Quality(**section)


LESS = Quality(dim=16, buckets=50_000)


def pieces(texts, characters=1_500):
    """Long texts cut to documents."""
    return [text[n : n + characters] for text in texts for n in range(0, len(text), characters)]


def test_prose_against_text_messages(real):
    prose = pieces(real("text/brown.jsonl.gz"))[:1_000]
    trained = train(LESS, stream(prose), stream(real("quality/sms_spam.jsonl.gz")[:1_000]), seed=1)
    assert trained.card.evaluation.auc > 0.995
    assert len(trained.model) < 50_000_000


def test_mail_against_spam(real):
    spam = [text[:2_000] for text in real("quality/spam_assassin.jsonl.gz", label="spam")[:500]]
    mail = [text[:2_000] for text in real("quality/spam_assassin.jsonl.gz", label="ham")[:500]]
    trained = train(LESS, stream(mail), stream(spam), seed=1)
    assert trained.card.evaluation.auc > 0.95


def test_what_people_keep_for_pretraining_is_learnable_from_a_few_hundred_labels(real):
    keep = real("quality/dclm_human_quality.jsonl.gz", label=1)
    drop = real("quality/dclm_human_quality.jsonl.gz", label=0)
    config = Quality(held_out=0.3, epochs=15, dim=16, buckets=20_000)
    aucs = [train(config, stream(keep), stream(drop), seed=seed).card.evaluation.auc for seed in (1, 2)]
    assert np.mean(aucs) > 0.65
