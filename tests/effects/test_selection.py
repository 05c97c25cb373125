import os
import random

import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import write_vcf

from hexamer.effects.selection import (
    PIECE,
    Regions,
    Shard,
    is_stream,
    open_records,
    read_pieces,
    read_regions,
)
from hexamer.effects.writers import write_bcf
from hexamer.errors import GenomeError, IntervalError, SettingsError, VariantError
from hexamer.genome import Genome, Interval, Record


def record(pos, ref="A", chrom="20", info="."):
    return Record(0, f"{chrom}\t{pos}\t.\t{ref}\tC\t.\t.\t{info}", chrom, pos, ".", ref, ("C",))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("20:11-20", ["20:11-20"]),
        ("chr20:1,000-2,000", ["20:1000-2000"]),
        ("20:1,000-1,100,20:5-6", ["20:5-6", "20:1000-1100"]),
        ("20", ["20"]),
        ("short,20:7", ["20:7-7", "short"]),
        (["20:1-5", "20:6-9", "20:20-30"], ["20:1-9", "20:20-30"]),
        ([Interval("20", 4, 9)], ["20:5-9"]),
        (["20:5-9", "20"], ["20"]),
        ([], None),
        ("", None),
    ],
)
def test_regions_in_any_form(genome, given, names):
    if given == "":
        with pytest.raises(GenomeError, match="contig '' is not in"):
            read_regions(given, genome)
        return
    found = read_regions(given, genome)
    assert (found and found.names) == names


def test_regions_of_a_bed_file_may_name_other_contigs(genome, tmp_path):
    (tmp_path / "x.bed").write_text("chrUn\t3\t9\nchr20\t0\t10\n")
    regions = read_regions(str(tmp_path / "x.bed"), genome)
    assert regions.names == ["20:1-10", "chrUn:4-9"]
    assert record(4, chrom="chrUn") in regions


@pytest.mark.parametrize(
    ("given", "error", "part"),
    [
        ("21", GenomeError, "contig '21' is not in"),
        ("21:5-6", GenomeError, "contig '21' is not in"),
        ("20:9-5", IntervalError, "the first is not beyond the last"),
        ("no.bed", IntervalError, "no.bed: no such file"),
    ],
)
def test_a_region_that_cannot_be_read(genome, given, error, part):
    with pytest.raises(error, match=part):
        read_regions(given, genome)


@pytest.mark.parametrize(
    ("found", "inside"),
    [
        (record(10), False),
        (record(11), True),
        (record(20, chrom="chr20"), True),
        (record(21), False),
        (record(9, "ACG"), True),
        (record(9, "AC"), False),
        (record(5, info="DB;END=11"), True),
        (record(5, info="DB;END=10"), False),
        (record(5, info="BEND=11"), False),
        (record(11, chrom="21"), False),
        (record(50), True),
        (record(30, info="END=90"), True),
    ],
)
def test_a_record_is_in_a_region_if_they_share_a_base(genome, found, inside):
    assert (found in read_regions("20:11-20,20:50-60,20:80-81", genome)) is inside


def test_a_whole_contig_has_the_telomere_and_what_lies_past_the_end(genome):
    regions = read_regions("20", genome)
    assert record(0) in regions
    assert record(10**9) in regions


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), min_size=1, max_size=6),
    st.integers(1, 90),
    st.integers(1, 12),
)
def test_overlap_is_what_looking_at_each_base_gives(spans, pos, length):
    class Any:
        def __contains__(self, chrom):
            return False

    regions = Regions([("x", (start, start + size)) for start, size in spans], Any())
    bases = {base for start, size in spans for base in range(start, start + size)}
    expected = not bases.isdisjoint(range(pos - 1, pos - 1 + length))
    assert (record(pos, "A" * length, "x") in regions) is expected


def odd_lines():
    """Sorted by contig and place, with long alleles, END, bytes that are not UTF-8, and CHROM out of header order."""
    draw = random.Random(3)
    lines = []
    for chrom in ("21", "20"):
        lines.append(f"{chrom}\t0\t.\tNA\t<DEL>\t.\t.\t.")
        pos = 1
        for i in range(600):
            pos += draw.choice([0, 0, 1, 5, 30])
            ref = "A" * draw.choice([1, 1, 1, 7, 40])
            info = draw.choice([".", ".", f"END={pos + draw.choice([60, 300])}"])
            lines.append(f"{chrom}\t{pos}\tid{i}\t{ref}\tC\t1.50\t.\t{info}")
    return lines


