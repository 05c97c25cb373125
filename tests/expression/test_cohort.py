import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.errors import SettingsError
from hexamer.expression.cohort import iterate_folds, split_people


@given(st.integers(2, 60), st.integers(2, 9), st.integers(0, 3))
def test_folds_are_even_and_of_the_seed(count, folds, seed):
    if folds > count:
        with pytest.raises(SettingsError, match="folds of"):
            split_people(count, folds, seed=seed)
        return
    found = split_people(count, folds, seed=seed)
    sizes = np.bincount(found, minlength=folds)
    assert sizes.max() - sizes.min() <= 1
    np.testing.assert_array_equal(found, split_people(count, folds, seed=seed))
    seen = np.zeros(count)
    for fold, learn in iterate_folds(found):
        np.testing.assert_array_equal(learn, found != fold)
        seen += ~learn
    assert (seen == 1).all()


def test_folds_of_populations():
    assert split_people(4, 2, groups=["GBR", "FIN", "GBR", "FIN"]).tolist() == [1, 0, 1, 0]
    with pytest.raises(SettingsError, match="3 folds of 2 groups"):
        split_people(4, 3, groups=["GBR", "FIN", "GBR", "FIN"])
