from pathlib import Path

import pytest

from hexamer.errors import SettingsError
from hexamer.tokens import GenomeSource, read_sources
from hexamer.tokens.sources import name_sources


def table(tmp_path: Path, *lines: str) -> Path:
    for name in ("a.fa", "b.fa", "b.vcf.gz"):
        (tmp_path / name).write_text("")
    path = tmp_path / "species.tsv"
    path.write_text("".join(line.replace("|", "\t") + "\n" for line in lines))
    return path


def test_a_manifest_of_species(tmp_path: Path):
    path = table(
        tmp_path,
        "# two of 850",
        "name|fasta|weight|taxonomy|hold_out|variants",
        "one|a.fa;b.fa|2|Fungi|chr1:1-1,000; chr2|",
        "",
        "two|b.fa|0.5|||b.vcf.gz",
    )
    one, two = read_sources(path)
    assert one.files == (str(tmp_path / "a.fa"), str(tmp_path / "b.fa"))
    assert (one.name, one.weight, one.taxonomy, one.hold_out) == ("one", 2.0, "Fungi", ("chr1:1-1,000", "chr2"))
    assert (two.variant_files, two.hold_out) == ((str(tmp_path / "b.vcf.gz"),), ())


def test_only_two_columns_are_needed(tmp_path: Path):
    (source,) = read_sources(table(tmp_path, "fasta|name", "a.fa|x"))
    assert source == GenomeSource(fasta=(str(tmp_path / "a.fa"),), name="x")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "no header; a first line of name, fasta"),
        (("name|fasta",), "no genome; one line a genome would work"),
        (("name|path", "x|a.fa"), "there is no column 'path'"),
        (("name|weight", "x|1"), "the column 'fasta' is missing"),
        (("name|fasta", "x|a.fa", "y|none.fa"), r"species.tsv:3: there is no file .*none.fa"),
        (("name|fasta|variants", "x|a.fa|none.vcf"), r"species.tsv:2: there is no file .*none.vcf"),
        (("name|fasta|weight", "x|a.fa|much"), "species.tsv:2: weight 'much' is no number"),
        (("name|fasta|weight", "x|a.fa|-1"), "species.tsv:2: genome 'x': weight = -1.0; a number of 0 or more"),
        (("name|fasta", "x|"), "species.tsv:2: genome 'x': fasta is empty"),
        (("name|fasta", "x"), "species.tsv:2: another number of cells"),
        (("name|fasta", "x|a.fa|more"), "species.tsv:2: another number of cells"),
    ],
)
def test_mistakes_in_a_manifest(tmp_path: Path, lines, message: str):
    with pytest.raises(SettingsError, match=message):
        read_sources(table(tmp_path, *lines))


def test_a_manifest_that_is_no_text(tmp_path: Path):
    with pytest.raises(SettingsError, match="there is no such manifest"):
        read_sources(tmp_path / "none.tsv")
    (tmp_path / "x.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read as text"):
        read_sources(tmp_path / "x.tsv")


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_impossible_weights(weight: float):
    with pytest.raises(SettingsError, match="a number of 0 or more would work"):
        GenomeSource(fasta="a.fa", weight=weight)


def test_weights_are_for_all_or_none():
    names = [GenomeSource(fasta=f"{name}.fa", weight=weight) for name, weight in (("a", 1.0), ("b", None))]
    with pytest.raises(SettingsError, match="genome 'b' has no weight, but others have"):
        name_sources(names)
    with pytest.raises(SettingsError, match="at least one above 0 would work"):
        name_sources([GenomeSource(fasta="a.fa", weight=0.0)])


def test_genomes_need_names_of_their_own():
    for sources in ([], [GenomeSource(fasta="x.fa"), GenomeSource(fasta="x.fa")]):
        with pytest.raises(SettingsError, match="at least one, each with a name of its own"):
            name_sources(sources)
    assert name_sources([GenomeSource(fasta="x/yeast.fa.gz"), GenomeSource(fasta="x.fa", name="y")]) == ["yeast", "y"]


def test_a_byte_order_mark_and_ends_of_lines_of_windows(tmp_path: Path):
    (tmp_path / "x.fa").write_text(">a\nACGT\n")
    (tmp_path / "s.tsv").write_bytes(b"\xef\xbb\xbfname\tfasta\r\nx\tx.fa\r\n")
    assert [source.name for source in read_sources(tmp_path / "s.tsv")] == ["x"]


@pytest.mark.parametrize("name", ["a" * 5000, "x\0.fa"])
def test_paths_that_no_file_can_have(tmp_path: Path, name: str):
    (tmp_path / "s.tsv").write_text(f"name\tfasta\nx\t{name}\n")
    with pytest.raises(SettingsError, match=r"s\.tsv:2: ") as caught:
        read_sources(tmp_path / "s.tsv")
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_a_column_named_twice(tmp_path: Path):
    (tmp_path / "s.tsv").write_text("name\tfasta\tname\nx\tx.fa\ty\n")
    with pytest.raises(SettingsError, match="a column is named twice"):
        read_sources(tmp_path / "s.tsv")
