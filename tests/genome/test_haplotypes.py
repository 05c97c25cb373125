import itertools
import os
import pickle
import random
import shutil
import subprocess
from pathlib import Path

import pysam
import pytest
from tests.conftest import PEOPLE, REFERENCE, write_people

from hexamer.errors import GenomeError, SettingsError, VariantError
from hexamer.genome import Cohort, Genome, Interval, reverse_complement

RECORDS = [
    "20\t3\t.\tG\tA,GTT\t.\t.\t.\tGT\t1|2\t0|0\t.|1",
    "20\t6\t.\tCGT\tC\t.\t.\t.\tGT\t1|0\t0|1\t1/1",
    "20\t7\t.\tG\tC,*,<DEL>\t.\t.\t.\tGT\t1|2\t3|1\t0|0",
    "20\t12\t.\tT\tC\t.\t.\t.\tGT\t1\t0/1\t./.",
    "20\t18\t.\tCGT\tTAAA\t.\t.\t.\tGT\t0|1\t0|0\t0|0",
]


@pytest.fixture
def cohort(tmp_path: Path):
    with Cohort(*write_people(tmp_path, RECORDS), unphased="skip") as cohort:
        yield cohort


# A person


@pytest.mark.parametrize(
    ("sample", "number", "sequence", "counts"),
    [
        ("ann", 1, "ACATACACGCACGTACGT", {"applied": 3, "overlap": 1}),
        ("ann", 2, "ACGTTTACGTACGTACGTATAAA", {"applied": 2, "star": 1, "haploid": 1}),
        ("bob", 1, REFERENCE, {"applied": 0, "symbolic": 1, "unphased": 1}),
        ("bob", 2, "ACGTACACGTACGTACGT", {"applied": 1, "overlap": 1, "unphased": 1}),
        ("cat", 1, "ACGTACACGTACGTACGT", {"applied": 1, "missing_call": 2}),
        ("cat", 2, "ACATACACGTACGTACGT", {"applied": 2, "missing_call": 1}),
    ],
)
def test_each_haplotype_and_its_counts(cohort: Cohort, sample: str, number: int, sequence: str, counts: dict[str, int]):
    haplotype = cohort.haplotype(sample, number)
    found = haplotype.read("20", 0, 20)
    assert found.sequence == haplotype.fetch("chr20", 0, 20) == sequence
    assert found.counts == counts
    assert haplotype.fetch("20", 10, 15) == REFERENCE[10:11] + haplotype.fetch("20", 11, 12) + REFERENCE[12:15]


def test_a_person_answers_the_calls_of_a_genome(cohort: Cohort):
    genome, ann = cohort.genome, cohort.haplotype("ann", 1)
    assert ann.contigs == genome.contigs
    assert (ann.length("20"), ann.resolve("20"), "20" in ann, "7" in ann) == (20, "chr20", True, False)
    assert ann.fetch_interval(Interval("20", 2, 9, "-")) == reverse_complement(ann.fetch("20", 2, 9))
    assert ann.fetch("chr21", 0, 20) == REFERENCE  # a contig without records
    assert ann.fetch("20", 7, 7) == ""
    for start, end in ((-1, 3), (4, 3), (15, 21)):
        with pytest.raises(GenomeError, match="runs off"):
            ann.fetch("20", start, end)
    with pytest.raises(GenomeError, match="is not in"):
        ann.fetch("7", 0, 1)
    assert repr(ann).startswith("Haplotype('ann', 1,")


def test_the_map_of_a_person(cohort: Cohort):
    blocks = cohort.haplotype("ann", 1).read("20", 2, 10).blocks
    assert blocks.to_haplotype([2, 5, 6, 7, 8]).tolist() == [0, 3, -1, -1, 4]
    assert blocks.to_reference([0, 3, 4, 5, 6]).tolist() == [2, 5, 8, 9, -1]


def test_a_number_of_bases_is_the_beginning_of_the_rest(cohort: Cohort):
    for sample in PEOPLE:
        for number in (1, 2):
            haplotype = cohort.haplotype(sample, number)
            for start in range(20):
                rest = haplotype.fetch("20", start, 20)
                for length in range(len(rest) + 1):
                    assert haplotype.fetch_length("20", start, length) == rest[:length]
                with pytest.raises(GenomeError, match=r"run off the contig, which has \d+ there"):
                    haplotype.fetch_length("20", start, len(rest) + 1)


