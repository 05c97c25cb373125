"""What a model has learnt from, as far as its folder says: by it an evaluation knows whether held out means unseen.

A run writes the digests of all corpora that its weights have seen (`corpora`; null where that is not known, as of a
model from elsewhere that it started from) into its checkpoints, its manifest and its model folder.
Not here: how much of the held-out sequence stands in the training part too (`overlap`).
"""

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hexamer.manifest import checksum
from hexamer.tokens import Corpus

RECORD = "training.json"
"""What a model folder says of its training."""

LearntFrom = Literal["this corpus", "another corpus", "unknown"]


class Judgement(NamedTuple):
    """Whether a model may have seen what is held out of a corpus."""

    learnt_from: LearntFrom
    """Where the model's weights come from, seen from the corpus."""
    warning: str
    """A line for the reader; empty where the model has learnt from this corpus alone."""


def judge_held_out(model: str, folder: str | Path, corpus: Corpus) -> Judgement:
    """Say whether the held-out regions of a corpus are held out of a model's training.

    Parameters
    ----------
    model : str
        How the warning calls it.
    folder : str or Path
        Where it lies (`NucleotideTransformer.source`).
    corpus : Corpus

    Returns
    -------
    Judgement
    """
    corpora = find_corpora(folder)
    if corpora is None:
        return Judgement("unknown", f"held out of the corpus; nothing says that {model} did not learn from it")
    if set(corpora) == {corpus.digest}:
        return Judgement("this corpus", "")
    return Judgement(
        "another corpus",
        f"{model} learnt from another corpus than {corpus.folder}; "
        "its held-out regions may have been training sequence",
    )


def find_corpora(folder: str | Path, *, behind: int = 9) -> list[str] | None:
    """Find the digests of all corpora that a model has learnt from.

    Parameters
    ----------
    folder : str or Path
        Of a model, or a checkpoint.
    behind : int
        How many runs are looked back to, from model to model.

    Returns
    -------
    list of str or None
        None where the folder does not say, or not all.
    """
    folder = Path(folder)
    for record in (
        _read(folder / RECORD),
        _read(folder / "state.json").get("origin"),
        _read(folder.parent / "manifest.json") if folder.name == "model" else None,
    ):
        if isinstance(record, dict) and "corpora" in record:
            known: list[str] | None = record["corpora"]
            return known
        if isinstance(record, dict) and record.get("corpus_digest"):  # of a run of before
            started = record.get("started_from")
            earlier = _of_start(started, behind) if started else []
            return None if earlier is None else sorted({*earlier, record["corpus_digest"]})
    return None


def _of_start(started: dict[str, Any], behind: int) -> list[str] | None:
    """Corpora of a model that a run started from, if it lies where it lay."""
    source, files = Path(str(started.get("source"))), started.get("files") or {}
    is_same = bool(files) and all((source / name).is_file() for name in files)
    if not behind or not is_same or any(checksum(source / name) != digest for name, digest in files.items()):
        return None
    return find_corpora(source, behind=behind - 1)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
