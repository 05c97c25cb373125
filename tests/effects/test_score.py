import numpy as np
import pandas as pd
import pytest
import torch

from hexamer.effects import SCORES, ScoreSettings, score_variants
from hexamer.effects.distance import cosine, l1
from hexamer.effects.score import score_alleles
from hexamer.errors import SettingsError
from hexamer.genome import Variant
from hexamer.model import ModelConfig, NucleotideTransformer
from hexamer.tokens import MASK_ID


@pytest.fixture
def variants(genome):
    places = [3, 700, 2500, 2501, 8998]
    found = []
    for place in places:
        ref = genome.fetch("20", place, place + 1)
        found += [Variant("20", place + 1, ref, alt) for alt in "ACGT" if alt != ref]
    return found


def test_scores_equal_the_slow_obvious_way(model, genome, variants):
    """Each allele by itself, in full forward passes, from the window written out by hand."""
    table = score_variants(model, genome, variants, tuple(SCORES), window=600, anchor="variant").table
    for variant, row in zip(variants, table.itertuples(), strict=True):
        if not 594 < variant.start < 8000:
            continue
        start = variant.start - 49 * 6
        sequence = genome.fetch("20", start, start + 594)
        changed = sequence[: 49 * 6] + variant.alt + sequence[49 * 6 + 1 :]
        ref, alt = (torch.as_tensor(ids)[None].long() for ids in model.tokenizer.encode([sequence, changed]))
        masked = ref.clone()
        masked[0, 50] = MASK_ID
        logs = model(masked).logits[0, 50].log_softmax(-1)
        assert row.llr == pytest.approx(float(logs[alt[0, 50]] - logs[ref[0, 50]]), abs=1e-4)
        out = {name: model(ids, layers=(-1,)) for name, ids in (("ref", ref), ("alt", alt))}
        vectors = {name: o.hidden[2][0, 50].numpy() for name, o in out.items()}
        assert row.cosine == pytest.approx(float(cosine(vectors["ref"], vectors["alt"])), abs=1e-4)
        assert row.l1 == pytest.approx(float(l1(vectors["ref"], vectors["alt"])), rel=1e-4)
        losses = {
            name: torch.nn.functional.cross_entropy(out[name].logits[0, 1:], ids[0, 1:])
            for name, ids in (("ref", ref), ("alt", alt))
        }
        assert row.loss == pytest.approx(float(losses["alt"]), abs=1e-4)
        assert row.loss_diff == pytest.approx(float(losses["alt"] - losses["ref"]), abs=1e-4)


def test_batches_order_and_company_do_not_change_scores(model, genome, variants):
    scores = tuple(SCORES)
    whole = score_variants(model, genome, variants, scores).table
    turned = score_variants(model, genome, variants[::-1], scores).table.iloc[::-1]
    alone = pd.concat([score_variants(model, genome, [v], scores).table for v in variants])
    for other in (turned, alone):
        np.testing.assert_allclose(whole[list(scores)], other[list(scores)], atol=2e-4, rtol=1e-4)


def test_pieces_do_not_change_scores(model, genome, variants, monkeypatch):
    """Bases of one 6-mer that fall into different pieces are read again, to the same numbers."""
    scores = tuple(SCORES)
    every = [
        Variant("20", base + 1, ref, alt)
        for base in range(2502, 2508)
        for ref in genome.fetch("20", base, base + 1)
        for alt in "ACGT"
        if alt != ref
    ]
    whole = score_variants(model, genome, [*variants, *every], scores).table
    monkeypatch.setattr("hexamer.effects.score.PIECE", 4)
    pieces = score_variants(model, genome, [*variants, *every], scores)
    assert pieces.manifest["forwards"]["run"] > 40, "the pieces were one"
    np.testing.assert_allclose(pieces.table[list(scores)], whole[list(scores)], atol=1e-5, rtol=1e-5)


def test_token_budget_changes_scores_by_rounding_only(genome, variants):
    torch.manual_seed(0)
    model = NucleotideTransformer(ModelConfig(layers=2, width=16, heads=2, ffn=32, max_tokens=100)).eval()
    found = [
        score_alleles(model, genome, variants, ScoreSettings(scores=tuple(SCORES), token_budget=budget)).values
        for budget in (1, 250, None)
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-5, rtol=0)


def test_variants_of_a_token_share_forward_passes(model, genome):
    every = [
        Variant("20", base + 1, ref, alt)
        for base in range(2502, 2514)
        for ref in genome.fetch("20", base, base + 1)
        for alt in "ACGT"
        if alt != ref
    ]
    twice = [*every, *every[:5]]
    assert score_variants(model, genome, twice).manifest["forwards"] == {"run": 2, "asked": 41}
    found = score_variants(model, genome, twice, ("llr", "cosine"))
    assert found.manifest["forwards"] == {"run": 2 + 2 + 36, "asked": 41 + 82}
    assert found.table["cosine"].iloc[:5].tolist() == found.table["cosine"].iloc[36:].tolist()
    apart = score_variants(model, genome, every, anchor="variant")
    assert apart.manifest["forwards"] == {"run": 12, "asked": 36}
    assert not np.allclose(apart.table["llr"], found.table["llr"].iloc[:36])


def test_llr_vanishes_without_a_change_and_differs_between_alternates(model, genome, variants):
    table = score_variants(model, genome, [*variants[3:6], Variant("20", 701, variants[3].ref, variants[3].ref)]).table
    assert table["llr"].iloc[-1] == 0
    assert table["llr"].iloc[:3].nunique() == 3


def test_pooling_and_layer_change_distances(model, genome, variants):
    token = score_variants(model, genome, variants[:3], ("l2",)).table["l2"]
    mean = score_variants(model, genome, variants[:3], ("l2",), pool="mean").table["l2"]
    first = score_variants(model, genome, variants[:3], ("l2",), layer=0).table["l2"]
    assert (mean < token).all()
    assert not np.allclose(first, token)


def test_reasons_stand_beside_empty_scores(model, genome):
    ref = genome.fetch("20", 99, 100)
    found = score_variants(model, genome, [Variant("20", 100, ref, f"{ref}A"), Variant("20", 3999, "A", "C")])
    assert found.table["reason"].iloc[0] == "unsupported"
    assert found.table["llr"].isna().all()
    assert "layer" not in found.manifest["definitions"]["llr"]


def test_definitions_name_layer_and_pooling(model):
    text = ScoreSettings(scores=("l2",), layer=1, pool="mean").describe(model)["l2"]
    assert "layer 1 of 2" in text
    assert "mean over the window" in text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scores": ("lrr",)}, "score 'lrr' is unknown; llr, l1"),
        ({"scores": ()}, "at least one"),
        ({"scores": ("llr", "llr")}, "each once"),
        ({"window": 5}, "window 5"),
        ({"pool": "max"}, "pool 'max' is unknown; token or mean"),
        ({"anchor": "gird"}, "anchor 'gird' is unknown; grid or variant"),
        ({"token_budget": 0}, "token_budget 0; at least 1"),
    ],
)
def test_mistakes(settings, message):
    with pytest.raises(SettingsError, match=message):
        ScoreSettings(**settings)
