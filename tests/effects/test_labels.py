import numpy as np
import pandas as pd
import pytest
from tests.conftest import write_vcf

from hexamer.effects import (
    ScoreSettings,
    Summary,
    add_elements,
    add_kinds,
    annotate_variants,
    join_scores,
    read_labels,
    score_variants,
)
from hexamer.errors import InputError
from hexamer.genome import Annotation, Variant

HEAD = "chrom\tpos\tref\talt\ty\tlog2\tword\tConsequence\n"
ROWS = "20\t7\tA\tT\t1\t-0.5\tbad\tmissense_variant\n20\t8\tA\tT\t0\t\tgood\t.\n20\t9\tA\tT\t\t2\t\tx\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "l.tsv"
    path.write_text(HEAD + ROWS)
    return path


def test_labels_and_effects_are_numbers_and_unknown_ones_nan(path):
    table = read_labels(path, label="y", effect="log2", columns=["word"])
    np.testing.assert_array_equal(table["y"], [1, 0, np.nan])
    np.testing.assert_array_equal(table["log2"], [-0.5, np.nan, 2])
    assert table["consequence"][0] == "missense_variant"
    assert table["word"].tolist()[:2] == ["bad", "good"]


@pytest.mark.parametrize(("words", "expected"), [("TRUE false ", [1, 0]), ("1.0 0", [1, 0]), ("True .", [1, np.nan])])
def test_yes_and_no_are_labels(tmp_path, words, expected):
    rows = "".join(f"20\t{i}\tA\tT\t{word}\n" for i, word in enumerate(words.split()))
    (tmp_path / "l.csv").write_text(("chrom\tpos\tref\talt\ty\n" + rows).replace("\t", ","))
    np.testing.assert_array_equal(read_labels(tmp_path / "l.csv", label="y")["y"], expected)


def test_words_can_be_labels(path):
    assert read_labels(path, label="word", positive=["bad"])["word"].tolist()[:2] == [1, 0]
    found = read_labels(path, label="word", positive=["good"], negative=["bad"])["word"]
    np.testing.assert_array_equal(found, [0, 1, np.nan])
    found = read_labels(path, label="Consequence", positive=["x"], negative=["missense_variant"])
    assert found["consequence"][0] == "missense_variant", "the terms stay as they were"


def test_labels_of_a_vcf(tmp_path):
    path = write_vcf(tmp_path / "l.vcf.gz", ["20\t7\t.\tA\tC,T\t.\t.\tY=1,0;CONSEQUENCE=stop_gained"])
    with pytest.raises(InputError, match="no column 'Y'"):
        read_labels(path, label="Y")
    plain = write_vcf(tmp_path / "l.vcf", ["20\t7\t.\tA\tC,T\t.\t.\tY=1,0;CONSEQUENCE=stop_gained"])
    header = '##INFO=<ID=Y,Number=A,Type=Integer,Description="x">\n##INFO=<ID=CONSEQUENCE,Number=1,Type=String,D="x">\n'
    plain.write_text(plain.read_text().replace("#CHROM", header + "#CHROM"))
    table = read_labels(plain, label="Y")
    assert table["Y"].tolist() == [1, 0]
    assert table["consequence"].tolist() == ["stop_gained"] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "Y"}, "there is no column 'Y'; the nearest are y"),
        ({"label": "word"}, r"2 label\(s\) in 'word' are neither 0 nor 1, such as 'bad'; naming the words"),
        ({"effect": "word"}, r"2 cell\(s\) of 'word' are no numbers"),
        ({"label": "word", "positive": ["god"]}, "'word' never is 'god'; good, bad would work"),
        ({"label": "word", "negative": ["bad"]}, "none that mean 1"),
        ({"columns": ["gene"]}, "there is no column 'gene'"),
    ],
)
def test_mistakes_in_labels(path, options, message):
    with pytest.raises(InputError, match=message):
        read_labels(path, **options)
    path.write_text(HEAD + ROWS + ROWS.splitlines()[0] + "\n")
    with pytest.raises(InputError, match=r"1 variant\(s\) more than once, first 20:7:A:T"):
        read_labels(path)


