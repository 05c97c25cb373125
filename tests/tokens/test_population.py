import json
import pickle
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hexamer.errors import OutputError, SettingsError, VariantError
from hexamer.genome import Cohort, Genome
from hexamer.tokens.alphabet import bases_to_codes, codes_to_bases
from hexamer.tokens.population import PARTS, Population, write_population
from hexamer.tokens.storage import SOFT

COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t"
R = "ACGTACGTACGTACGTACGT"
PEOPLE = ("ann", "bob", "cat")
RECORDS = [
    "20\t0\t.\tN\tA\t.\t.\t.\tGT\t1|1\t0|0\t0|0",
    "20\t3\t.\tG\tA,GTT\t.\t.\t.\tGT:DP\t1|2:7\t0|0\t.|1",
    "20\t6\t.\tCGT\tC\t.\t.\t.\tGT\t1|0\t0|1\t1/1",
    "20\t7\t.\tG\tC,*,<DEL>,T\t.\t.\t.\tGT\t1|2\t3|1\t0|0",
    "20\t12\t.\tT\tC\t.\t.\t.\tGT\t1\t0\t./.",
    "GL1\t12\t.\tT\tC,G\t.\t.\t.\tGT\t1/0\t0\t./.",
    "21\t4\t.\tT\tr\t.\t.\t.\tGT\t0|0\t0|0\t0|1",
]


def write(folder: Path, records: list[str] = RECORDS, samples=PEOPLE, reference: str = R) -> tuple[Path, Genome]:
    (folder / "x.fa").write_text(f">chr20\n{reference}\n>chr21\n{reference}\n")
    text = "##fileformat=VCFv4.2\n" + COLUMNS + "\t".join(samples) + "\n" + "".join(r + "\n" for r in records)
    with pysam.BGZFile(str(folder / "x.vcf.gz"), "wb", None) as out:
        out.write(text.encode())
    return folder / "x.vcf.gz", Genome(folder / "x.fa")


def test_what_is_kept_and_what_is_left_out(tmp_path: Path):
    path, genome = write(tmp_path)
    found = write_population([path], [genome], tmp_path, "people")
    assert found == json.loads((tmp_path / "people.json").read_text())
    assert (found["records"], found["individuals"], found["samples"]) == (7, 3, list(PEOPLE))
    assert found["kept"] == {"snv": 3, "insertion": 1, "deletion": 1, "iupac": 1}
    assert found["left_out"] == {"past_end": 1, "star": 1, "symbolic": 1, "not_carried": 1, "contig_missing": 2}
    assert found["calls"] == {"missing_call": 3, "haploid": 2}
    assert found["variants"] == sum(found["kept"].values())
    assert found["contigs"] == {"chr20": [0, 5], "chr21": [5, 6]}
    assert set(found["files"]) == {path.name for path in tmp_path.glob("people.*")}
    assert not list(tmp_path.glob(".*"))


def test_each_haplotype_has_its_bases(tmp_path: Path):
    path, genome = write(tmp_path)
    write_population([path], [genome], tmp_path, "people")
    people = pickle.loads(pickle.dumps(Population(tmp_path, "people")))
    assert people.individuals == PEOPLE
    codes = bases_to_codes(R)
    for individual, sample in enumerate(PEOPLE):
        for haplotype in (0, 1):
            person = Cohort(path, genome).haplotype(sample, haplotype + 1)
            found = people.insert(codes, "chr20", 0, individual, haplotype, 30)
            assert codes_to_bases(found) == person.fetch("20", 0, 20)
    assert codes_to_bases(people.insert(codes, "chr21", 0, 2, 1, 6)) == "ACGNAC"
    assert people.edits("chr22", 0, 10**9, 0, 0) == []
    assert codes_to_bases(people.insert(codes, "chr22", 0, 0, 0, 5)) == "ACGTA"
    assert codes_to_bases(codes) == R


# The obvious twin: the haplotypes of the genome's floor


