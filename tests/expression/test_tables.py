import gzip

import numpy as np
import pandas as pd
import pytest

from hexamer.errors import InputError
from hexamer.expression.cohort import match_people
from hexamer.expression.tables import read_expression, read_groups, read_predictions
from hexamer.genome import Annotation

PLACES = ["gene_id", "chrom", "tss", "strand"]
TABLE = pd.DataFrame(
    {
        "gene_id": ["g1", "g2"],
        "chrom": ["20", "21"],
        "tss": [5, 9],
        "strand": ["+", "-"],
        "ann": [1.5, -2.0],
        "bob": [0, 3],
    }
)


@pytest.mark.parametrize("name", ["e.tsv", "e.csv", "e.tsv.gz", "e.parquet"])
def test_tables_of_genes_and_people(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".parquet"):
        TABLE.to_parquet(path)
    else:
        TABLE.to_csv(path, sep="," if ".csv" in name else "\t", index=False)
    found = read_expression(path)
    assert found.samples == ("ann", "bob")
    assert found.values.tolist() == [[1.5, 0], [-2, 3]]
    assert found.genes[PLACES].to_numpy().tolist() == [["g1", "20", 4, "+"], ["g2", "21", 8, "-"]]
    assert found.take(("bob",)).values.tolist() == [[0], [3]]
    assert found.take_genes(np.array([False, True])).genes["gene_id"].tolist() == ["g2"]


def test_bed_as_tensorqtl_has_it(tmp_path):
    path = tmp_path / "e.bed.gz"
    with gzip.open(path, "wt") as file:
        file.write("#chr\tstart\tend\tphenotype_id\tann\tbob\nchr20\t4\t5\tg1\tNA\t2\n")
    found = read_expression(path)
    assert found.genes[PLACES].to_numpy().tolist() == [["g1", "chr20", 4, "+"]]
    assert np.isnan(found.values[0, 0])
    assert found.values[0, 1] == 2


def test_people_are_those_who_were_genotyped(tmp_path):
    TABLE.assign(best_r2=[0.5, 0.1]).to_csv(tmp_path / "e.tsv", sep="\t", index=False)
    assert read_expression(tmp_path / "e.tsv").samples == ("ann", "bob", "best_r2")
    found = read_expression(tmp_path / "e.tsv", samples=("cat", "bob", "ann"))
    assert found.samples == ("ann", "bob")
    matched = match_people(found, ("cat", "bob"))
    assert matched == (("bob",), ("ann",), ("cat",))
    with pytest.raises(InputError, match=r"no person was both measured \(ann, bob\) and genotyped \(dan\)"):
        match_people(found, ("dan",))


