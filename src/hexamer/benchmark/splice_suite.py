"""A suite that asks where genes are spliced: windows of genes, a class for every base, some regions held out.

Source: Jaganathan et al. (2019), Methods; Dalla-Torre et al. (2025), Methods. Not here: what a site is
(`hexamer.genome.splicing`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from hexamer.benchmark.tasks import DEFINITION
from hexamer.errors import OutputError, SettingsError
from hexamer.genome import Annotation, Genome
from hexamer.genome.splicing import CLASSES, choose_transcripts, label_windows, share_canonical
from hexamer.genome.splits import place_region, split_by_region
from hexamer.manifest import write_atomically

NAME = "splicing"
"""Name of the suite's task, and of the folder of its tables."""


class SpliceSuite(NamedTuple):
    """What a suite was made of."""

    counts: pd.DataFrame
    """By split (train, test): `windows`, `acceptor`, `donor`, `bases` that have a class."""
    transcripts: int
    """Transcripts, one of each spliced gene."""
    canonical: float
    """Share of the introns, in all splits, that begin with GT and end with AG: near 0.99 of human ones."""
    left_out: dict[str, int]
    """Windows to learn from, or as long, that are in no split, by reason."""


def build_splice_suite(
    genome: Genome,
    annotation: Annotation,
    out: str | Path,
    *,
    hold_out: Sequence[str],
    window: int = 6000,
    train_window: int | None = None,
    most_unknown: float = 0.05,
    biotype: str = "protein_coding",
    with_sites: bool = False,
) -> SpliceSuite:
    """Write a suite for `run_benchmark`, whose tables `finetune` reads as well.

    Parameters
    ----------
    genome : Genome
    annotation : Annotation
        That knows the genome.
    out : str or Path
        Gets `suite.toml`, `splicing/train.parquet` and `splicing/test.parquet`, which have columns `chrom`, `start`,
        `end`, `strand` and `label`; sequences are read from the genome when it is run.
    hold_out : sequence of str
        Contigs or regions (`20:1,000,001-4,000,000`) whose windows are the test.
    window : int
        Bases of a window.
    train_window : int, optional
        Bases of a window to learn from; short ones that hold a site have more sites in as many bases.
    most_unknown : float
        Share of N beyond which a window is left out.
    biotype : str
        Of the genes, where the annotation tells of biotypes; empty for all.
    with_sites : bool
        Learn from windows only that hold a site; the test has all. Always so with a `train_window`.

    Returns
    -------
    SpliceSuite

    Raises
    ------
    GenomeError, IntervalError, SettingsError
        If a region is not in the genome, no gene is spliced, or a split has no window with a site.
    OutputError
        If the folder cannot be made.
    """
    regions = [place_region(genome, region) for region in hold_out]
    transcripts = choose_transcripts(annotation, biotype=biotype)
    if not transcripts:
        raise SettingsError(f"no gene of {biotype or 'any biotype'} is spliced; exons of transcripts would work")
    tiles = {"test": label_windows(genome, transcripts, window=window, most_unknown=most_unknown)}
    tiles["train"] = tiles["test"]
    if train_window is not None:
        tiles["train"] = label_windows(genome, transcripts, window=train_window, most_unknown=most_unknown)
        with_sites = True
    splits, left_out = {}, {"too many N": tiles["train"].unread}
    left_out["on a contig shorter than a window"] = tiles["train"].short
    for split, side in (("train", 0), ("test", 1)):
        table = tiles[split].table
        sides = split_by_region(table["chrom"].tolist(), table["start"], table["end"], regions)
        spliced = table["label"].str.contains("[12]", regex=True)
        chosen = (sides == side) & (spliced | (split == "test") | (not with_sites))
        splits[split] = table[chosen]
        if split == "train":
            left_out["across the edge of a held-out region"] = int((sides == -1).sum())
            left_out["without a site"] = int((sides == side).sum() - chosen.sum())
    for split, rows in splits.items():
        if not rows["label"].str.contains("[12]", regex=True).any():
            raise SettingsError(f"{split}: no window has a splice site; other regions to hold out would work")
    folder = Path(out) / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (Path(out) / DEFINITION).unlink(missing_ok=True)  # no suite until both tables are the new ones
    except OSError as problem:
        raise OutputError(f"{folder}: cannot be made ({problem.strerror}); another folder would work") from None
    for split, rows in splits.items():
        with write_atomically(folder / f"{split}.parquet") as temporary:
            rows.to_parquet(temporary, index=False, compression="zstd")
    with write_atomically(Path(out) / DEFINITION) as temporary:
        temporary.write_text(
            _definition(window if train_window is None else None, {split: len(rows) for split, rows in splits.items()})
        )
    counts = pd.DataFrame([_count(*split) for split in splits.items()])
    return SpliceSuite(counts, len(transcripts), share_canonical(genome, transcripts), left_out)


def _count(split: str, rows: pd.DataFrame) -> dict[str, object]:
    sites = {name: int(rows["label"].str.count(str(i)).sum()) for i, name in enumerate(CLASSES) if i}
    return {"split": split, "windows": len(rows), **sites, "bases": int(rows["label"].str.count("[012]").sum())}


def _definition(window: int | None, sizes: dict[str, int]) -> str:
    length = f"length = {window}\n" if window else ""
    classes = ", ".join(f'"{name}"' for name in CLASSES)
    return (
        'about = "Where genes are spliced, base by base."\n\n'
        f'[[tasks]]\nname = "{NAME}"\nkind = "bases"\nclasses = [{classes}]\nmetric = "auprc"\ncategory = "splice"\n'
        f"{length}train = {sizes['train']}\ntest = {sizes['test']}\n"
    )
