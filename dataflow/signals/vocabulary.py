"""How rich the words are: each distinct one is counted, in a pass of its own over the words of the scan."""

from dataflow.signals.characters import REDPAJAMA, all_words
from dataflow.signals.signal import Counts, Values, share, signal


@signal(unit="share", reference=REDPAJAMA + "rps_doc_frac_unique_words")
def unique_word_share(counts: Counts) -> Values:
    """Distinct words, lower-cased, among words; without spaces each character is a word."""
    return share(counts["distinct_words"], all_words(counts))


@signal(unit="nats", reference=REDPAJAMA + "rps_doc_unigram_entropy")
def word_entropy(counts: Counts) -> Values:
    """Shannon entropy of the words, lower-cased: - sum of p ln p over distinct words."""
    return counts["word_entropy_millionths"] / 1e6


SIGNALS = (unique_word_share, word_entropy)
