"""Tables: written as Parquet or TSV, and shown on a screen with a few words on what they say.

Not here: scored variants, which stream (`hexamer.effects.annotate`).
"""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from hexamer.errors import OutputError
from hexamer.manifest import write_atomically

TABLES = (".parquet", ".tsv", ".tsv.gz")

HEADINGS = {  # docs/training.md has the same
    "genome": "genome",
    "region": "region",
    "element": "element",
    "tokens": "tokens",
    "loss": "loss",
    "interval": "95 %",
    "perplexity": "perplexity",
    "accuracy": "accuracy",
    "base_accuracy": "bases",
    "token_frequency_species": "frequency",
    "markov_species": "Markov",
    "markov_species_two_sided": "two-sided",
    "markov_pooled": "pooled",
    "markov_pooled_two_sided": "p. two-sided",
}
"""Columns of an evaluation on the screen, and their headings."""
_BASELINES = ("token_frequency", "markov")
_FORMS = {"perplexity": "{:,.0f}", "accuracy": "{:.4f}", "base_accuracy": "{:.4f}", "tokens": "{:,.0f}"}
_METRICS = {  # metrics of an evaluation of effects on the screen, and their headings
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "spearman_effect": "rho effect",
    "spearman_size": "rho size",
    "spearman_absolute": "rho sizes",
    "severity_spearman": "rho severity",
    "severity_pearson": "r severity",
}


def check_table_path(path: str | Path) -> None:
    """Raise OutputError, before any work is done, if a table cannot be written under this name.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    OutputError
    """
    check_ending(Path(path), TABLES, "a table")


