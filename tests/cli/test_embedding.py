"""`embed`."""

import numpy as np
import pytest

from hexamer.embeddings import read_embeddings


def test_embed_fasta_and_bed(run, model_folder, fasta, tmp_path):
    for name in ("a.h5ad", "a.parquet"):
        assert run("embed", fasta, "--out", tmp_path / name, "--model", model_folder)[0] == 0
    found = read_embeddings(tmp_path / "a.h5ad")
    assert found.obs["name"].tolist() == ["20", "short", "tiny"]
    (tmp_path / "a.bed").write_text("chr20\t10\t40\tx\nchr20\t8990\t9100\ty\n")
    code, _, err = run("embed", tmp_path / "a.bed", "-g", fasta, "-o", tmp_path / "b.h5ad", "-m", model_folder)
    assert code == 0
    assert "past_end" in err
    assert read_embeddings(tmp_path / "b.h5ad").obs["chrom"].tolist() == ["chr20", "chr20"]


def test_embed_passes_its_precision_on(run, model_folder, fasta, tmp_path):
    for precision in ("exact", "fast"):
        out = tmp_path / f"{precision}.h5ad"
        code, _, err = run("embed", fasta, "-o", out, "-m", model_folder, "--precision", precision)
        assert code == 0, err
        assert read_embeddings(out).uns["hexamer"]["precision"] == precision
    first, second = (read_embeddings(tmp_path / f"{name}.h5ad").X for name in ("exact", "fast"))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (("20\t10\t40", "short\t1\t31"), ["2 vectors of 16 components (layer 2, mean)"]),
        (
            ("20\t10\t40", "20\t8990\t9100"),
            [
                "1 vector of 16 components (layer 2, mean)",
                "           1  past_end         the position is outside the contig",
            ],
        ),
        (
            ("7\t10\t40", "7\t50\t90", "20\t8990\t9100"),
            [
                "           2  contig_missing   the contig is not in the genome, nor under another common name",
                "           1  past_end         the position is outside the contig",
                "no row has a vector, mostly because the contig is not in the genome, nor under another common name; "
                "its own names would work: 20, short, tiny",
            ],
        ),
    ],
)
def test_embed_says_how_many_vectors_there_are(rows, said, run, model_folder, fasta, tmp_path):
    (tmp_path / "a.bed").write_text("".join(row + "\n" for row in rows))
    out = tmp_path / "a.parquet"
    code, _, err = run("embed", tmp_path / "a.bed", "-g", fasta, "-o", out, "-m", model_folder)
    assert code == 0, err
    assert [line for line in err.splitlines() if "read as N" not in line] == [*said, f"wrote {out}"]


def test_embed_counts_vectors_of_tokens(run, model_folder, tmp_path):
    (tmp_path / "a.fa").write_text(">a\nACGTACGTACGTA\n>b\n\n")
    code, _, err = run("embed", tmp_path / "a.fa", "-o", tmp_path / "a.h5ad", "-m", model_folder, "--pool", "none")
    assert code == 0, err
    assert err.splitlines()[:2] == [
        "3 vectors of 16 components (layer 2, none)",
        "           1  empty            the sequence has no base that is known",
    ]
