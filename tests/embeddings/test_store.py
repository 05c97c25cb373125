import numpy as np
import pandas as pd
import pytest

from hexamer.embeddings import embed, read_embeddings, write_embeddings
from hexamer.embeddings.store import check_embeddings_path
from hexamer.errors import OutputError


@pytest.mark.parametrize("ending", [".h5ad", ".parquet"])
@pytest.mark.parametrize("pool", ["mean", "none"])
def test_files_hold_what_was_computed(model, tmp_path, ending, pool):
    found = embed(model, [("a", "ACGTAC" * 4), ("b", "ACGTNA"), ("empty", "")], pool=pool)
    back = read_embeddings(write_embeddings(tmp_path / f"x{ending}", found))
    np.testing.assert_array_equal(back.X, found.X)
    pd.testing.assert_frame_equal(
        back.obs.astype(str).reset_index(drop=True),
        found.obs.astype(str).reset_index(drop=True),
        check_categorical=False,
    )
    assert back.uns["hexamer"]["pool"] == pool
    assert [p.name for p in tmp_path.iterdir()] == [f"x{ending}"]


def test_a_wrong_name_is_refused_before_any_work(tmp_path):
    with pytest.raises(OutputError, match=r"x.csv: embeddings are written as \.h5ad or \.parquet"):
        check_embeddings_path(tmp_path / "x.csv")
    with pytest.raises(OutputError, match=r"the folder .*nowhere does not exist"):
        check_embeddings_path(tmp_path / "nowhere" / "x.h5ad")
