"""Tables: written as Parquet or TSV, and shown on a screen.

Not here: scored variants, which stream (`hexamer.effects.annotate`).
"""

from pathlib import Path

import pandas as pd

from hexamer.errors import OutputError
from hexamer.manifest import write_atomically

TABLES = (".parquet", ".tsv")

_SHOWN = {  # columns of an evaluation on the screen, and their headings
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
_FORMS = {"perplexity": "{:,.0f}", "accuracy": "{:.4f}", "base_accuracy": "{:.4f}", "tokens": "{:,.0f}"}


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
    if path.suffix not in endings:
        raise OutputError(f"{path}: {what} is written as {' or '.join(endings)}")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist")


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table; the ending decides how.

    Parameters
    ----------
    table : DataFrame
    path : str or Path
        `.parquet` or `.tsv`.

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
            table.to_csv(temporary, sep="\t", index=False)


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
    for column, heading in _SHOWN.items():
        if column not in table:
            continue
        form = _FORMS.get(column, "{:.3f}")
        shown[heading] = [
            cell if isinstance(cell, str) else "" if pd.isna(cell) else form.format(cell) for cell in table[column]
        ]
    shown.loc[table["genome"].duplicated(), "genome"] = ""
    return str(shown.to_string(index=False))
