"""Names of the steps, in the order of the line; importing this costs nothing, so that ``--help`` is quick."""

STEPS = {
    "quality": "Train the quality classifier on the sources named positive and negative.",
    "curate": "Read every input file once: documents, signals, PII audit, quarantine.",
    "filter": "Apply the rules (SQL over signals); seconds, reads no text.",
    "dedup": "Find exact and near duplicates; keep one of each.",
    "decontaminate": "Find items of evaluation sets; drop, cut or name the documents that hold them.",
    "mix": "Plan the mixture and write the corpus in training order.",
    "instruct": "Convert, validate, deduplicate and split the instruction data.",
    "tokenizer": "Train a byte-level BPE on the corpus.",
    "tokenize": "Encode corpus, validation and instructions into token shards.",
    "pretrain": "Train a model on the token shards.",
    "sft": "Fine-tune it on the instruction data.",
    "evaluate": "Evaluate the trained models on the held-out text.",
    "report": "Check that the fates add up; write the catalog and the dataset card.",
}