def check_ending(path: Path, endings: tuple[str, ...], what: str) -> None:
    """Raise OutputError if a path has none of some endings, or lies in no folder.

    Parameters
    ----------
    path : Path
    endings : tuple of str
    what : str
        How the message calls the file.

    Raises
    ------
    OutputError
    """
    if not path.name.endswith(endings):
        raise OutputError(f"{path}: {what} is written as {' or '.join(endings)}")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist")


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table; the ending decides how.

    Parameters
    ----------
    table : DataFrame
    path : str or Path
        `.parquet`, `.tsv` or `.tsv.gz`.

    Raises
    ------
    OutputError
        If it has another ending or cannot be written.
    """
    check_table_path(path)
    with write_atomically(path) as temporary:
        if Path(path).suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        else:
            packed: Any = {"method": "gzip", "mtime": 0} if Path(path).suffix == ".gz" else None
            table.to_csv(temporary, sep="\t", index=False, compression=packed)


def show_evaluation(table: pd.DataFrame) -> str:
    """Lay out an evaluation for a screen: the columns that are looked at, each genome named once.

    Parameters
    ----------
    table : DataFrame
        From `evaluate_lm`.

    Returns
    -------
    str
        Lines of text.

    Examples
    --------
    >>> row = {"genome": "yeast", "element": "all", "tokens": 1500, "loss": 8.0, "loss_low": 7.9, "loss_high": 8.1}
    >>> print(show_evaluation(pd.DataFrame([row])))
    genome element tokens  loss      95 %
     yeast     all  1,500 8.000 7.90-8.10
    """
    shown = pd.DataFrame(index=table.index)
    if "region" in table and (table["region"] == "all").all():
        table = table.drop(columns="region")
    if "loss_low" in table:
        spans = zip(table["loss_low"], table["loss_high"], strict=True)
        table = table.assign(interval=[f"{low:.2f}-{high:.2f}" if high >= low else "" for low, high in spans])
    for column, heading in HEADINGS.items():
        if column not in table:
            continue
        form = _FORMS.get(column, "{:.3f}")
        shown[heading] = [
            cell if isinstance(cell, str) else "" if pd.isna(cell) else form.format(cell) for cell in table[column]
        ]
    shown.loc[table["genome"].duplicated(), "genome"] = ""
    return str(shown.to_string(index=False))


def explain_evaluation(table: pd.DataFrame, *, k: int = 6) -> str:
    """Say what the numbers of `show_evaluation` are, as a line or two below it.

    Parameters
    ----------
    table : DataFrame
        From `evaluate_lm`.
    k : int
        Bases of a token.

    Returns
    -------
    str
    """
    headings = [heading for column, heading in HEADINGS.items() if column in table and column.startswith(_BASELINES)]
    which = f"loss, {headings[0]} to {headings[-1]}" if headings else "loss"
    lines = [f"{which}: nats per token, lower is better; all {k}-mers alike: {math.log(4**k):.3f}."]
    if "base_accuracy" in table:
        lines.append("accuracy: share of right tokens; bases: of right bases, about 0.25 by chance.")
    if "markov_species" in table:
        lines[-1] += " frequency to two-sided: fitted on the same genome, pooled: on all."
    if table.isna().any(axis=None):
        lines[-1] += " Empty: nothing to go by (no training sequence, no window, or a single one)."
    return "\n".join(lines)


def show_effects(table: pd.DataFrame) -> str:
    """Lay out an evaluation of effects for a screen: a line per group value and score, a column per metric.

    Parameters
    ----------
    table : DataFrame
        From `evaluate_effects`.

    Returns
    -------
    str
        Lines of text; intervals are of 95 %.

    Examples
    --------
    >>> row = {"group": "all", "value": "all", "score": "llr", "rows": "own", "metric": "auroc", "n": 900}
    >>> print(show_effects(pd.DataFrame([row | {"n_missing": 3, "estimate": 0.8, "low": 0.75, "high": 0.84}])))
    group value score   n missing           AUROC
                  llr 900       3 0.800 0.75-0.84
    """
    shown = []
    for (group, value, score), rows in table[table["rows"] == "own"].groupby(["group", "value", "score"], sort=False):
        line = {"group": group, "value": value} if group != "all" else {"group": "", "value": ""}
        rows = rows[rows["metric"].isin(_METRICS)]
        line |= {"score": score, "n": _span(rows["n"]), "missing": _span(rows["n_missing"])}
        if "n_positive" in rows and rows["n_positive"].notna().any():
            line["positive"] = f"{int(rows['n_positive'].max()):,}"
        for row in rows.to_dict("records"):
            line[_METRICS[row["metric"]]] = _with_interval(row["estimate"], row["low"], row["high"])
        shown.append(line)
    columns = ["group", "value", "score", "n", "positive", "missing", *_METRICS.values()]
    found = pd.DataFrame(shown)
    return str(found[[name for name in columns if name in found]].fillna("").to_string(index=False))


def show_differences(differences: pd.DataFrame) -> str:
    """Lay out the pairwise differences of an evaluation of effects for a screen, those over all variants.

    Parameters
    ----------
    differences : DataFrame
        From `evaluate_effects`.

    Returns
    -------
    str
        Lines of text; empty where there is no pair.
    """
    rows = differences[(differences["group"] == "all") & differences["metric"].isin(_METRICS)]
    lines = [
        {
            "difference": f"{row['score_a']} - {row['score_b']}",
            "metric": _METRICS[row["metric"]],
            "n": f"{row['n']:,}",
            "estimate": _with_interval(row["difference"], row["low"], row["high"], between=" to "),
            "p": "" if pd.isna(row["p"]) else f"{row['p']:.3g}",
        }
        for row in rows.to_dict("records")
    ]
    return str(pd.DataFrame(lines).to_string(index=False)) if lines else ""


def _span(counts: "pd.Series[int]") -> str:
    """Write a count, or the least and the most where metrics ask different rows."""
    least, most = counts.min(), counts.max()
    return f"{least:,}" if least == most else f"{least:,}-{most:,}"


def _with_interval(estimate: float, low: float, high: float, between: str = "-") -> str:
    if pd.isna(estimate):
        return ""
    between = " to " if low < 0 else between
    return f"{estimate:.3f}" + (f" {low:.2f}{between}{high:.2f}" if high >= low else "")
