import numpy as np
import pandas as pd
import pytest
import torch

from hexamer.effects import SCORES, ScoreSettings, score_variants
from hexamer.effects.distance import cosine, l1
from hexamer.effects.score import score_alleles
from hexamer.errors import SettingsError
from hexamer.genome import Change, Genome, Variant, normalise, reverse_complement, right_align
from hexamer.model import ModelConfig, NucleotideTransformer
from hexamer.tokens import MASK_ID

ONE = {"phases": 1, "strands": "forward"}


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
    table = score_variants(model, genome, variants, tuple(SCORES), window=600, anchor="variant", **ONE).table
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


def test_indels_equal_the_slow_obvious_way(model, genome):
    """Both sequences written out by hand from the same base on, to the same length, with the same tokens masked."""
    indels = [(2500, "", "ACGTACGTA"), (2600, genome.fetch("20", 2600, 2611), ""), (2700, "", "T")]
    indels += [(2803, genome.fetch("20", 2803, 2805), "GGCAT")]
    bases = genome.fetch("20", 0, 9000)
    for start, ref, alt in indels:
        variant = Variant("20", start, bases[start - 1] + ref, bases[start - 1] + alt)
        change = normalise(genome, variant)
        found = score_variants(model, genome, [variant], ("llr", "l2", "loss_diff"), window=600, **ONE).table.iloc[0]
        first = change.start // 6 * 6 - 49 * 6
        altered = bases[: change.start] + change.alt + bases[change.end :]
        span = max(len(change.ref), len(change.alt))
        tokens = range(50, 50 + -(-(change.start % 6 + span) // 6))
        logs, vectors, losses = [], [], []
        for sequence in (bases, altered):
            ids = torch.as_tensor(model.tokenizer.encode([sequence[first : first + 594]])[0]).long()
            masked = ids.clone()
            masked[tokens] = MASK_ID
            rows = model(masked[None]).logits[0].log_softmax(-1)
            logs.append(sum(float(rows[token, ids[token]]) for token in tokens))
            out = model(ids[None], layers=(-1,))
            vectors.append(out.hidden[2][0, list(tokens)].mean(0))
            losses.append(float(torch.nn.functional.cross_entropy(out.logits[0, 1:], ids[1:])))
        assert found["llr"] == pytest.approx(logs[1] - logs[0], abs=1e-4)
        assert found["l2"] == pytest.approx(float((vectors[1] - vectors[0]).norm()), abs=1e-4)
        assert found["loss_diff"] == pytest.approx(losses[1] - losses[0], abs=1e-4)


EVERY_WAY = {"scores": tuple(SCORES), "window": 600, "phases": 6, "strands": "both"}


def test_every_spelling_of_a_change_has_the_same_score_to_the_last_bit(model, genome):
    """Padded with bases around it, moved within a repeat, joined with others or alone, in any order."""
    bases = genome.fetch("20", 0, 9000)
    draw = np.random.default_rng(0)
    groups = []
    while len(groups) < 12:
        start, size = int(draw.integers(1, 8900)), int(draw.integers(0, 5))
        ref, alt = bases[start : start + size], "".join(draw.choice(list("ACGT"), int(draw.integers(0, 5))))
        change = normalise(genome, Variant("20", start, bases[start - 1] + ref, bases[start - 1] + alt))
        if ref == alt or isinstance(change, str):
            continue
        spellings = []
        for place in (change, right_align(genome, change)):
            for before, after in ((1, 0), (0, 1), (1, 1), (30, 4), (2, 70)):
                left, right = bases[place.start - before : place.start], bases[place.end : place.end + after]
                written = Variant("chr20", place.start - before + 1, left + place.ref + right, left + place.alt + right)
                if isinstance(normalise(genome, written), Change):
                    spellings.append(written)
        groups.append(spellings)
    whole = (
        score_variants(model, genome, [variant for spellings in groups for variant in spellings], **EVERY_WAY)
        .table[list(SCORES)]
        .to_numpy()
    )
    assert np.isfinite(whole).all()
    place = 0
    for spellings in groups:
        mine = whole[place : place + len(spellings)]
        alone = score_variants(model, genome, [spellings[-1]], **EVERY_WAY).table[list(SCORES)].to_numpy()
        assert {row.tobytes() for row in mine} == {alone[0].tobytes()}
        place += len(spellings)


def test_signed_scores_flip_when_ref_and_alt_change_places(model, genome, tmp_path):
    bases = genome.fetch("20", 0, 9000)
    for start, ref, alt in (
        (2500, bases[2500:2504], ""),
        (2500, "", "ACGTTGA"),
        (2500, bases[2500], "ACG"[len(bases) % 3]),
    ):
        altered = bases[:start] + alt + bases[start + len(ref) :]
        (tmp_path / "a.fa").write_text(f">20\n{altered}\n")
        (tmp_path / "a.fa.fai").unlink(missing_ok=True)
        pad = bases[start - 1]
        there = Variant("20", start, pad + ref, pad + alt)
        back = Variant("20", start, pad + alt, pad + ref)
        names = ("llr", "loss_diff")
        one = score_variants(model, genome, [there], names, window=600).table
        two = score_variants(model, Genome(tmp_path / "a.fa"), [back], names, window=600).table
        np.testing.assert_allclose(one[list(names)], -two[list(names)], atol=1e-6)


def test_both_strands_give_what_the_reversed_genome_gives(model, genome, tmp_path):
    bases = genome.fetch("20", 0, 9000)
    (tmp_path / "r.fa").write_text(f">20\n{reverse_complement(bases)}\n")
    changes = [Change("20", 2500, bases[2500], "ACGT"["ACGT".index(bases[2500]) - 1]), Change("20", 2600, "", "AAC")]
    changes += [Change("20", 5000, bases[5000:5003], "")]
    tables = []
    for reference, these in ((genome, changes), (Genome(tmp_path / "r.fa"), [c.reverse(9000) for c in changes])):
        variants = []
        for change in these:
            pad = reference.fetch("20", change.start - 1, change.start)
            variants.append(Variant("20", change.start, pad + change.ref, pad + change.alt))
        tables.append(score_variants(model, reference, variants, **EVERY_WAY).table[list(SCORES)])
    np.testing.assert_allclose(*tables, atol=1e-6)


def test_a_score_is_the_mean_of_its_readings_and_llr_sd_their_spread(model, genome, variants):
    settings = ScoreSettings(scores=("llr", "llr_sd", "cosine"), window=600, phases=3, strands="both")
    found = score_alleles(model, genome, variants[3:9], settings)
    each = found.readings["llr"].astype(np.float64)
    assert each.shape == (6, 6)
    np.testing.assert_allclose(found.values[:, 0], each.mean(1), rtol=1e-6)
    np.testing.assert_allclose(found.values[:, 1], each.std(1, ddof=1), rtol=1e-5)
    np.testing.assert_allclose(found.values[:, 2], found.readings["cosine"].mean(1), rtol=1e-6)
    one = score_alleles(model, genome, variants[3:9], ScoreSettings(scores=("llr", "llr_sd"), window=600, **ONE))
    assert np.isnan(one.values[:, 1]).all()
    np.testing.assert_array_equal(one.values[:, 0], found.readings["llr"][:, 0])


def test_phases_that_the_tokens_do_not_have(genome):
    model = NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8, k=3)).eval()
    with pytest.raises(SettingsError, match="tokens of 3 bases have no such phases; 1 or 3 would work"):
        score_variants(model, genome, [Variant("20", 5, "A", "C")], phases=6)


