"""Steps ``tokenizer`` and ``tokenize``: a vocabulary from the corpus, then all of it as token shards."""

from collections.abc import Callable

from prefect import flow

from dataflow.store.manifest import Made, Part, manifests
from dataflow.store.storage import Storage
from flows.recipe import Recipe
from flows.runner import Job
from flows.session import Session, missing_step, session
from tokenizer_training import encode, train

INSTRUCTION_CORPUS = "instructions/corpus"


@flow(name="tokenizer", flow_run_name="tokenizer {recipe.name}")
def tokenizer_flow(recipe: Recipe) -> None:
    """Train the tokenizer on a sample of the corpus, or take the ready one."""
    with session(recipe) as run:
        if recipe.tokenizer is None:
            return
        corpus = {
            path: digest
            for path, digest in corpus_parts(run).items()
            if not path.startswith("corpus/validation/")
        }
        config = {"tokenizer": recipe.tokenizer.model_dump(mode="json"), "seed": recipe.seed}
        part = Part("tokenizer", "all", train.VERSION, config, corpus)
        run.make("tokenizer", [Job(part, train.train_tokenizer, (run.store, recipe.tokenizer, recipe.seed))])


@flow(name="tokenize", flow_run_name="tokenize {recipe.name}")
def tokenize_flow(recipe: Recipe) -> None:
    """Encode the corpus, its validation part and the instruction data."""
    with session(recipe) as run:
        if recipe.tokenizer is None:
            return
        tokenizer = run.finished("tokenizer", "all").hashes()
        jobs = [
            _encode_job(run, tokenizer, path, digest, encode.encode_corpus_part)
            for path, digest in corpus_parts(run).items()
        ]
        jobs += [
            _encode_job(run, tokenizer, path, digest, encode.encode_instructions_part)
            for manifest in manifests(run.store, "instruct-split")
            for path, digest in manifest.hashes().items()
            if path.startswith(f"{INSTRUCTION_CORPUS}/")
        ]
        run.make("tokenize", jobs)


def corpus_parts(run: Session) -> dict[str, str]:
    """Paths and content hashes of the corpus parts of all phases and of validation, in order."""
    parts = {
        path: digest for manifest in manifests(run.store, "mix") for path, digest in manifest.hashes().items()
    }
    if not parts:
        raise missing_step(run.store, "mix")
    return parts


def _encode_job(
    run: Session,
    tokenizer: dict[str, str],
    path: str,
    digest: str,
    encode_part: Callable[[Storage, str, str], Made],
) -> Job:
    target = path.replace("corpus/", "tokens/", 1)
    part = Part("tokenize", target.removesuffix(".parquet"), encode.VERSION, {}, {**tokenizer, path: digest})
    return Job(part, encode_part, (run.store, path, target))
