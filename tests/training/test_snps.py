import numpy as np
import pytest
import torch
from tests.conftest import write_vcf

from hexamer.errors import SettingsError, VariantError
from hexamer.genome import Genome, Interval
from hexamer.tokens import MASK_ID, GenomeSource, build_corpus
from hexamer.training.baselines import fit_baselines
from hexamer.training.snp_windows import held_out_regions
from hexamer.training.snps import snp_perplexity

SAMPLES = [f"p{i}" for i in range(10)]
TOKENS = 20
REGION = Interval("20", 0, 4000)


def other(letter: str) -> str:
    return "ACGT"["ACGT".index(letter) - 1]


def vcf(path, genome, calls: dict[int, str], extra=()):
    """SNPs at 0-based places; a call is 20 letters, one for each haplotype."""
    records = [
        (place, genome.fetch("20", place, place + 1), other(genome.fetch("20", place, place + 1)), haplotypes)
        for place, haplotypes in calls.items()
    ]
    lines = []
    for place, ref, alt, haplotypes in sorted([*records, *extra]):
        genotypes = [f"{a}|{b}" for a, b in zip(haplotypes[::2], haplotypes[1::2], strict=True)]
        lines.append("\t".join(["chr20", str(place + 1), ".", ref, alt, ".", ".", ".", "GT", *genotypes]))
    return write_vcf(path, lines, SAMPLES)


