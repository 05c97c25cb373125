import pytest
from tests.conftest import write_vcf
from tests.training.test_snps import REGION, SAMPLES, TOKENS, other, vcf

from hexamer.errors import VariantError
from hexamer.genome import Interval
from hexamer.training.snp_windows import check_variants, draw_snp_windows


def test_variants_of_other_contigs(genome, tmp_path):
    path = vcf(tmp_path / "a.vcf.gz", genome, {1000: "1" * 20})
    check_variants(path, genome, [Interval("short", 0, 9), REGION])
    with pytest.raises(VariantError, match=r"a\.vcf\.gz: no record on short, where the held-out regions lie"):
        check_variants(path, genome, [Interval("short", 0, 9)])


def test_windows_are_drawn_without_asking_the_model(model, genome, tmp_path, monkeypatch):
    path = vcf(tmp_path / "a.vcf.gz", genome, {1000 + i: "1" * 10 + "0" * 10 for i in range(0, 300, 100)})
    monkeypatch.setattr("hexamer.training.snp_windows._TOLD", 2)
    monkeypatch.setattr(type(model), "forward", lambda *_, **__: 1 / 0)
    told: list[int] = []
    (drawn,) = draw_snp_windows(model, genome, path, [REGION], tokens=TOKENS, advance=told.append)
    assert (drawn.frequency, drawn.met, told) == (0.5, 0.5, [2])
    assert [len(windows) for windows in (drawn.alternate, drawn.reference)] == [3, 3]
    assert {codes.size for codes in drawn.alternate} == {(TOKENS - 1) * 6}


@pytest.mark.parametrize(
    ("of_genome", "call", "advice"),
    [
        (False, "1|1", "give the reference that the variants were called on"),
        (True, "0/1", "a heterozygote without phase; phase the file, for instance with shapeit or Beagle"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_advice_that_works(model, genome, tmp_path, of_genome, call, advice):
    """A SNP that is fine, and a record ten bases on that is not."""
    lines = []
    for place, good, gt in ((1000, True, "0|1"), (1010, of_genome, call)):
        letters = [genome.fetch("20", place, place + 1)]
        letters.insert(1 if good else 0, other(letters[0]))
        lines.append("\t".join(["chr20", str(place + 1), ".", *letters, ".", ".", ".", "GT", *[gt] * len(SAMPLES)]))
    path = write_vcf(tmp_path / "a.vcf.gz", lines, SAMPLES)
    with pytest.raises(VariantError, match="20:1011") as caught:
        draw_snp_windows(model, genome, path, [REGION], tokens=TOKENS)
    assert str(caught.value).endswith(advice), "evaluate-lm has no setting that could be offered"