MISTAKES = {
    "no file": (None, "no such file"),
    "no gene": ("gene_id\tchrom\ttss\tann\n", "holds no genes"),
    "no columns": ("a\tb\n1\t2\n", "gene_id, chrom and tss"),
    "a word": ("gene_id\tchrom\ttss\tann\tbob\ng1\t20\t5\tx\t1\n", "g1 of ann is 'x'"),
    "a gene twice": ("gene_id\tchrom\ttss\tann\ng1\t20\t5\t1\ng1\t20\t6\t2\n", "gene g1 has two rows"),
    "no place": ("gene_id\tchrom\ttss\tann\ng1\t20\tfar\t1\n", "tss of g1 is no number"),
    "a person twice": ("gene_id\tchrom\ttss\tann\tann\ng1\t20\t5\t1\t2\n", "column 'ann' is there twice"),
    "a place without end": ("gene_id\tchrom\ttss\tann\ng1\t20\tinf\t1\n", "tss of g1 is no number"),
    "no strand": ("gene_id\tchrom\ttss\tstrand\tann\ng1\t20\t5\tup\t1\n", "strand of g1 is 'up'"),
    "a gene without a name": ("gene_id\tchrom\ttss\tann\n\t20\t5\t1\n", "a row has no gene_id"),
    "nobody": ("gene_id\tchrom\ttss\tbiotype\ng1\t20\t5\tx\n", "no column of a person's values"),
    "nobody who is known": ("gene_id\tchrom\ttss\tbob\ng1\t20\t5\t1\n", "none of its columns"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line(tmp_path, case):
    text, part = MISTAKES[case]
    if text is not None:
        (tmp_path / "e.tsv").write_text(text)
    with pytest.raises(InputError, match=r"e\.tsv: ") as found:
        read_expression(tmp_path / "e.tsv", samples=("ann",) if case == "nobody who is known" else None)
    assert part in str(found.value)
    assert "\n" not in str(found.value)


def test_quotes_in_a_tsv_are_letters(tmp_path):
    rows = [f"{name}\t20\t{5 + i}\t1\t{i}" for i, name in enumerate(['"g1', "g2", 'g"3', '"g4"'])]
    (tmp_path / "e.tsv").write_text("gene_id\tchrom\ttss\tann\tbob\n" + "".join(f"{row}\n" for row in rows))
    assert read_expression(tmp_path / "e.tsv").genes["gene_id"].tolist() == ['"g1', "g2", 'g"3', '"g4"']


def test_groups(tmp_path):
    path = tmp_path / "groups.txt"
    path.write_text("sample population\nann GBR 1\nbob,FIN\ncat\tGBR\n")
    assert read_groups(path, ("cat", "bob")) == ["GBR", "FIN"]
    with pytest.raises(InputError, match="has no group of dan"):
        read_groups(path, ("ann", "dan"))
    path.write_text("ann GBR\nann FIN\n")
    with pytest.raises(InputError, match="'ann' is of GBR and of 'FIN'"):
        read_groups(path, ("ann",))
    with pytest.raises(InputError, match="cannot be read"):
        read_groups(tmp_path / "none", ("ann",))


GTF = "".join(
    f'chr20\tx\texon\t101\t200\t.\t{strand}\t.\tgene_id "{name}"; transcript_id "t{name}";\n'
    for name, strand in (("g1.7", "-"), ("g3", "+"))
)


def test_places_of_an_annotation(tmp_path):
    (tmp_path / "g.gtf").write_text(GTF)
    annotation = Annotation(tmp_path / "g.gtf")
    TABLE.to_csv(tmp_path / "e.tsv", sep="\t", index=False)
    found = read_expression(tmp_path / "e.tsv", annotation=annotation).genes
    assert found[PLACES].to_numpy().tolist() == [["g1", "chr20", 199, "-"], ["g2", "21", 8, "-"]]
    bare = TABLE[["gene_id", "ann", "bob"]].replace("g1", "g3.2")
    bare.to_csv(tmp_path / "b.tsv", sep="\t", index=False)
    found = read_expression(tmp_path / "b.tsv", annotation=annotation).genes
    assert found[PLACES].to_numpy().tolist() == [["g3.2", "chr20", 100, "+"], ["g2", "", -1, "+"]]
    with pytest.raises(InputError, match="gene_id and an annotation would work"):
        read_expression(tmp_path / "b.tsv")
    bare.replace("g3.2", "g4").to_csv(tmp_path / "b.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match=r"none of its genes \(g4, g2\) is in the annotation"):
        read_expression(tmp_path / "b.tsv", annotation=annotation)


def test_predictions_of_others_need_no_places(tmp_path):
    TABLE.drop(columns=["chrom", "tss", "strand"]).to_csv(tmp_path / "wide.tsv", sep="\t", index=False)
    wide = read_predictions(tmp_path / "wide.tsv")
    long = TABLE.melt(id_vars=["gene_id"], value_vars=["ann", "bob"], var_name="sample", value_name="predicted")
    long.to_csv(tmp_path / "long.tsv", sep="\t", index=False)
    found = read_predictions(tmp_path / "long.tsv")
    assert wide.samples == found.samples == ("ann", "bob")
    assert wide.values.tolist() == found.values.tolist() == [[1.5, 0], [-2, 3]]
    pd.concat([long, long]).to_csv(tmp_path / "long.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match="there twice"):
        read_predictions(tmp_path / "long.tsv")
