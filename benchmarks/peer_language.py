"""The peer's side of ``language.py``: CPU seconds of datatrove's LanguageFilter, the least of three rounds.

Run by the peer's Python (see ``peer.py``). Input: ``texts`` by the name of their group, ``language_model``.
"""

import json
import sys
import time

from datatrove.data import Document
from datatrove.pipeline.filters import LanguageFilter
from fasttext.FastText import _FastText


def least_seconds(step: LanguageFilter, texts: list[str]) -> float:
    """CPU seconds of the quickest round over the documents."""
    documents = [Document(text=text, id="") for text in texts]
    seconds = []
    for _ in range(3):
        begun = time.process_time()
        for document in documents:
            step.filter(document)
        seconds.append(time.process_time() - begun)
    return min(seconds)


if __name__ == "__main__":
    asked = json.loads(sys.stdin.read())
    step = LanguageFilter(backend="ft176")
    step.model._model = _FastText(asked["language_model"])  # instead of the one it would fetch
    print(json.dumps({name: least_seconds(step, texts) for name, texts in asked["texts"].items()}))