@st.composite
def cohorts(draw) -> tuple[str, list[str], int]:
    """A short reference, crowded records and the number of people."""
    reference = draw(st.text("ACGT", min_size=5, max_size=60))
    people = draw(st.integers(1, 9))
    bases = st.text("ACGT", max_size=4)
    records = []
    for place in sorted(draw(st.lists(st.integers(0, len(reference) - 1), max_size=20))):
        ref = reference[place : place + draw(st.sampled_from([1, 1, 1, 2, 3, 6]))]
        alts = draw(st.lists(st.one_of(bases, bases.map(ref[0].__add__)).filter(bool), min_size=1, max_size=3))
        allele = st.sampled_from([*"0011", ".", str(len(alts))])
        calls = [f"{draw(allele)}|{draw(allele)}" if draw(st.integers(0, 9)) else draw(allele) for _ in range(people)]
        fields = ["20", str(place + 1), ".", ref, ",".join(alts), ".", ".", ".", "GT", *calls]
        records.append("\t".join(fields))
    return reference, records, people


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cohort=cohorts(), data=st.data())
def test_insert_agrees_with_haplotypes(tmp_path_factory: pytest.TempPathFactory, cohort, data):
    reference, records, people = cohort
    records.append("21\t1\t.\t" + reference[0] + "\tAC\t.\t.\t.\tGT" + "\t1|1" * people)
    folder = tmp_path_factory.mktemp("people")
    path, genome = write(folder, records, [f"p{i}" for i in range(people)], reference)
    write_population([path], [genome], folder, "people")
    population = Population(folder, "people")
    codes = bases_to_codes(reference)
    with Cohort(path, genome, cache=folder) as slow:
        for individual in range(people):
            start = data.draw(st.integers(0, len(reference)))
            end = data.draw(st.integers(start, len(reference)))
            length = data.draw(st.integers(0, 80))
            for haplotype in (0, 1):
                person = slow.haplotype(f"p{individual}", haplotype + 1)
                found = population.insert(codes[start:end], "chr20", start, individual, haplotype, length)
                assert codes_to_bases(found) == person.fetch("20", start, end)[:length]
                expected, _ = slow.edits("chr20", start, end, sample=individual, number=haplotype + 1)
                assert population.edits("chr20", start, end, individual, haplotype) == expected
    assert (codes == bases_to_codes(reference)).all()


def test_soft_masked_bases_stay_so(tmp_path: Path):
    path, genome = write(tmp_path, ["20\t3\t.\tG\tA\t.\t.\t.\tGT\t1|0", "20\t5\t.\tA\tATT\t.\t.\t.\tGT\t1|1"], ("ann",))
    write_population([path], [genome], tmp_path, "people")
    codes = bases_to_codes(R).copy()
    codes[2:5] |= SOFT
    found = Population(tmp_path, "people").insert(codes, "chr20", 0, 0, 0, 10)
    assert codes_to_bases(found & (SOFT - 1)) == "ACATATTCGT"
    assert (found >= SOFT).tolist() == [False] * 2 + [True] * 5 + [False] * 3


# Files


def test_files_of_one_contig_each(tmp_path: Path):
    path, genome = write(tmp_path, RECORDS[1:3])
    (tmp_path / "other").mkdir()
    other, _ = write(tmp_path / "other", ["21\t4\t.\tT\tC\t.\t.\t.\tGT\t0|1\t0|0"], ("cat", "ann"))
    found = write_population([path, other], [genome], tmp_path, "people", samples=["ann", "cat"])
    assert found["contigs"] == {"chr20": [0, 3], "chr21": [3, 4]}
    people = Population(tmp_path, "people")
    assert [len(people.edits("chr21", 0, 20, i, 1)) for i in (0, 1)] == [0, 1]
    with pytest.raises(VariantError, match=r"other/x.vcf.gz: no sample 'bob' among its 2"):
        write_population([path, other], [genome], tmp_path, "people")
    with pytest.raises(VariantError, match=r"x.vcf.gz:3: 20:3 comes after chr20:6; sort the file .*each contig in one"):
        write_population([path, path], [genome], tmp_path, "people")
    # What was there before is whole.
    assert Population(tmp_path, "people").record == found


