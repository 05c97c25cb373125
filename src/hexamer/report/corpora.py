"""A corpus on a screen: what each genome holds, what the columns mean, and what is amiss.

Not here: tables of results (`tables`).
"""

from collections.abc import Iterator

import pandas as pd

from hexamer.tokens import Corpus, tell_left_out


def show_corpus(corpus: Corpus) -> str:
    """Lay out for a screen what each genome of a corpus holds.

    Parameters
    ----------
    corpus : Corpus

    Returns
    -------
    str
        Lines of text.
    """
    rows = []
    for entry in corpus.entries:
        held_out = sum(len(span) for span in corpus.spans(entry["name"], held_out=True))
        row = {"genome": entry["name"], "contigs": len(entry["contigs"]), "bases": entry["bases"]}
        row |= {name: entry.get(name, 0) for name in ("n", "iupac", "soft_masked")}
        row |= {"held_out": held_out, "share": entry["weight"] / (sum(corpus.genomes.values()) or 1)}
        if population := entry.get("population"):
            row |= {"people": population["individuals"], "alleles": population["variants"]}
            row |= {"left_out": sum(population["left_out"].values())}
        rows.append(row)
    table = pd.DataFrame(rows)
    for name in table.columns[1:]:  # what a genome has not is empty
        form = "{:.3f}" if name == "share" else "{:,.0f}"
        table[name] = [form.format(value) if value == value else "" for value in table[name].astype(float)]
    return str(table.to_string(index=False))


def explain_corpus(corpus: Corpus) -> str:
    """Say what the columns of `show_corpus` are, and what is amiss, as lines below it.

    Parameters
    ----------
    corpus : Corpus

    Returns
    -------
    str
    """
    return "\n".join(_corpus_lines(corpus))


def _corpus_lines(corpus: Corpus) -> Iterator[str]:
    yield (
        "n: bases that are N; iupac: other letters, read as N; soft_masked: lower case; held_out: bases never trained "
        "on; share: of the windows that training draws"
    )
    populations = {entry["name"]: entry["population"] for entry in corpus.entries if entry.get("population")}
    if populations:
        yield "people: whose haplotypes are read; alleles: alternate ones that somebody carries"
    for name, population in populations.items():
        if told := tell_left_out(population["left_out"]):
            yield f"{name}: {told}"
    if not any(corpus.spans(name, held_out=True) for name in corpus.genomes):
        yield (
            "nothing is held out: evaluate-lm would have nothing to ask; --hold-out CONTIG, or hold_out in a recipe, "
            "would change that"
        )
