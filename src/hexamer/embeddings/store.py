"""Embeddings on disk: h5ad, or Parquet with one column per component.

Both hold the same rows and the same settings; files appear whole or not at all.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hexamer.errors import OutputError
from hexamer.manifest import write_atomically

if TYPE_CHECKING:
    from anndata import AnnData

ENDINGS = (".h5ad", ".parquet")


def check_embeddings_path(path: str | Path) -> None:
    """Raise OutputError, before any work is done, if a file of embeddings cannot have this name.

    Parameters
    ----------
    path : str or Path
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise OutputError(f"{path}: embeddings are written as {' or '.join(ENDINGS)}")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist")


def write_embeddings(path: str | Path, embeddings: "AnnData") -> Path:
    """Write embeddings.

    Parameters
    ----------
    path : str or Path
        Ends in `.h5ad`, or in `.parquet` (columns of `obs`, then `e0` to `e{D-1}`, float32; the settings are in the
        file's schema metadata under "hexamer").
    embeddings : AnnData
        As from `embed`.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        If the name has another ending, or cannot be written.
    """
    path = Path(path)
    check_embeddings_path(path)
    with write_atomically(path) as temporary:
        if path.suffix == ".h5ad":
            embeddings.write_h5ad(temporary, compression="gzip")
        else:
            _write_parquet(temporary, embeddings)
    return path


def _write_parquet(path: Path, embeddings: "AnnData") -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    vectors = pd.DataFrame(embeddings.X, columns=[f"e{i}" for i in range(embeddings.n_vars)])
    table = pa.Table.from_pandas(
        pd.concat([embeddings.obs.reset_index(drop=True), vectors], axis=1), preserve_index=False
    )
    settings = json.dumps(embeddings.uns["hexamer"], default=str).encode()
    pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), b"hexamer": settings}), path)


def read_embeddings(path: str | Path) -> "AnnData":
    """Read what `write_embeddings` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    AnnData

    Raises
    ------
    OutputError
        If the file has another ending.
    """
    import anndata

    path = Path(path)
    if path.suffix == ".h5ad":
        return anndata.read_h5ad(path)
    if path.suffix != ".parquet":
        raise OutputError(f"{path}: embeddings are {' or '.join(ENDINGS)}")
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    frame = table.to_pandas()
    components = [name for name in frame if name[:1] == "e" and name[1:].isdigit()]
    obs = frame.drop(columns=components)
    obs.index = obs.index.astype(str)
    settings = json.loads(table.schema.metadata[b"hexamer"])
    return anndata.AnnData(X=frame[components].to_numpy(np.float32), obs=obs, uns={"hexamer": settings})
