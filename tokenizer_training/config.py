"""The recipe's ``tokenizer`` section, and the names that every tokenizer of this project shares.

Importing this is cheap: the command line reads it for ``--help``. The patterns are in the family of the ones
that GPT-2 and GPT-4 cut text with, with two changes. Every run is capped at 64 characters: BPE takes time
quadratic in the length of a piece, and one line of 400,000 equal letters made training eight times slower.
Combining marks belong to the word they stand in, so that Hindi, Thai or pointed Arabic are not cut inside a
syllable.
"""

from typing import Literal

from pydantic import Field

from dataflow.config import Config, Size

END_OF_TEXT = "<|endoftext|>"
"""Ends every document; also the padding token."""
TURN_START = "<|im_start|>"
"""Opens a turn of a conversation (ChatML)."""
TURN_END = "<|im_end|>"
"""Ends a turn; the model learns to write it."""
SPECIAL_TOKENS = (END_OF_TEXT, TURN_START, TURN_END)

LONGEST_RUN = 64
"""Characters in the longest piece of text that is handed to BPE at once."""

_WORD = r"[\p{L}\p{M}]"
_OTHER = r"[^\s\p{L}\p{M}\p{N}]"

PATTERNS: dict[str, str] = {
    "gpt4": "|".join(
        (
            r"'(?i:s|t|re|ve|m|ll|d)",
            rf"[^\r\n\p{{L}}\p{{M}}\p{{N}}]?{_WORD}{{1,{LONGEST_RUN}}}",
            r"\p{N}{1,3}",
            rf" ?{_OTHER}{{1,{LONGEST_RUN}}}[\r\n]{{0,{LONGEST_RUN}}}",
            rf"\s{{0,{LONGEST_RUN}}}[\r\n]{{1,{LONGEST_RUN}}}",
            rf"\s{{1,{LONGEST_RUN}}}(?!\S)",
            rf"\s{{1,{LONGEST_RUN}}}",
        )
    ),
    "gpt2": "|".join(
        (
            r"'(?:s|t|re|ve|m|ll|d)",
            rf" ?{_WORD}{{1,{LONGEST_RUN}}}",
            rf" ?\p{{N}}{{1,{LONGEST_RUN}}}",
            rf" ?{_OTHER}{{1,{LONGEST_RUN}}}",
            rf"\s{{1,{LONGEST_RUN}}}(?!\S)",
            rf"\s{{1,{LONGEST_RUN}}}",
        )
    ),
}
"""Where text is cut before BPE; a token never crosses a cut."""


class Tokenizer(Config):
    """How text becomes tokens: a vocabulary trained on the corpus, or a ready one."""

    vocab_size: Size = Field(32_768, ge=260, le=2_000_000)
    """Tokens in the vocabulary: 3 special ones, 256 bytes, the rest learned. A multiple of 64 suits GPUs."""
    pattern: Literal["gpt4", "gpt2"] = "gpt4"
    """How text is cut before BPE. gpt4 keeps line breaks and indents together and cuts numbers into threes
    (better for code and arithmetic); gpt2 is the older form."""
    sample_bytes: Size = Field(2_000_000_000, ge=1)
    """Bytes of corpus text to learn the vocabulary from. 25 MB cost 0.9 % of compression against 88 MB;
    training takes about 10 bytes of memory for each byte at first, less later."""
    path: str | None = None
    """A ready tokenizer.json (or a folder that holds one) to use instead of training; byte-level BPE only.
    The other fields are then not used."""
