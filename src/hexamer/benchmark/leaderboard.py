"""What others reached on a task, as far as a number of it was published.

`published.tsv` has one line a number, with who published it and how sure it is: some were read from figures, some are
only known from others' papers. A number compares with one of ours only if task, split and metric are the same.
"""

import difflib
from pathlib import Path

import pandas as pd

from hexamer.errors import SettingsError

PUBLISHED = Path(__file__).parent / "published.tsv"
"""The numbers."""
COLUMNS = ("suite", "task", "model", "metric", "value", "source", "certainty")
UNRESOLVED = "unresolved"
"""The suite of means of which nobody has said over which version of the tasks they were taken."""


def published(suite: str | None = None, task: str | None = None) -> pd.DataFrame:
    """Look up the published numbers of a suite or a task.

    Parameters
    ----------
    suite : str, optional
        Its name; all by default.
    task : str, optional
        Name of one of its tasks; all by default.

    Returns
    -------
    DataFrame
        `suite`, `task`, `model`, `metric`, `value`, `source` (where it was published) and `certainty` (how it was
        read); no row where nothing was published.

    Raises
    ------
    SettingsError
        If a task is asked for without its suite, or none of the suite's numbers is of that task.

    Examples
    --------
    >>> table = published("nt-original", "H3")
    >>> table.loc[table["model"] == "NT-v2-500M", "value"].item()
    0.784
    """
    if task is not None and suite is None:
        raise SettingsError(f"task {task!r}: tasks of several suites have one name; naming the suite too would work")
    table = pd.read_csv(PUBLISHED, sep="\t", dtype={"value": float})
    if suite is not None:
        table = table[table["suite"] == suite]
    if task is not None and len(table):
        names = sorted(set(table["task"]))
        if task not in names:
            near = ", ".join(difflib.get_close_matches(task, names, n=3, cutoff=0.0))
            raise SettingsError(f"{suite}: no number of the task {task!r} was published; of {near} some were")
        table = table[table["task"] == task]
    return table.reset_index(drop=True)
