import json
from pathlib import Path

import numpy as np
import pysam
import pytest
from tests.conftest import PEOPLE, PEOPLE_RECORDS, write_people

from hexamer.errors import VariantError
from hexamer.tokens.alphabet import bases_to_codes, codes_to_bases
from hexamer.tokens.population import PARTS, Population
from hexamer.tokens.population_writer import write_population


def test_what_is_kept_and_what_is_left_out(tmp_path: Path):
    path, genome = write_people(tmp_path, PEOPLE_RECORDS)
    found = write_population([path], [genome], tmp_path, name="people")
    assert found == json.loads((tmp_path / "people.json").read_text())
    assert (found["records"], found["individuals"], found["samples"]) == (7, 3, list(PEOPLE))
    assert found["kept"] == {"snv": 3, "insertion": 1, "deletion": 1, "iupac": 1}
    assert found["left_out"] == {"past_end": 1, "star": 1, "symbolic": 1, "not_carried": 1, "contig_missing": 2}
    assert found["calls"] == {"missing_call": 3, "haploid": 2}
    assert found["variants"] == sum(found["kept"].values())
    assert found["contigs"] == {"chr20": [0, 5], "chr21": [5, 6]}
    assert set(found["files"]) == {path.name for path in tmp_path.glob("people.*")}
    assert not list(tmp_path.glob(".*"))


def test_files_of_one_contig_each(tmp_path: Path):
    path, genome = write_people(tmp_path, PEOPLE_RECORDS[1:3])
    (tmp_path / "other").mkdir()
    other, _ = write_people(tmp_path / "other", ["21\t4\t.\tT\tC\t.\t.\t.\tGT\t0|1\t0|0"], ("cat", "ann"))
    found = write_population([path, other], [genome], tmp_path, name="people", samples=["ann", "cat"])
    assert found["contigs"] == {"chr20": [0, 3], "chr21": [3, 4]}
    people = Population(tmp_path, "people")
    assert [len(people.edits("chr21", 0, 20, individual=i, haplotype=1)) for i in (0, 1)] == [0, 1]
    with pytest.raises(VariantError, match=r"other/x.vcf.gz: no sample 'bob' among its 2"):
        write_population([path, other], [genome], tmp_path, name="people")
    with pytest.raises(VariantError, match=r"x.vcf.gz:7: 20:3 comes after chr20:6; sort the file .*each contig in one"):
        write_population([path, path], [genome], tmp_path, name="people")
    # What was there before is whole.
    assert Population(tmp_path, "people").record == found


def test_a_bcf_gives_the_same_files(tmp_path: Path):
    records = ["20\t3\t.\tG\tA,GTT\t.\t.\t.\tGT\t1|2\t0|0\t.|1", "20\t6\t.\tCGT\tC\t.\t.\t.\tGT\t1|0\t0\t1/1"]
    path, genome = write_people(tmp_path, records)
    header = pysam.VariantHeader()
    for line in ("##contig=<ID=20>", '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">'):
        header.add_line(line)
    header.add_samples(PEOPLE)
    with pysam.VariantFile(str(tmp_path / "x.bcf"), "wb", header=header) as out:
        for record, calls in zip(records, [[(1, 2), (0, 0), (None, 1)], [(1, 0), (0,), (1, 1)]], strict=True):
            _, pos, _, ref, alts, *_ = record.split("\t")
            made = out.new_record(contig="20", start=int(pos) - 1, alleles=(ref, *alts.split(",")))
            for sample, call in zip(PEOPLE, calls, strict=True):
                made.samples[sample]["GT"], made.samples[sample].phased = call, len(call) > 1
            out.write(made)
    write_population([path], [genome], tmp_path, name="vcf")
    write_population([tmp_path / "x.bcf"], [genome], tmp_path, name="bcf")
    for part in PARTS:
        assert (tmp_path / f"vcf.{part}").read_bytes() == (tmp_path / f"bcf.{part}").read_bytes(), part


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (["20\t5\t.\tA\tG\t.\t.\t.\tGT\t0|1", "20\t9\t.\tA\tG\t.\t.\t.\tGT\t0/1"], ":8: 20:9: sample ann is a hetero"),
        (["20\t5\t.\tC\tG\t.\t.\t.\tGT\t0|0"], r"record 20:5 has REF 'C', but .*x.fa has 'A' there; give"),
        (
            ["20\t19\t.\tGTA\tG\t.\t.\t.\tGT\t0|1"],
            r"x.vcf.gz:7: 20:19 lies beyond the end of chr20, which has 20 bases in .*x.fa; give the reference",
        ),
        (["20\t99\t.\tG\tA\t.\t.\t.\tGT\t0|1"], "20:99 lies beyond the end of chr20, which has 20 bases"),
        (["20\t5\t.\tA\tG\t.\t.\t.\tDP\t7"], ":7: 20:5: no genotypes"),
        (
            ["20\t9\t.\tA\tG\t.\t.\t.\tGT\t1|0", "20\t5\t.\tA\tG\t.\t.\t.\tGT\t0|1"],
            ":8: 20:5 comes after chr20:9; sort",
        ),
        (["20\t9\t.\tA\tG\t.\t.\t.\tGT\t0|0"], r"used \(1 alternate allele left out: 1 carried by nobody\); var"),
        (["7\t9\t.\tA\tG\t.\t.\t.\tGT\t0|1"], r"1 on contigs that the genome has not\); .*x\.fa, would work"),
        ([], r"no variant that could be used \(no record\)"),
    ],
)
def test_bad_input_is_told_in_one_line_and_leaves_nothing(tmp_path: Path, records: list[str], message: str):
    path, genome = write_people(tmp_path, records, ("ann",))
    with pytest.raises(VariantError, match=message) as caught:
        write_population([path], [genome], tmp_path, name="people")
    assert "x.vcf.gz" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"x.fa", "x.fa.fai", "x.vcf.gz", "cache"}


def test_progress_is_told(tmp_path: Path):
    records = [f"20\t{pos}\t.\tA\tC\t.\t.\t.\tGT\t1|0" for pos in range(1, 2501)]
    path, genome = write_people(tmp_path, records, ("ann",), "A" * 2500)
    told: list[int] = []
    found = write_population([path], [genome], tmp_path, name="people", advance=told.append)
    assert (sum(told), found["records"]) == (2500, 2500)
    people = Population(tmp_path, "people")
    codes = bases_to_codes("A" * 2500)
    assert codes_to_bases(people.insert(codes, "chr20", 0, individual=0, haplotype=0, length=3000)) == "C" * 2500
    assert np.array_equal(people.insert(codes[:9], "chr20", 0, individual=0, haplotype=1, length=9), codes[:9])
