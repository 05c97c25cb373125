"""Results that are folders: the figures and tables of a run, as they lie there.

Nothing is drawn anew: a benchmark's figure is the one that its command drew. Not here: results that are files
(`sections`).
"""

from pathlib import Path

import pandas as pd

from hexamer.errors import InputError
from hexamer.report.blocks import Blocks, Text, embed_picture, make_grid

_LONGEST_GRID = 200  # rows of a table of a folder that is shown
_FIRST = ("results", "summary", "methods", "table", "figure", "layers")  # files of a folder that come first
FOLDERS = {
    "run-benchmark": ("Benchmark", "Methods on the tasks of a benchmark, means over folds with 95 % intervals."),
    "predict-expression": ("Personal expression", "Measured against predicted expression, in people held out."),
    "evaluate-effects": ("Scores against labels", "How well scores of variants tell labelled variants apart."),
    "train-variants": ("A model of labelled variants", "Fitted on scores, judged on variants held out."),
    "probe": ("Probes", "Models fitted on frozen embeddings, layer by layer."),
    "finetune": ("Fine-tuning", "An encoder trained further on labelled sequences."),
    "pretrain": ("Pre-training", "An encoder trained by masked language modelling."),
    "build-splice-suite": ("Splice sites", "A benchmark made of an annotation's splice sites."),
}
"""Title, and what it is, of results that are folders."""


def show_folder(path: Path, title: str) -> Blocks:
    """Show the figures and the short tables that lie in the folder of a run.

    Parameters
    ----------
    path : Path
    title : str

    Returns
    -------
    list of Picture, Grid or Text

    Raises
    ------
    InputError
        If it holds neither.
    """
    blocks: Blocks = []
    for file in sorted(path.iterdir(), key=lambda each: (each.stem not in _FIRST, each.name)):
        words = file.stem.replace("_", " ")
        if file.suffix in (".png", ".svg"):
            alt = f"{title}, figure of {words}; its numbers are in the tables beside it."
            blocks.append(embed_picture(file, alt=alt, caption=words))
        elif file.suffix == ".tsv":
            table = pd.read_csv(file, sep="\t")
            if len(table) <= _LONGEST_GRID:
                blocks.append(make_grid(table, caption=words))
            else:
                blocks.append(Text(f"{file.name} has {len(table):,} rows and is not shown."))
    if not blocks:
        raise InputError(f"{path}: holds no figure and no table")
    return blocks
