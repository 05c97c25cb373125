import json
import random

import anndata
import numpy as np
import pandas as pd
import pytest
from tests.conftest import write_people

from hexamer.embeddings import write_embeddings

RNG = np.random.default_rng(0)


@pytest.fixture
def gtf(tmp_path):
    rows = [
        f'20\tx\t{kind}\t{start + a}\t{start + b}\t.\t+\t.\tgene_id "g{start}"; transcript_id "t{start}";\n'
        for start in (501, 2501, 6501)
        for kind, a, b in (("exon", 0, 599), ("CDS", 0, 599), ("exon", 900, 1199), ("CDS", 900, 1199))
    ]
    (tmp_path / "g.gtf").write_text("".join(rows))
    return tmp_path / "g.gtf"


@pytest.fixture
def written(tmp_path):
    """Thirty vectors of two kinds; the first has none."""
    vectors = RNG.normal(size=(30, 6)).astype(np.float32)
    vectors[15:] += 5
    vectors[0] = np.nan
    obs = pd.DataFrame({"name": [f"s{i}" for i in range(30)], "kind": ["a"] * 15 + ["b"] * 15, "gc": RNG.random(30)})
    obs["reason"] = ["empty"] + [""] * 29
    obs.index = obs.index.astype(str)
    return write_embeddings(tmp_path / "e.h5ad", anndata.AnnData(X=vectors, obs=obs, uns={"hexamer": {"layer": 4}}))


def test_elements_of_a_genome_in_one_command(run, fasta, gtf, model_folder, tmp_path):
    out, figure = tmp_path / "e.tsv", tmp_path / "e.svg"
    command = ("project", "-g", fasta, "-a", gtf, "-o", out, "-m", model_folder, "--figure", figure, "--control")
    code, told, said = run(*command, "--windows", "12", "--length", "60", "--layers", "1,-1", "--method", "pca")
    assert code == 0, said
    table = pd.read_csv(out, sep="\t")
    assert table.groupby("layer")["element"].value_counts().to_dict() == {
        (layer, name): 12 for layer in (1, 2) for name in ("cds", "intron", "intergenic")
    }
    assert table[["x", "y"]].notna().all(axis=None)
    assert "five_prime_utr: 0 of 12 windows; no more elements cover 50% of 60 bases" in said
    assert [word for word in told.split() if word in ("model", "random")] == ["model"] * 2 + ["random"] * 2
    assert told.split().count("CDS") == 4  # of two layers, and their controls
    text = figure.read_text()
    assert all(word in text for word in ("layer 1", "layer 2", "CDS (12)", "intergenic (12)", "purity"))
    manifest = json.loads((tmp_path / "e.tsv.manifest.json").read_text())
    assert manifest["windows"] == {"count": 12, "length": 60, "share": 0.5, "seed": 0}
    assert {(row["weights"], row["layer"]) for row in manifest["separation"]} == {
        (weights, layer) for weights in ("model", "random") for layer in (1, 2)
    }
    assert manifest["annotation"]["sha256"]
    assert manifest["model"]["source"] == model_folder


def test_written_embeddings_by_a_column(run, written, tmp_path):
    out = tmp_path / "p.parquet"
    code, told, said = run(
        "project", written, "--colour", "kind", "-c", "gc", "-o", out, "--figure", tmp_path / "p.png"
    )
    assert code == 0, said
    table = pd.read_parquet(out)
    assert table["name"].tolist() == [f"s{i}" for i in range(30)]
    assert table["x"].isna().tolist() == [True] + [False] * 29
    assert set(table["layer"]) == {4}
    lines = [line.split() for line in told.splitlines()]
    # Of 29 rows seven are looked at.
    assert [[line[0], *line[-2:]] for line in lines[1:]] == [
        ["all", "1.000", "0.483"],
        ["a", "1.000", "0.464"],
        ["b", "1.000", "0.500"],
    ]
    assert "1  empty" in said
    assert "perplexity 30 is too large for 29 rows; 9.33 was used" in said
    assert json.loads((tmp_path / "p.parquet.manifest.json").read_text())["missing"] == 1


def test_places_go_where_scanpy_looks(run, written, tmp_path):
    out = tmp_path / "p.h5ad"
    code, _, said = run("project", written, "-o", out, "--method", "pca")
    assert code == 0, said
    assert "--colour would colour by name, kind, gc, reason" in said
    found, before = anndata.read_h5ad(out), anndata.read_h5ad(written)
    assert found.obsm["X_pca"].shape == (30, 2)
    assert found.uns["hexamer_projection"]["method"] == "pca"
    np.testing.assert_array_equal(found.X, before.X)