def test_a_bcf_gives_the_same_files(tmp_path: Path):
    records = ["20\t3\t.\tG\tA,GTT\t.\t.\t.\tGT\t1|2\t0|0\t.|1", "20\t6\t.\tCGT\tC\t.\t.\t.\tGT\t1|0\t0\t1/1"]
    path, genome = write(tmp_path, records)
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
    write_population([path], [genome], tmp_path, "vcf")
    write_population([tmp_path / "x.bcf"], [genome], tmp_path, "bcf")
    for part in PARTS:
        assert (tmp_path / f"vcf.{part}").read_bytes() == (tmp_path / f"bcf.{part}").read_bytes(), part


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (["20\t5\t.\tA\tG\t.\t.\t.\tGT\t0|1", "20\t9\t.\tA\tG\t.\t.\t.\tGT\t0/1"], ":4: 20:9: sample ann is a hetero"),
        (["20\t5\t.\tC\tG\t.\t.\t.\tGT\t0|0"], r"record 20:5 has REF 'C', but .*x.fa has 'A' there; give"),
        (["20\t19\t.\tGTA\tG\t.\t.\t.\tGT\t0|1"], "has REF 'GTA'"),
        (["20\t99\t.\tG\tA\t.\t.\t.\tGT\t0|1"], "has '' there"),
        (["20\t5\t.\tA\tG\t.\t.\t.\tDP\t7"], ":3: 20:5: no genotypes"),
        (
            ["20\t9\t.\tA\tG\t.\t.\t.\tGT\t1|0", "20\t5\t.\tA\tG\t.\t.\t.\tGT\t0|1"],
            ":4: 20:5 comes after chr20:9; sort",
        ),
        (["20\t9\t.\tA\tG\t.\t.\t.\tGT\t0|0"], "no variant that could be used; {'not_carried': 1}"),
        (["7\t9\t.\tA\tG\t.\t.\t.\tGT\t0|1"], "no variant that could be used; {'contig_missing': 1}"),
        ([], "no variant that could be used; no record"),
    ],
)
def test_bad_input_is_told_in_one_line_and_leaves_nothing(tmp_path: Path, records: list[str], message: str):
    path, genome = write(tmp_path, records, ("ann",))
    with pytest.raises(VariantError, match=message) as caught:
        write_population([path], [genome], tmp_path, "people")
    assert "x.vcf.gz" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"x.fa", "x.fa.fai", "x.vcf.gz", "cache"}


def test_a_folder_that_is_missing_and_files_that_are_damaged(tmp_path: Path):
    path, genome = write(tmp_path)
    with pytest.raises(OutputError, match="none: cannot be written"):
        write_population([path], [genome], tmp_path / "none", "people")
    with pytest.raises(SettingsError, match="a name without / would work"):
        write_population([path], [genome], tmp_path, "a/b")
    with pytest.raises(SettingsError, match=r"people: a file of the population is missing or damaged .* build again"):
        Population(tmp_path, "people")
    write_population([path], [genome], tmp_path, "people")
    for part in PARTS:
        file = tmp_path / f"people.{part}"
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(SettingsError, match="build again"):
            Population(tmp_path, "people")
        file.write_bytes(whole)
    Population(tmp_path, "people")


def test_progress_is_told(tmp_path: Path):
    records = [f"20\t{pos}\t.\tA\tC\t.\t.\t.\tGT\t1|0" for pos in range(1, 2501)]
    path, genome = write(tmp_path, records, ("ann",), "A" * 2500)
    told: list[int] = []
    found = write_population([path], [genome], tmp_path, "people", advance=told.append)
    assert (sum(told), found["records"]) == (2500, 2500)
    people = Population(tmp_path, "people")
    assert codes_to_bases(people.insert(bases_to_codes("A" * 2500), "chr20", 0, 0, 0, 3000)) == "C" * 2500
    assert np.array_equal(people.insert(bases_to_codes("A" * 9), "chr20", 0, 0, 1, 9), bases_to_codes("A" * 9))
