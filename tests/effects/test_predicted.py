import numpy as np
import pytest

from hexamer.effects.predicted import predict_variants
from hexamer.errors import SettingsError
from hexamer.genome import Interval, Variant
from hexamer.training.predict import predict
from hexamer.training.predictor import Predictor
from hexamer.training.targets import make_target


@pytest.fixture(scope="module")
def predictor(model):
    return Predictor(model, make_target("classes", ("x", "y"))).eval().requires_grad_(False)


def other(base):
    return "A" if base != "A" else "C"


def test_both_alleles_stand_in_windows_of_one_length(predictor, genome):
    bases = genome.fetch("20", 0, 9000)
    variants = [
        Variant("20", 1001, bases[1000], other(bases[1000])),
        Variant("chr20", 1001, bases[1000], bases[1000] + "TTTTT"),
        Variant("20", 1001, bases[1000:1006], bases[1000]),
    ]
    seen = []
    table = predict_variants(predictor, genome, iter(variants), window=100, advance=seen.append)
    assert list(table.columns) == ["chrom", "pos", "ref", "alt", "x_ref", "x_alt", "y_ref", "y_alt", "reason"]
    assert sum(seen) == 3
    assert not table["reason"].any()
    assert table["chrom"].tolist() == ["20", "chr20", "20"]
    window = bases[950:1050]
    wanted = predictor.predict([window, window[:50] + other(bases[1000]) + window[51:]])
    np.testing.assert_allclose(table.loc[0, ["x_ref", "x_alt"]].astype(float), [each[0] for each in wanted], rtol=1e-6)
    assert (table["x_ref"] != table["x_alt"]).all()
    reference = predict(predictor, [Interval("20", 950, 1050)], genome)
    np.testing.assert_allclose(table.loc[0, "y_ref"], reference.loc[0, "y"], rtol=1e-6)


def test_windows_of_indels_are_as_long_as_the_references(predictor, genome, monkeypatch):
    asked = []
    predict = Predictor.predict

    def spy(self, sequences):
        asked.extend(sequences)
        return predict(self, sequences)

    monkeypatch.setattr(Predictor, "predict", spy)
    bases = genome.fetch("20", 0, 9000)
    for pos in (3, 1001, 8999):
        variants = [
            Variant("20", pos, bases[pos - 1], bases[pos - 1] + "GATTACA"),
            Variant("20", pos, bases[pos - 1 : pos + 1], bases[pos - 1]),
        ]
        asked.clear()
        table = predict_variants(predictor, genome, variants, window=100)
        assert not table["reason"].any()
        inner = pos == 1001
        assert all(len(each) == 100 for each in asked) or not inner
        assert all(49 <= len(each) <= 100 for each in asked)


def test_what_cannot_be_predicted_has_its_reason(predictor, genome):
    bases = genome.fetch("20", 0, 9000)
    cases = {
        "ref_mismatch": Variant("20", 1001, other(bases[1000]), "G" if other(bases[1000]) != "G" else "T"),
        "symbolic": Variant("20", 1001, bases[1000], "<DEL>"),
        "contig_missing": Variant("7", 1, "A", "C"),
        "too_long": Variant("20", 1001, bases[1000], bases[1000] + "ACGTTGCAACGTTGCAAC"),
        "past_end": Variant("20", 9001, "A", "C"),
    }
    table = predict_variants(predictor, genome, list(cases.values()), window=100)
    assert table["reason"].tolist() == list(cases)
    assert table[["x_ref", "x_alt"]].isna().all(axis=None)
    far = predict_variants(predictor, genome, [Variant("20", 3951, bases[3950], other(bases[3950]))], window=588)
    assert far["reason"].tolist() == ["beyond_model"]  # 50 N, each a token
    none = predict_variants(predictor, genome, [], window=100)
    assert none.empty
    assert list(none.columns) == list(table.columns)


def test_mistakes(predictor, model, genome):
    for window in (0, 593, 595):
        with pytest.raises(SettingsError, match="1 to 594 bases, multiples of 6, would work"):
            predict_variants(predictor, genome, [], window=window)
    of_bases = Predictor(model, make_target("bases", ("none", "site")))
    with pytest.raises(SettingsError, match="no number for a variant"):
        predict_variants(of_bases, genome, [], window=60)
