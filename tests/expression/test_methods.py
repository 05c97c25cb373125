import pytest

from hexamer.errors import SettingsError
from hexamer.expression.methods import Method, parse_method


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ridge", Method("ridge")),
        ("near-elastic-net", Method("elastic-net", is_near=True)),
        ("shuffled-random-linear-head", Method("linear-head", is_random=True, is_shuffled=True)),
        ("random-shuffled-linear-head", Method("linear-head", is_random=True, is_shuffled=True)),
    ],
)
def test_names_are_taken_apart(text, told):
    assert parse_method(text) == told


@pytest.mark.parametrize("text", ["lasso", "near-linear-head", "random-ridge", "near-near-ridge", "", "shuffled-"])
def test_names_that_mean_nothing(text):
    with pytest.raises(SettingsError, match="is unknown; elastic-net, ridge"):
        parse_method(text)