def test_samples_are_chosen_and_ordered(tmp_path: Path):
    path, genome = write_people(tmp_path, RECORDS)
    with Cohort(path, genome, samples=["cat", "ann"]) as cohort:
        assert cohort.samples == ("cat", "ann")
        assert cohort.haplotype("cat", 2).fetch("20", 0, 4) == "ACAT"
        assert pickle.loads(pickle.dumps(cohort)).haplotype("ann", 1).fetch("20", 0, 4) == "ACAT"
        with pytest.raises(VariantError, match=r"no sample 'bob' among its 2; did you mean"):
            cohort.haplotype("bob", 1)
        with pytest.raises(SettingsError, match="haplotype 0 of ann: 1 or 2 would work"):
            cohort.haplotype("ann", 0)
        # A heterozygote without phase of somebody who was not asked for is no obstacle.
        cohort.haplotype("ann", 1).fetch("20", 10, 15)
    with pytest.raises(VariantError, match="did you mean ann"):
        Cohort(path, genome, samples=["anne"])


# Policies


def test_unphased_heterozygotes(tmp_path: Path):
    path, genome = write_people(tmp_path, RECORDS)
    strict = Cohort(path, genome).haplotype("bob", 1)
    assert strict.fetch("20", 0, 11) == REFERENCE[:11]
    with pytest.raises(VariantError, match=r"x.vcf.gz: record 20:12, sample bob: a heterozygote without phase; phase"):
        strict.fetch("20", 0, 20)
    laid = set()
    for seed in range(30):
        both = [Cohort(path, genome, unphased="random", seed=seed).haplotype("bob", n) for n in (1, 2)]
        bases = [haplotype.fetch("20", 11, 12) for haplotype in both]
        assert sorted(bases) == ["C", "T"]  # one copy on one haplotype
        assert bases == [haplotype.fetch("20", 8, 15)[3] for haplotype in both]  # whichever window asks
        laid.add(bases[0])
    assert laid == {"C", "T"}
    with pytest.raises(SettingsError, match="unphased 'guess'; one of error, skip, random would work"):
        Cohort(path, genome, unphased="guess")  # type: ignore[arg-type]


def test_a_split_site_is_turned_together(tmp_path: Path):
    records = ["20\t5\t.\tA\tC\t.\t.\t.\tGT\t1/0", "20\t5\t.\tA\tG\t.\t.\t.\tGT\t0/1"]
    path, genome = write_people(tmp_path, records, ("ann",))
    for seed in range(10):
        cohort = Cohort(path, genome, unphased="random", seed=seed)
        assert {cohort.haplotype("ann", n).fetch("20", 4, 5) for n in (1, 2)} == {"C", "G"}


def test_bad_input_is_told_in_one_line(tmp_path: Path):
    for records, message in (
        (
            ["20\t5\t.\tC\tG\t.\t.\t.\tGT\t0|0"],
            r"record 20:5 has REF 'C', but .*x.fa has 'A' there; give the reference",
        ),
        (["20\t19\t.\tGTA\tG\t.\t.\t.\tGT\t0|0"], r"has REF 'GTA', but .* has 'GT' there"),
        (["20\t5\t.\tA\tG\t.\t.\t.\tDP\t7"], r"record 20:5: no genotypes: FORMAT does not begin with GT"),
        (["20\t5\t.\tA\tG\t.\t.\t.\tGT\t0|4"], r"record 20:5: a genotype has allele 4"),
    ):
        path, genome = write_people(tmp_path, records, ("ann",))
        with pytest.raises(VariantError, match=message):
            Cohort(path, genome).haplotype("ann", 1).fetch("20", 0, 20)
    path, genome = write_people(tmp_path, ["7\t5\t.\tA\tG\t.\t.\t.\tGT\t0|1"], ("ann",))
    with pytest.raises(VariantError, match=r"none of its contigs \(7\) is in .*x.fa \(chr20, chr21\); give"):
        Cohort(path, genome)


def test_of_two_contigs_that_mean_the_same_the_genome_s_own_name_wins(tmp_path: Path):
    records = ["20\t5\t.\tA\tG\t.\t.\t.\tGT\t1|1", "chr20\t5\t.\tA\tT\t.\t.\t.\tGT\t1|1"]
    for order in (records, records[::-1]):
        path, genome = write_people(tmp_path, order, ("ann",))
        assert Cohort(path, genome).haplotype("ann", 1).fetch("20", 4, 5) == "T"


