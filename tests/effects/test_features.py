import numpy as np

from hexamer.effects.features import read_features
from hexamer.effects.score import ScoreSettings, score_alleles
from hexamer.genome import Variant

SMALL = ScoreSettings(scores=("llr", "cosine", "l2"), window=120, phases=2, strands="both")


def test_features_are_means_over_readings_and_the_same_in_any_company(model, genome):
    bases = genome.fetch("20", 0, 9000)
    variants = [Variant("20", place + 1, bases[place], "ACGT"["ACGT".index(bases[place]) - 1]) for place in (700, 3000)]
    variants += [Variant("20", 2501, bases[2500:2504], bases[2500]), Variant("20", 5, "N", "<DEL>")]
    found = read_features(model, genome, variants, SMALL)
    assert found.reasons == ["", "", "", "symbolic"]
    scored = score_alleles(model, genome, variants, SMALL).values
    np.testing.assert_allclose(found.values["scores"][:, 0], scored[:, 0], rtol=1e-6)
    np.testing.assert_allclose(found.values["scores"][:, 2], scored[:, 1], rtol=1e-6)
    assert {name: values.shape for name, values in found.values.items()} == {
        "scores": (4, 4),
        "difference": (4, 16),
        "reference": (4, 16),
    }
    alone = read_features(model, genome, variants[2:3], SMALL)
    np.testing.assert_array_equal(alone.matrix(tuple(alone.values))[0], found.matrix(tuple(found.values))[2])
    assert read_features(model, genome, [], SMALL).matrix(("scores",)).shape == (0, 4)