def test_files_and_intervals_are_embedded_on_the_way(run, fasta, model_folder, tmp_path):
    draws = ["".join(RNG.choice(list("ACGT"), 30)) for _ in range(8)]
    (tmp_path / "s.fa").write_text("".join(f">s{i}\n{letters}\n" for i, letters in enumerate(draws)) + ">none\n\n")
    out = tmp_path / "p.h5ad"
    options = ("-m", model_folder, "--method", "pca", "-o")
    code, _, said = run("project", tmp_path / "s.fa", *options, out, "--layers", "0,2")
    assert code == 0, said
    found = anndata.read_h5ad(out)
    assert sorted(found.obsm) == ["X_pca_layer0", "X_pca_layer2"]
    assert np.isnan(found.obsm["X_pca_layer2"]).all(axis=1).tolist() == [False] * 8 + [True]
    (tmp_path / "i.bed").write_text("".join(f"20\t{i * 600}\t{i * 600 + 90}\t{'ab'[i % 2]}\n" for i in range(8)))
    out = tmp_path / "p.tsv"
    code, told, said = run("project", tmp_path / "i.bed", "-g", fasta, *options, out, "-c", "name", "-c", "strand")
    assert code == 0, said
    assert pd.read_csv(out, sep="\t")["start"].tolist() == [i * 600 for i in range(8)]
    assert told.split().count("all") == 1
    assert "strand: a single class, +" in said


MISTAKES = {
    "nothing": ("", "nothing to lay out"),
    "no genome": ("-a {gtf}", "elements are of a genome"),
    "input and elements": ("{fasta} -g {fasta} -a {gtf}", "elements are of a genome"),
    "intervals alone": ("{tmp}/i.bed", "intervals need a genome"),
    "unknown column": ("{written} -c kimd", "the nearest are kind"),
    "unknown method": ("{written} --method som", "tsne, pca, umap"),
    "layers of what is embedded": ("{written} --layers 1", "is embedded; --layers"),
    "no such file": ("{tmp}/no.h5ad", "there is no such file"),
    "not embeddings": ("{tmp}/bad.h5ad", "is not read as embeddings"),
    "a table of others": ("{tmp}/bad.parquet", "is not read as embeddings"),
    "a column of the picture's": ("{tmp}/x.h5ad", "has a column x"),
    "long windows": ("-g {fasta} -a {gtf} --length 6000 -m {model}", "594 or fewer"),
    "unknown layer": ("-g {fasta} -a {gtf} --layers 9 -m {model}", "layer 9 does not exist"),
    "few rows": ("{tmp}/few.fa -m {model}", "1 of 1 rows have a vector"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_line_and_write_nothing(run, mistake, fasta, gtf, written, model_folder, tmp_path):
    (tmp_path / "i.bed").write_text("20\t0\t60\n")
    (tmp_path / "few.fa").write_text(">a\nACGTACGT\n")
    (tmp_path / "bad.h5ad").write_text("no")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "bad.parquet")
    found = anndata.read_h5ad(written)
    found.obs["x"] = 1
    found.write_h5ad(tmp_path / "x.h5ad")
    words, told = MISTAKES[mistake]
    words = words.format(gtf=gtf, fasta=fasta, written=written, tmp=tmp_path, model=model_folder)
    code, _, said = run("project", *words.split(), "-o", tmp_path / "out.tsv")
    assert code == 2, said
    assert told in said.splitlines()[-1]
    assert not (tmp_path / "out.tsv").exists()


def test_outputs_are_checked_first(run, written, tmp_path):
    for words, told in ((("-o", tmp_path / "p.csv"), ".tsv.gz or .h5ad"), (("-o", written), "is an input")):
        code, _, said = run("project", written, *words)
        assert (code, told in said) == (2, True), said
    code, _, said = run("project", written, "-o", tmp_path / "p.tsv", "--figure", tmp_path / "p.pdf")
    assert (code, ".png or .svg" in said) == (2, True)


def test_a_person_differs_where_variants_are(run, model_folder, tmp_path):
    letters = "".join(random.Random(5).choices("ACGT", k=900))
    change = f"20\t450\t.\t{letters[449]}\t{letters[449]}GATTACA\t.\t.\t.\tGT\t0|1"
    vcf, genome = write_people(tmp_path, [change], ("ann",), letters)
    genome.close()
    bed = tmp_path / "w.bed"
    bed.write_text("".join(f"20\t{start}\t{start + 90}\tw{start}\n" for start in range(0, 900, 90)))
    found = {}
    for name, person in (("ref", ()), ("ann:1", ("--people", vcf, "--person", "ann:1")),
                         ("ann:2", ("--people", vcf, "--person", "ann:2"))):  # fmt: skip
        out = tmp_path / f"{name[-1]}.h5ad"
        code, _, said = run(
            "project", bed, "-g", genome.path, "-m", model_folder, "--method", "pca", "-o", out, *person
        )
        assert code == 0, said
        found[name] = anndata.read_h5ad(out)
    np.testing.assert_array_equal(found["ann:1"].X, found["ref"].X)
    other = (found["ann:2"].X != found["ref"].X).any(axis=1)
    assert np.flatnonzero(other).tolist() == [4]
    assert int(found["ann:2"].obs["bases"].iloc[4]) == 97
    code, _, said = run("project", tmp_path / "1.h5ad", "--people", vcf, "--person", "ann:1", "-o", tmp_path / "x.tsv")
    assert (code, "is embedded" in said) == (2, True), said
