"""In silico saturation mutagenesis: every substitution of a region, and every deletion of one base.

Exact scores are `hexamer.effects.score_variants`' of these variants, so three numbers are one: the table's, the
function's, and the command's. The fast way takes `llr` from a `Profile`, whose masks are many; how far it agrees is
measured on the region itself. Not here: what a masked model expects (`profiles`), figures (`hexamer.report`).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hexamer.effects import ScoreSettings, score_variants
from hexamer.errors import SettingsError
from hexamer.genome import Genome, Interval, Variant
from hexamer.interpretation.profiles import profile_region
from hexamer.model import NucleotideTransformer
from hexamer.tokens.alphabet import BASES

_PIECE = 1000  # variants from one count of what is done to the next


class Mutagenesis(NamedTuple):
    """Scores of all changes of a region."""

    table: pd.DataFrame
    """As `VariantScores.table`: by place, then substitutions in the order A, C, G, T, then the deletion."""
    manifest: dict[str, Any]


def list_changes(genome: Genome, interval: Interval, *, deletions: bool = True) -> list[Variant]:
    r"""List all substitutions of a region and, if wanted, all deletions of one base.

    Parameters
    ----------
    genome : Genome
    interval : Interval
        Its strand means nothing.
    deletions : bool
        Anchored on the base before; that of a contig's first base on the base behind.

    Returns
    -------
    list of Variant
        By place; nothing where the reference has N.

    Raises
    ------
    GenomeError
        If the interval is not on the genome.

    Examples
    --------
    >>> import tempfile; from pathlib import Path
    >>> folder = tempfile.TemporaryDirectory()
    >>> _ = (Path(folder.name) / "g.fa").write_text(">chr1\nGANT\n")
    >>> [str(each) for each in list_changes(Genome(Path(folder.name) / "g.fa"), Interval("chr1", 1, 3))]
    ['chr1:2:A:C', 'chr1:2:A:G', 'chr1:2:A:T', 'chr1:1:GA:G']
    >>> folder.cleanup()
    """
    chrom, found = genome.resolve(interval.chrom), []
    before = max(0, interval.start - 1)
    bases = genome.fetch(chrom, before, min(interval.end + 1, genome.length(chrom)))
    for place in range(interval.start, interval.end):
        ref = bases[place - before]
        if ref not in BASES:
            continue
        found += [Variant(chrom, place + 1, ref, alt) for alt in sorted(BASES) if alt != ref]
        if deletions and place > 0 and bases[place - 1 - before] in BASES:
            anchor = bases[place - 1 - before]
            found.append(Variant(chrom, place, anchor + ref, anchor))
        elif deletions and place == 0 and bases[1:2] and bases[1] in BASES:
            found.append(Variant(chrom, 1, ref + bases[1], bases[1]))
    return found


def saturation_mutagenesis(
    model: NucleotideTransformer,
    genome: Genome,
    interval: Interval,
    *,
    deletions: bool = True,
    fast: bool = False,
    settings: ScoreSettings | None = None,
    advance: Callable[[int], None] | None = None,
) -> Mutagenesis:
    """Score every substitution of a region, and every deletion of one base.

    Parameters
    ----------
    model : NucleotideTransformer
    genome : Genome
    interval : Interval
    deletions : bool
        Of one base; not possible where fast.
    fast : bool
        Take `llr` from a profile, with many tokens masked at once; the only score then.
    settings : ScoreSettings, optional
        As `score_variants`.
    advance : callable, optional
        Called with the number of changes that are done.

    Returns
    -------
    Mutagenesis

    Raises
    ------
    GenomeError
        If the interval is not on the genome.
    SettingsError
        As `score_variants`; where fast, if other scores or deletions are asked for.
    """
    settings = settings or ScoreSettings(scores=("llr",))
    changes = list_changes(genome, interval, deletions=deletions)
    if fast:
        if deletions or settings.scores != ("llr",):
            raise SettingsError("fast: substitutions, and llr, alone; no deletions and no other score would work")
        profile = profile_region(model, genome, interval, settings=settings)
        rows = np.array([change.pos - 1 - interval.start for change in changes], dtype=np.int64)
        columns = np.array([BASES.index(change.alt) for change in changes], dtype=np.int64)
        values = profile.ratios[rows, columns].astype(np.float32)
        table = pd.DataFrame([(c.chrom, c.pos, c.ref, c.alt) for c in changes], columns=["chrom", "pos", "ref", "alt"])
        table = table.assign(llr=values, reason=np.where(np.isnan(values), "non_acgt_window", ""))
        if advance:
            advance(len(changes))
        return Mutagenesis(table, {"settings": settings, "fast": True})
    options = {name: getattr(settings, name) for name in ("window", "layer", "pool", "phases", "strands", "anchor")}
    parts = []
    for start in range(0, max(1, len(changes)), _PIECE):
        parts.append(score_variants(model, genome, changes[start : start + _PIECE], settings.scores, **options))
        if advance:
            advance(len(parts[-1].table))
    table = pd.concat([part.table for part in parts], ignore_index=True)
    return Mutagenesis(table, parts[0].manifest | {"reasons": table["reason"].value_counts().to_dict(), "fast": False})


def measure_agreement(
    model: NucleotideTransformer,
    fast: Sequence[tuple[Genome, pd.DataFrame]],
    *,
    settings: ScoreSettings | None = None,
    count: int = 60,
    seed: int = 0,
) -> dict[str, float]:
    """Compare the fast way with the exact one on some substitutions.

    Parameters
    ----------
    model : NucleotideTransformer
    fast : sequence of (Genome, DataFrame)
        Tables as `saturation_mutagenesis` made them, where fast, and what they are of.
    settings : ScoreSettings, optional
        That they were made with.
    count : int
        Substitutions that are drawn, of all tables together.
    seed : int

    Returns
    -------
    dict of str to float
        `pearson`, `spearman`, `difference` (mean size, in nats), `changes`; NaN of fewer than three.
    """
    from scipy import stats

    settings = settings or ScoreSettings(scores=("llr",))
    known = [(i, row) for i, (_, table) in enumerate(fast) for row in np.flatnonzero(table["reason"] == "")]
    drawn = np.sort(np.random.default_rng(seed).permutation(len(known))[:count])
    options = {name: getattr(settings, name) for name in ("window", "phases", "strands", "anchor")}
    told, exact = np.zeros(0), np.zeros(0)
    for i in dict.fromkeys(known[j][0] for j in drawn):
        genome, table = fast[i]
        own = table.iloc[[row for number, row in (known[j] for j in drawn) if number == i]]
        variants = [Variant(row.chrom, int(row.pos), row.ref, row.alt) for row in own.itertuples()]
        scored = score_variants(model, genome, variants, ("llr",), **options).table["llr"]
        told = np.append(told, own["llr"].to_numpy(np.float64))
        exact = np.append(exact, scored.to_numpy(np.float64))
    if len(drawn) < 3:
        return {"pearson": np.nan, "spearman": np.nan, "difference": np.nan, "changes": len(drawn)}
    return {
        "pearson": float(stats.pearsonr(told, exact).statistic),
        "spearman": float(stats.spearmanr(told, exact).statistic),
        "difference": float(np.abs(told - exact).mean()),
        "changes": len(drawn),
    }