def by_hand(model, window: str) -> float:
    """Loss of the middle token."""
    ids = model.tokenizer.encode([window])[0]
    corrupted = ids.copy()
    corrupted[TOKENS // 2] = MASK_ID
    logits = model(torch.as_tensor(corrupted)[None]).logits[0, TOKENS // 2].double()
    return float(-logits.log_softmax(-1)[ids[TOKENS // 2]])


def windows(genome, place: int, changes: dict[int, str]) -> list[str]:
    """The six windows that hold a place in their middle token, with some letters changed."""
    text = list(genome.fetch("20", 0, 4000))
    for i, letter in changes.items():
        text[i] = letter
    starts = [place - (TOKENS // 2 - 1) * 6 - phase for phase in range(6)]
    return ["".join(text[start : start + (TOKENS - 1) * 6]) for start in starts]


def test_both_alleles_are_asked_for_in_those_who_carry_them(model, genome, tmp_path):
    """Carriers of the SNP at 1000 also carry the one at 990, which others have not."""
    path = vcf(tmp_path / "a.vcf.gz", genome, {990: "1" * 10 + "0" * 10, 1000: "1" * 10 + "0" * 10})
    with pytest.raises(VariantError, match=r"no SNP of the frequencies 0\.01, .* 114 bases within 20:1-1000"):
        snp_perplexity(model, genome, path, [Interval("20", 0, 1000)], tokens=TOKENS)
    table = snp_perplexity(model, genome, path, [Interval("20", 920, 1080)], tokens=TOKENS, seed=3)
    assert table[["frequency", "allele", "snps", "mean_frequency"]].to_numpy().tolist() == [
        [0.5, "alternate", 2, 0.5],
        [0.5, "reference", 2, 0.5],
    ]
    changes = {i: other(genome.fetch("20", i, i + 1)) for i in (990, 1000)}
    for row, personal in zip(table.itertuples(), (changes, {}), strict=True):
        pairs = {
            (by_hand(model, one) + by_hand(model, two)) / 2
            for one in windows(genome, 990, personal)
            for two in windows(genome, 1000, personal)
        }
        assert min(abs(row.loss - pair) for pair in pairs) < 1e-5
        assert row.perplexity == pytest.approx(np.exp(row.loss))
        assert row.loss_low <= row.loss <= row.loss_high


def test_indels_of_the_haplotype_shift_its_window(model, genome, tmp_path):
    ref = genome.fetch("20", 960, 963)
    path = vcf(tmp_path / "a.vcf.gz", genome, {1000: "1" * 10 + "0" * 10}, [(960, ref, ref[0], "1" * 20)])
    row = snp_perplexity(model, genome, path, [REGION], tokens=TOKENS).iloc[0]
    text = genome.fetch("20", 0, 961) + genome.fetch("20", 963, 1000) + other(genome.fetch("20", 1000, 1001))
    text += genome.fetch("20", 1001, 4000)
    starts = [998 - (TOKENS // 2 - 1) * 6 - phase for phase in range(6)]
    assert min(abs(row["loss"] - by_hand(model, text[start : start + 114])) for start in starts) < 1e-5


def test_frequencies_and_the_number_of_snps(model, genome, tmp_path):
    ones = {200 + 40 * i: "1" * (1 + i) + "0" * (19 - i) for i in range(19)}  # 5 % to 95 %
    path = vcf(tmp_path / "a.vcf.gz", genome, ones)
    table = snp_perplexity(model, genome, path, [REGION], tokens=TOKENS, snps=5)
    counts = table.groupby("frequency")["snps"].first().to_dict()
    assert counts == {0.05: 1, 0.1: 2, 0.5: 5}  # 5 %; 10 and 15 %; five of 35 to 75 %
    assert table.equals(snp_perplexity(model, genome, path, [REGION], tokens=TOKENS, snps=5))
    mean = snp_perplexity(model, genome, path, [REGION], tokens=TOKENS, frequencies=[0.9])["mean_frequency"].iloc[0]
    assert mean == pytest.approx(0.8, abs=0.03)


def test_both_alleles_are_asked_for_at_the_same_snps(model, genome, tmp_path):
    """Who carries the second SNP lacks a hundred bases before it, and so has no window; all carry the third."""
    ref = genome.fetch("20", 2300, 2400)
    calls = {1000: "1" * 10 + "0" * 10, 2410: "1" * 10 + "0" * 10, 3000: "1" * 20}
    path = vcf(tmp_path / "a.vcf.gz", genome, calls, [(2300, ref, ref[0], "1" * 10 + "0" * 10)])
    table = snp_perplexity(model, genome, path, [REGION], tokens=TOKENS, frequencies=[0.5, 1.0])
    assert table["snps"].tolist() == [1, 1]
    assert table["allele"].tolist() == ["alternate", "reference"]


def test_deletions_pull_no_sequence_from_outside_the_region(model, genome, tmp_path):
    """Window of 114 bases from 57 before the SNP, 10 of which this person lacks: too few within the region."""
    ref = genome.fetch("20", 980, 991)
    everybody = "1" * 10 + "0" * 10
    path = vcf(tmp_path / "a.vcf.gz", genome, {1000: everybody}, [(980, ref, ref[0], "1" * 20)])
    inside = Interval("20", 1000 - 80, 1000 + 80)
    assert snp_perplexity(model, genome, path, [inside], tokens=TOKENS)["snps"].tolist() == [1, 1]
    read = []
    fetch = Genome.fetch
    genome.fetch = lambda chrom, start, end: read.append((start, end)) or fetch(genome, chrom, start, end)
    tight = Interval("20", 1000 - 69, 1000 + 70)
    snp_perplexity(model, genome, path, [tight], tokens=TOKENS)
    assert min(start for start, _ in read) >= tight.start
    assert max(end for _, end in read) <= tight.end
    with pytest.raises(VariantError, match="no SNP of the frequencies"):
        snp_perplexity(model, genome, path, [Interval("20", 1000 - 68, 1000 + 69)], tokens=TOKENS)


def test_snps_at_the_ends_of_a_contig(model, genome, tmp_path):
    last = genome.length("20")
    places = [0, 20, 68, 69, 100, last - 100, last - 71, last - 70, last - 69, last - 20, last - 1]
    path = vcf(tmp_path / "a.vcf.gz", genome, dict.fromkeys(places, "1" * 10 + "0" * 10))
    table = snp_perplexity(model, genome, path, [Interval("20", 0, last)], tokens=TOKENS)
    assert table["snps"].tolist() == [5, 5]


def test_corpora_say_what_is_held_out_and_fit_the_baselines(model, genome, fasta, tmp_path):
    source = GenomeSource(fasta=str(fasta), name="human", hold_out=("20:1-4000",))
    corpus = build_corpus([source], tmp_path / "corpus")
    assert held_out_regions(corpus, genome) == ("human", [REGION])
    path = vcf(tmp_path / "a.vcf.gz", genome, {1000: "1" * 10 + "0" * 10})
    baselines = fit_baselines(model.tokenizer, corpus)["human"]
    table = snp_perplexity(model, genome, path, [REGION], tokens=TOKENS, baselines=baselines)
    assert table["markov_species"].between(6, 11).all()
    (tmp_path / "other.fa").write_text(">20\nACGT\n")
    with Genome(tmp_path / "other.fa") as shorter, pytest.raises(SettingsError, match="no contig of it has a held-out"):
        held_out_regions(corpus, shorter)


def test_mistakes(model, genome, tmp_path):
    path = vcf(tmp_path / "a.vcf.gz", genome, {1000: "1" * 20})
    with pytest.raises(SettingsError, match="tokens = 500, snps = 200, seed = 0; tokens to 100"):
        snp_perplexity(model, genome, path, [REGION], tokens=500)
    with pytest.raises(VariantError, match="no SNP of the frequencies"):
        snp_perplexity(model, genome, path, [REGION], tokens=TOKENS)
