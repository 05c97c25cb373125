import numpy as np
import pytest
from tests.effects.conftest import SMALL

from hexamer.effects.background import Background, find_background, find_group
from hexamer.effects.score import ScoreSettings, score_alleles
from hexamer.errors import SettingsError
from hexamer.genome import Annotation, Change, Genome, Variant, reverse_complement
from hexamer.model import load_model, save_model


def test_percentile_is_the_share_of_scores_as_low():
    values = np.arange(100, dtype=np.float32)
    background = Background({"a": values, "b": values[:99]}, {})
    assert background.percentile("a", -1.0) == (0.0, 100)
    assert background.percentile("a", 0.0) == (1.0, 100)
    assert background.percentile("a", 98.5) == (99.0, 100)
    assert background.percentile("a", 99.0) == (100.0, 100)
    for group, size in (("b", 99), ("c", 0)):
        share, found = background.percentile(group, 5.0)
        assert np.isnan(share)
        assert found == size
    assert np.isnan(background.percentile("a", float("nan"))[0])


def test_both_strands_have_one_group(genome, tmp_path):
    bases = genome.fetch("20", 0, 3000)
    (tmp_path / "r.fa").write_text(f">20\n{reverse_complement(bases)}\n")
    turned = Genome(tmp_path / "r.fa")
    for start in range(100, 160):
        for change in (
            Change("20", start, bases[start], "ACGT"["ACGT".index(bases[start]) - 1]),
            Change("20", start, bases[start : start + 4], ""),
            Change("20", start, "", "TTTTTTT"),
        ):
            assert find_group(genome, change) == find_group(turned, change.reverse(3000)) != ""


def test_groups(genome, tmp_path):
    bases = genome.fetch("20", 500, 503)
    alt = "T" if bases[1] != "T" else "C"
    around, altered = bases, bases[0] + alt + bases[2]
    if around[1] in "AG":
        around, altered = reverse_complement(around), reverse_complement(altered)
    assert find_group(genome, Change("20", 501, bases[1], alt)) == f"snv {around}>{altered}"
    assert find_group(genome, Change("20", 501, "", "ACGTA")) == "insertion 4-5"
    assert find_group(genome, Change("20", 501, "ACG", "")) == "deletion 3"
    assert find_group(genome, Change("20", 501, "AC", "GT")) == ""
    assert find_group(genome, Change("20", 501, "AC", "GTT")) == ""
    assert find_group(genome, Change("20", 501, "", "A" * 21)) == ""
    assert find_group(genome, Change("20", 0, "A", "C")) == ""
    assert find_group(genome, Change("20", 3999, "A", "C")) == ""
    rows = "20\tx\texon\t401\t600\t.\t+\t.\t", "20\tx\tCDS\t451\t550\t.\t+\t.\t"
    (tmp_path / "a.gtf").write_text("".join(f'{row}gene_id "g"; transcript_id "t";\n' for row in rows))
    annotation = Annotation(tmp_path / "a.gtf", genome)
    assert find_group(genome, Change("20", 501, "", "A"), annotation) == "insertion 1 cds"
    assert find_group(genome, Change("20", 9000, "", "A"), annotation) == "insertion 1 intergenic"


def test_saved_and_loaded(background, tmp_path, model):
    background.save(tmp_path / "b.safetensors")
    again = Background.load(tmp_path / "b.safetensors")
    assert again.origin == background.origin
    assert {k: v.tolist() for k, v in again.groups.items()} == {k: v.tolist() for k, v in background.groups.items()}
    again.check(model, SMALL)
    with pytest.raises(SettingsError, match="made with phases 1, the scores are of phases 6"):
        again.check(model, ScoreSettings(scores=("llr",), window=120, phases=6, strands="forward"))
    with pytest.raises(SettingsError, match="percentiles are of llr"):
        again.check(model, ScoreSettings(scores=("l2",), window=120, phases=1, strands="forward"))


def test_columns_give_a_percentile_or_says_how_small_the_group_is(background, model, genome):
    ref = genome.fetch("20", 700, 701)
    variants = [Variant("20", 701, ref, alt) for alt in "ACGT" if alt != ref] + [Variant("20", 701, "N", "<DEL>")]
    scores = score_alleles(model, genome, variants, SMALL).values[:, 0]
    merged = Background({g: np.resize(v, 150) for g, v in background.groups.items()}, background.origin)
    for name, small in (("few", True), ("many", False)):
        found = (background if small else merged).columns(model, genome, variants, {"llr": scores}, SMALL)
        assert np.isnan(found[:3, 0]).all() == small, name
        assert np.isnan(found[3]).all()
        assert (found[:3, 1] == 150).all() != small


@pytest.mark.parametrize("content", [None, b"", b"no background", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_file_that_is_no_background(content, tmp_path):
    if content is not None:
        (tmp_path / "b").write_bytes(content)
    with pytest.raises(SettingsError, match="hexamer calibrate makes"):
        Background.load(tmp_path / "b")


def test_a_background_is_a_file_or_came_with_the_model(background, model, tmp_path, monkeypatch):
    save_model(model, tmp_path / "m")
    background.save(tmp_path / "m" / "mouse.background")
    encoder = load_model(tmp_path / "m", device="cpu")
    assert find_background("mouse", encoder) == tmp_path / "m" / "mouse.background"
    background.save(tmp_path / "b")
    assert find_background(tmp_path / "b", encoder) == tmp_path / "b"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mouse").mkdir()  # a folder is no background
    assert find_background("mouse", encoder).name == "mouse.background"
    for name in ("rat", "", "..", "nowhere/b"):
        with pytest.raises(SettingsError, match=r"no such background; .* the model came with mouse"):
            find_background(name, encoder)
    with pytest.raises(SettingsError, match=r"'rat': no such background; hexamer calibrate makes one$"):
        find_background("rat", model)


def test_the_packaged_background_fits_the_packaged_model_and_the_default_scores():
    model = load_model("hexamer-tiny", device="cpu")
    human = Background.load(find_background("human", model))
    human.check(model, ScoreSettings())
    snvs = [name for name in human.groups if name.startswith("snv ")]
    assert len(snvs) == 96
    assert len(human.groups) == 96 + 12
    assert min(map(len, human.groups.values())) >= 100
    middle = [np.median(human.groups[name]) for name in ("snv ACG>ATG", "snv ACG>AAG")]
    assert middle[0] > middle[1]  # what CpG mostly turns into is expected most