# The oracle: bcftools consensus


def consensus(path: Path, sample: str, number: int, windows: list[tuple[str, int, str]]) -> list[str]:
    """What bcftools gives for stretches (contig, start, bases) of the reference."""
    fasta = "".join(f">{chrom}:{start + 1}-{start + len(bases)}\n{bases}\n" for chrom, start, bases in windows)
    command = ["bcftools", "consensus", "-H", str(number), "-s", sample, str(path)]
    done = subprocess.run(command, input=fasta.encode(), capture_output=True, check=True)
    return ["".join(entry.split("\n")[1:]) for entry in done.stdout.decode().split(">")[1:]]


@pytest.fixture(scope="session")
def bcftools() -> str:
    if shutil.which("bcftools") is None:
        pytest.skip("NOT CHECKED AGAINST bcftools consensus: bcftools is not installed")
    return subprocess.run(["bcftools", "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]


def test_crowded_variants_are_as_bcftools_has_them(tmp_path: Path, bcftools: str):
    draw = random.Random(5)

    def bases(most: int, least: int = 0) -> str:
        return "".join(draw.choice("ACGT") for _ in range(draw.randint(least, most)))

    reference, records = bases(3000, 3000), []
    for place in sorted(draw.choices(range(2990), k=900)):
        ref = reference[place : place + draw.choice([1, 1, 1, 1, 2, 3, 5])]
        spellings = [bases(len(ref), len(ref)), ref[0] + bases(4), ref[0] + bases(3) + ref[1:], bases(5, 1)]
        alts = sorted({draw.choice(spellings) for _ in range(2)} - {ref})
        calls = "\t".join("|".join(str(draw.randint(0, len(alts))) for _ in "12") for _ in PEOPLE)
        records.append(f"20\t{place + 1}\t.\t{ref}\t{','.join(alts) or 'N'}\t.\t.\t.\tGT\t{calls}")
    path, genome = write_people(tmp_path, records, PEOPLE, reference)
    pysam.tabix_index(str(path), preset="vcf")
    with Cohort(path, genome) as cohort:
        for sample in PEOPLE:
            for number in (1, 2):
                places = sorted(draw.sample(range(3000), k=60))
                windows = [("20", a, reference[a:b]) for a, b in itertools.pairwise(places)]
                windows = [window for window in [*windows, ("20", 0, reference)] if window[2]]
                haplotype = cohort.haplotype(sample, number)
                found = [haplotype.fetch("20", start, start + len(text)) for _, start, text in windows]
                assert found == [consensus(path, sample, number, [window])[0] for window in windows]


@pytest.mark.parametrize(
    ("record", "theirs", "ours"),
    [
        ("20\t5\t.\tA\tg\t.\t.\t.\tGT\t0/1", REFERENCE, None),  # the order of an unphased call has no meaning here
        ("20\t5\t.\tA\t*\t.\t.\t.\tGT\t1|0", "ACGT*CGTACGTACGTACGT", REFERENCE),
        ("20\t5\t.\tACG\t<DEL>\t.\t.\tEND=7\tGT\t1|0", "ACGTATACGTACGTACGT", REFERENCE),
        ("20\t5\t.\tA\tA[20:9[\t.\t.\t.\tGT\t1|0", "ACGTA[20:9[CGTACGTACGTACGT", REFERENCE),
        ("20\t5\t.\tA\tR\t.\t.\t.\tGT\t1|0", "ACGTRCGTACGTACGTACGT", "ACGTNCGTACGTACGTACGT"),
        ("20\t5\t.\tC\tG\t.\t.\t.\tGT\t0|1", REFERENCE, None),  # REF is compared in every record of the window
    ],
)
def test_where_bcftools_differs(tmp_path: Path, bcftools: str, record: str, theirs: str, ours: str | None):
    path, genome = write_people(tmp_path, [record], ("ann",))
    pysam.tabix_index(str(path), preset="vcf")
    assert consensus(path, "ann", 1, [("20", 0, REFERENCE)]) == [theirs]
    haplotype = Cohort(path, genome).haplotype("ann", 1)
    if ours is None:
        with pytest.raises(VariantError):
            haplotype.fetch("20", 0, 20)
    else:
        assert haplotype.fetch("20", 0, 20) == ours


def test_real_people_are_byte_equal_to_bcftools(tmp_path: Path, real_data: Path, session_cache: Path, bcftools: str):
    """60 windows of 300 people; HEXAMER_PAIRS=2000 tries more."""
    pairs = int(os.environ.get("HEXAMER_PAIRS", "60"))
    path = tmp_path / "1000G.vcf.gz"
    path.symlink_to(real_data / "variants" / "1000G_b37_chr20_1-4Mb.reference.vcf.gz")
    pysam.tabix_index(str(path), preset="vcf", index=str(path) + ".tbi", keep_original=True)
    draw = random.Random(11)
    indels = 0
    with Genome(real_data / "genomes" / "hs37d5.chr20.fa.gz", cache=session_cache) as genome, Cohort(path, genome) as c:
        with pysam.VariantFile(str(path)) as file:
            odd = [record.start for record in file if any(len(a) > 1 for a in record.alleles)]
        for i in range(pairs):
            # Every other window begins or ends close to a variant that is no SNV.
            start = draw.choice(odd) + draw.randint(-3, 3) if i % 2 else draw.randint(1_000_000, 3_990_000)
            length = draw.randint(1, 12_000)
            start -= length if i % 4 == 1 else 0
            sample, number = draw.choice(c.samples), draw.randint(1, 2)
            bases = genome.fetch("20", start, start + length)
            found = c.haplotype(sample, number).fetch("20", start, start + length)
            assert [found] == consensus(path, sample, number, [("20", start, bases)])
            indels += len(found) != length
    print(f"{bcftools}: {pairs} windows equal, {indels} of another length than the reference's")
    assert indels > pairs // 4


# Who shares a haplotype


@pytest.mark.parametrize("unphased", ["skip", "random"])
def test_distinct_haplotypes_are_those_that_people_have(tmp_path: Path, unphased: str):
    with Cohort(*write_people(tmp_path, RECORDS), unphased=unphased) as cohort:
        for start, end in ((0, 20), (3, 8), (10, 14), (4, 5), (18, 20)):
            owners, rows = cohort.distinct("chr20", start, end)
            assert rows.shape == (3, 2)
            told = [cohort.haplotype(sample, number).fetch("20", start, end) for sample, number in owners]
            for person, sample in enumerate(PEOPLE):
                for number in (1, 2):
                    assert told[rows[person, number - 1]] == cohort.haplotype(sample, number).fetch("20", start, end)
        assert cohort.distinct("chr21", 0, 20)[1].tolist() == [[0, 0]] * 3


def test_distinct_haplotypes_need_phases(tmp_path: Path):
    with Cohort(*write_people(tmp_path, RECORDS)) as cohort:
        with pytest.raises(VariantError, match="20:12, sample bob: a heterozygote without phase"):
            cohort.distinct("chr20", 0, 20)
        assert len(cohort.distinct("chr20", 0, 10)[0]) > 1


def test_varying_sites_are_those_at_which_a_sequence_changes(tmp_path: Path):
    records = [
        "20\t3\t.\tG\tA,GTT\t.\t.\t.\tGT\t0|0\t0|2\t0|0",
        "20\t5\t.\tA\tC\t.\t.\t.\tGT\t0|0\t0|0\t0|.",
        "20\t7\t.\tGTA\t*,<DEL>\t.\t.\t.\tGT\t1|2\t0|0\t0|0",
        "20\t12\t.\tTAC\tT\t.\t.\t.\tGT\t0/1\t0|0\t0|0",
        "20\t12\t.\tTAC\tTG\t.\t.\t.\tGT\t0|0\t0|1\t0|0",
    ]
    with Cohort(*write_people(tmp_path, records)) as cohort:
        assert cohort.varying("chr20", 0, 20).tolist() == [[2, 3], [11, 14]]
        assert cohort.varying("chr20", 3, 11).shape == (0, 2)
        assert cohort.varying("chr21", 0, 20).shape == (0, 2)
        assert cohort.varying("chr20", 0, 20, frequency=1 / 6).tolist() == [[2, 3], [11, 14]]
        assert cohort.varying("chr20", 0, 20, frequency=0.2).shape == (0, 2)
    with Cohort(tmp_path / "x.vcf.gz", cohort.genome, samples=["bob"]) as bob:
        assert bob.varying("chr20", 0, 20).tolist() == [[2, 3], [11, 14]]
        assert bob.varying("chr20", 0, 10).tolist() == [[2, 3]]
