import os
import pickle
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import write_vcf

from hexamer.errors import VariantError
from hexamer.genome.genotypes import ABSENT, MISSING, GenotypeFile, _read_calls, _read_panel, find_samples, read_alleles

RECORDS = [
    "20\t5\t.\tACG\tA\t.\t.\t.\tGT\t0|1\t1|0",
    "20\t7\trs\tG\tC,T\t.\t.\t.\tGT\t0|2\t.|.",
    "21\t7\t.\tG\tC\t.\t.\t.\tGT\t0|1\t0",
]


def write(path: Path, records: list[str] = RECORDS, samples: tuple[str, ...] = ("ann", "bob"), kind="vcf") -> Path:
    write_vcf(path, records, samples)
    if kind == "bcf":
        with pysam.VariantFile(str(path)) as source:
            binary = path.with_suffix(".bcf")
            with pysam.VariantFile(str(binary), "wb", header=source.header) as out:
                for record in source:
                    out.write(record)
        return binary
    return path


# One line


def slow(call: str) -> tuple[list[int], bool]:
    parts = call.split(":")[0].replace("/", "|").split("|")
    alleles = [MISSING if part == "." else int(part) for part in parts]
    return [*alleles, ABSENT][:2], "/" not in call.split(":")[0]


CALLS = st.lists(
    st.builds(
        lambda alleles, separator, more: separator.join(alleles) + more,
        st.lists(st.sampled_from(["0", "0", "1", "2", "12", "."]), min_size=1, max_size=3),
        st.sampled_from("|/"),
        st.sampled_from(["", "", ":7", ":0|1", ":", ":é"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(calls=CALLS)
def test_calls_are_read_as_one_by_one(calls: list[str]):
    line = "20\t5\t.\tA\tC\t.\t.\t.\tGT:DS\t" + "\t".join(calls)
    found = read_alleles(line, samples=len(calls), alternates=12)
    assert found.alleles.tolist() == [slow(call)[0] for call in calls]
    assert found.phased.tolist() == [slow(call)[1] for call in calls]
    for i, doubtful in enumerate(found.doubtful):
        first, second = found.alleles[i]
        assert doubtful == (not found.phased[i] and first != second and max(first, second) > 0)


@given(
    calls=st.lists(st.sampled_from(["0|0", "0|1", "1|0", "9|1", "3|2"]), min_size=1, max_size=9),
    other=st.sampled_from(["0|0", "0/1", ".|1", "1|.", "0|:", "a|0", "12", "0", "10|0", ":|0"]),
    place=st.integers(0, 9),
)
def test_the_line_of_a_panel_is_read_as_any_other(calls: list[str], other: str, place: int):
    calls.insert(place, other)
    raw = "\t".join(calls).encode()
    fast = _read_panel(raw, len(calls))
    if other == "0|0":
        slow = _read_calls(raw, len(calls))
        assert fast is not None
        assert (fast.alleles == slow.alleles).all()
        assert (fast.phased == slow.phased).all()
    else:
        assert fast is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("20\t5\t.\tA\tC\t.\t.\t.", "FORMAT does not begin with GT"),
        ("20\t5\t.\tA\tC\t.\t.\t.\tDS:GT\t1:0|1\t1:0|1", "FORMAT does not begin with GT"),
        ("20\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1", "1 sample columns where the #CHROM line has 2"),
        ("20\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1\t0|2", "has allele 2, but ALT has 1"),
        ("20\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1\tx|2", "genotype 'x|2'; expected one such as 0|1"),
        ("20\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1\t", "genotype ''"),
        ("20\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1\t0\\1", "genotype"),
    ],
)
def test_lines_that_cannot_be_read(line: str, message: str):
    with pytest.raises(VariantError) as caught:
        read_alleles(line, samples=2, alternates=1)
    assert message in str(caught.value)


def test_no_such_sample():
    assert find_samples(["b", "a"], samples=["a", "b"], file="x.vcf.gz") == [1, 0]
    with pytest.raises(VariantError, match=r"x.vcf.gz: no sample 'HG0009' among its 2; did you mean HG00096\?"):
        find_samples(["HG0009"], samples=["HG00096", "NA12878"], file="x.vcf.gz")
    with pytest.raises(VariantError, match=r"x\.vcf: two columns are named 'a'; rename one with bcftools reheader"):
        find_samples(["b", "a"], samples=["a", "b", "a"], file="x.vcf")
    assert find_samples(["b"], samples=["a", "b", "a"], file="x.vcf") == [1]
    with pytest.raises(VariantError, match="asked for twice"):
        find_samples(["a", "a"], samples=["a"], file="x.vcf.gz")


# A file


@pytest.mark.parametrize("kind", ["vcf", "bcf"])
def test_a_region_is_the_records_that_begin_in_it(tmp_path: Path, cache: Path, kind: str):
    with GenotypeFile(write(tmp_path / "x.vcf.gz", kind=kind)) as file:
        assert file.samples == ("ann", "bob")
        assert file.contigs == ("20", "21")
        assert [record.text for record in file.fetch("20", 4, 7)] == RECORDS[:2]
        assert [record.pos for record in file.fetch("20", 5, 7)] == [7]
        assert [record.alts for record in file.fetch("20", 6, 100)] == [("C", "T")]
        assert file.fetch("20", 7, 100) == []
        assert pickle.loads(pickle.dumps(file)).fetch("21", 0, 9)[0].ref == "G"
        file._process = -1  # as a child of fork finds it
        assert len(file.fetch("20", 0, 100)) == 2
    with pytest.raises(VariantError, match="was it closed"):
        file.fetch("20", 0, 100)
    assert [path.suffix for path in cache.iterdir()] == [".csi"]
    # Nothing was written beside the file.
    assert not list(tmp_path.glob("*.*i"))


def test_the_index_beside_the_file_is_used_if_it_is_no_older(tmp_path: Path, cache: Path):
    path = write(tmp_path / "x.vcf.gz")
    pysam.tabix_index(str(path), preset="vcf")
    assert len(GenotypeFile(path).fetch("20", 0, 100)) == 2
    assert not cache.exists()
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 10**10))
    assert len(GenotypeFile(path).fetch("20", 0, 100)) == 2
    assert len(list(cache.iterdir())) == 1


def test_files_that_cannot_be_read_by_region(tmp_path: Path, cache: Path):
    plain = write_vcf(tmp_path / "plain.vcf", [], ("ann", "bob"))
    unsorted = write(tmp_path / "unsorted.vcf.gz", [RECORDS[1], RECORDS[0]])
    sites = write_vcf(tmp_path / "sites.vcf.gz", [])
    cut = tmp_path / "cut.vcf.gz"
    cut.write_bytes(unsorted.read_bytes()[:-28])
    for path, message in {
        tmp_path / "none.vcf.gz": "no such file",
        plain: "not compressed with bgzip, so it has no index; bcftools view",
        unsorted: "sort the file with bcftools sort",
        cut: "cut short",
        sites: "sites without samples",
        Path("-"): "cannot come through a pipe",
    }.items():
        with pytest.raises(VariantError) as caught:
            GenotypeFile(path)
        assert message in str(caught.value)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not list(cache.glob("*.csi"))


def test_a_thousand_samples_are_one_array(tmp_path: Path):
    calls = np.random.default_rng(1).integers(0, 2, (1000, 2))
    line = "20\t5\t.\tA\tC\t.\t.\t.\tGT\t" + "\t".join(f"{a}|{b}" for a, b in calls)
    assert (read_alleles(line, samples=1000, alternates=1).alleles == calls).all()