GIVEN = ["20:100-200", "20", ["20:1-50", "20:51-60", "20:300-310", "20:305-400,21:1000-1001", "21:1-1"], "short"]


@pytest.fixture
def aliased(tmp_path):
    (tmp_path / "g.fa").write_text(">chr20\nACGT\n>chr21\nACGT\n>short\nAC\n")
    with Genome(tmp_path / "g.fa") as genome:
        yield genome


@pytest.mark.parametrize("given", GIVEN, ids=str)
@pytest.mark.parametrize("kind", ["vcf.gz", "bcf"])
def test_the_index_gives_what_looking_at_each_record_gives(aliased, tmp_path, monkeypatch, kind, given):
    lines = odd_lines()
    path = write_vcf(tmp_path / "x.vcf.gz", lines)
    if kind == "bcf":
        path = tmp_path / "x.bcf"
        write_bcf(path, tmp_path / "x.vcf.gz")
    regions = read_regions(given, aliased)
    with open_records(path, aliased, regions) as source:
        expected = [found.text for found in source]
        header = source.header
    pysam.tabix_index(str(path), preset="vcf", csi=kind == "bcf", keep_original=True)
    looked, look = [], Regions.__contains__
    monkeypatch.setattr(Regions, "__contains__", lambda self, record: looked.append(1) or look(self, record))
    with open_records(path, aliased, regions) as source:
        assert [found.text for found in source] == expected
        assert source.header == header
    assert len(looked) < 1200 or given == "20", "the index was not used"
    assert len(set(expected)) == len(expected)
    assert bool(expected) is (given != "short")


def test_an_older_index_is_not_used(aliased, tmp_path):
    path = write_vcf(tmp_path / "x.vcf.gz", odd_lines())
    pysam.tabix_index(str(path), preset="vcf", keep_original=True)
    write_vcf(path, ["20\t7\t.\tA\tC\t.\t.\t."])
    os.utime(f"{path}.tbi", (1, 1))
    with open_records(path, aliased, read_regions("20", aliased)) as source:
        assert [found.pos for found in source] == [7]


def test_bytes_that_are_no_text_come_through_the_index(aliased, tmp_path):
    path = tmp_path / "x.vcf.gz"
    with pysam.BGZFile(str(path), "wb", None) as file:
        file.write(
            b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n20\t7\t\xff\xc3\xa9\tA\tC\t.\t.\t.\n"
        )
    pysam.tabix_index(str(path), preset="vcf", keep_original=True)
    with open_records(path, aliased, read_regions("20", aliased)) as source:
        (found,) = source
    assert found.id.encode("utf-8", "surrogateescape") == b"\xff\xc3\xa9"


def test_a_damaged_index(aliased, tmp_path):
    path = write_vcf(tmp_path / "x.vcf.gz", odd_lines())
    (tmp_path / "x.vcf.gz.tbi").write_bytes(b"no index")
    with open_records(path, aliased, read_regions("20", aliased)) as source:
        records = iter(source)
        with pytest.raises(VariantError, match=r"x\.vcf\.gz: cannot be read with its index .*; remove .*\.tbi"):
            next(records)


def test_what_is_read_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    assert is_stream("-")
    assert is_stream(tmp_path / "pipe")
    assert not is_stream(tmp_path / "file")
    assert not is_stream(tmp_path / "none")


# Shards


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/2/3", "-1/2", "1/0", ""])
def test_a_shard_that_does_not_exist(text):
    with pytest.raises(SettingsError, match="expected"):
        Shard.parse(text)


@pytest.mark.parametrize("of", [1, 2, 3, 7, 20])
def test_shards_share_out_all_records_each_once(of):
    records = range(PIECE * 9 + 5)
    found = []
    for index in range(1, of + 1):
        shard = Shard(index, of)
        own = [numbered for piece in read_pieces(records, shard) for numbered in piece]
        assert all(number == record for number, record in own)
        assert [shard.number(place) for place in range(len(own))] == [number for number, _ in own]
        found += own
    assert sorted(found) == [(i, i) for i in records]
    assert str(Shard.parse("3/8")) == "3/8"