def test_batches_order_and_company_do_not_change_scores(model, genome, variants):
    """To the last bit."""
    scores = tuple(SCORES)
    whole = score_variants(model, genome, variants, scores).table
    turned = score_variants(model, genome, variants[::-1], scores).table.iloc[::-1]
    alone = pd.concat([score_variants(model, genome, [v], scores).table for v in variants])
    for other in (turned, alone):
        np.testing.assert_array_equal(whole[list(scores)], other[list(scores)])


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
    assert score_variants(model, genome, twice, **ONE).manifest["forwards"] == {"run": 2, "asked": 41}
    found = score_variants(model, genome, twice, ("llr", "cosine"), **ONE)
    assert found.manifest["forwards"] == {"run": 2 + 2 + 36, "asked": 41 + 82}
    assert found.table["cosine"].iloc[:5].tolist() == found.table["cosine"].iloc[36:].tolist()
    apart = score_variants(model, genome, every, anchor="variant", **ONE)
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
    asked = [
        Variant("20", 100, ref, f"{ref}<A>"),
        Variant("20", 4010, "A", "C"),
        Variant("20", 100, ref, ref + "A" * 90),
        Variant("20", 100, ref, ref + "A" * 89),
    ]
    found = score_variants(model, genome, asked, window=600)
    assert found.table["reason"].tolist() == ["iupac", "non_acgt_window", "too_long", ""]
    assert found.table["llr"].isna().tolist() == [True, True, True, False]
    assert "layer" not in found.manifest["definitions"]["llr"]


def test_definitions_name_layer_and_pooling(model):
    text = ScoreSettings(scores=("l2",), layer=1, pool="mean").describe(model)["l2"]
    assert "layer 1 of 2" in text
    assert "mean over the window" in text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scores": ("lrr",)}, "score 'lrr' is unknown; llr, llr_sd, l1"),
        ({"scores": ()}, "at least one"),
        ({"scores": ("llr", "llr")}, "each once"),
        ({"window": 5}, "window 5"),
        ({"pool": "max"}, "pool 'max' is unknown; token or mean"),
        ({"anchor": "gird"}, "anchor 'gird' is unknown; grid or variant"),
        ({"phases": 4}, "phases 4; 1, 2, 3, 6"),
        ({"strands": "reverse"}, "strands 'reverse' is unknown; forward or both"),
        ({"token_budget": 0}, "token_budget 0; at least 1"),
    ],
)
def test_mistakes(settings, message):
    with pytest.raises(SettingsError, match=message):
        ScoreSettings(**settings)