@pytest.fixture
def variants(genome):
    def at(pos, shift):
        base = genome.fetch("20", pos - 1, pos)
        return Variant("20", pos, base, "ACGT"[("ACGT".index(base) + shift) % 4])

    wrong = at(500, 1)
    return [at(100, 1), at(100, 2), at(300, 1), Variant("20", 500, wrong.alt, wrong.ref), at(700, 3)]


@pytest.mark.parametrize("ending", [".tsv", ".tsv.gz", ".parquet", ".vcf", ".vcf.gz", "table"])
def test_scores_in_every_form_are_joined_to_the_labels(model, genome, variants, tmp_path, ending):
    settings = ScoreSettings(scores=("llr", "l1"), window=200)
    rows = [f"{v.chrom}\t{v.pos}\t.\t{v.ref}\t{v.alt}\t.\t.\t." for v in variants[:4]]
    scored = score_variants(model, genome, variants[:4], ("llr", "l1"), window=200).table
    given = scored
    if ending != "table":
        given = tmp_path / f"s{ending}"
        found = annotate_variants(model, genome, write_vcf(tmp_path / "v.vcf", rows), given, settings=settings)
        assert isinstance(found, Summary)
    order = [4, 2, 0, 3]
    keys = [(f"chr{variants[i].chrom}", variants[i].pos, variants[i].ref.lower(), variants[i].alt) for i in order]
    labels = pd.DataFrame(keys, columns=["chrom", "pos", "ref", "alt"]).assign(y=[1, 0, 1, 0])
    labels["ref"] = labels["ref"].str.upper()
    joined = join_scores(labels, given)
    assert joined["reason"].tolist() == ["not_scored", "", "", "ref_mismatch"]
    np.testing.assert_allclose(joined["llr"], [np.nan, *scored["llr"][[2, 0]], np.nan], rtol=1e-6)
    np.testing.assert_allclose(joined["l1"], [np.nan, *scored["l1"][[2, 0]], np.nan], rtol=1e-6)
    assert joined["y"].tolist() == [1, 0, 1, 0]
    assert "l1" not in join_scores(labels, given, scores=["llr"])
    with pytest.raises(InputError, match="there is no column 'l2'"):
        join_scores(labels, given, scores=["l2"])


def test_mistakes_in_joining(path, tmp_path):
    labels = read_labels(path, label="y")
    scored = labels[["chrom", "pos", "ref", "alt"]].assign(llr=[1.0, 2, np.nan], mine=3.0)
    assert join_scores(labels, scored)["reason"].tolist() == ["", "", ""]
    assert join_scores(labels.assign(llr=[1.0, 2, np.nan]), scored)["llr"].tolist()[:2] == [1, 2], "the same file twice"
    with pytest.raises(InputError, match="the labels have a column 'llr' too, with other numbers"):
        join_scores(labels.assign(llr=0.0), scored)
    with pytest.raises(InputError, match=r"2 variant\(s\) more than once"):
        join_scores(labels, pd.concat([scored, scored.iloc[:2]]))
    with pytest.raises(InputError, match="has no column of a score"):
        join_scores(labels, scored.drop(columns="llr"))
    with pytest.raises(InputError, match=r"1 cell\(s\) of 'llr' are no numbers"):
        join_scores(labels, scored.assign(llr=["1", "2", "x"]))
    assert join_scores(labels, scored, scores=["mine"])["mine"].tolist() == [3, 3, 3]
    assert join_scores(labels, scored.iloc[:0])["reason"].tolist() == ["not_scored"] * 3
    assert len(join_scores(labels.iloc[:0], scored)) == 0


def test_kinds_and_elements_are_columns(path, tmp_path):
    table = read_labels(path)
    assert add_kinds(table.assign(alt=["T", "AG", "<DEL>"]))["kind"].tolist() == ["snv", "insertion", "symbolic"]
    (tmp_path / "a.gtf").write_text('chr20\tx\texon\t8\t8\t.\t+\t.\tgene_id "g"; transcript_id "t";\n')
    found = add_elements(table.assign(chrom=["20", "20", "21"]), Annotation(tmp_path / "a.gtf", {"20": 8}))
    assert found["element"].tolist() == ["promoter", "exon", None]
    off = add_elements(table.assign(pos=[8, 9, 0]), Annotation(tmp_path / "a.gtf", {"20": 8}))
    assert off["element"].tolist() == ["exon", None, None]
