import pickle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import PEOPLE, PEOPLE_RECORDS, REFERENCE, write_people

from hexamer.errors import OutputError, SettingsError
from hexamer.genome import Cohort
from hexamer.tokens.alphabet import bases_to_codes, codes_to_bases
from hexamer.tokens.population import PARTS, Population
from hexamer.tokens.population_writer import write_population
from hexamer.tokens.storage import SOFT


def test_each_haplotype_has_its_bases(tmp_path: Path):
    path, genome = write_people(tmp_path, PEOPLE_RECORDS)
    write_population([path], [genome], tmp_path, name="people")
    people = pickle.loads(pickle.dumps(Population(tmp_path, "people")))
    assert people.individuals == PEOPLE
    codes = bases_to_codes(REFERENCE)
    for individual, sample in enumerate(PEOPLE):
        for haplotype in (0, 1):
            person = Cohort(path, genome).haplotype(sample, haplotype + 1)
            found = people.insert(codes, "chr20", 0, individual=individual, haplotype=haplotype, length=30)
            assert codes_to_bases(found) == person.fetch("20", 0, 20)
    assert codes_to_bases(people.insert(codes, "chr21", 0, individual=2, haplotype=1, length=6)) == "ACGNAC"
    assert people.edits("chr22", 0, 10**9, individual=0, haplotype=0) == []
    assert codes_to_bases(people.insert(codes, "chr22", 0, individual=0, haplotype=0, length=5)) == "ACGTA"
    assert codes_to_bases(codes) == REFERENCE


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
    path, genome = write_people(folder, records, [f"p{i}" for i in range(people)], reference)
    write_population([path], [genome], folder, name="people")
    population = Population(folder, "people")
    codes = bases_to_codes(reference)
    with Cohort(path, genome, cache=folder) as slow:
        for individual in range(people):
            start = data.draw(st.integers(0, len(reference)))
            end = data.draw(st.integers(start, len(reference)))
            length = data.draw(st.integers(0, 80))
            for haplotype in (0, 1):
                person = slow.haplotype(f"p{individual}", haplotype + 1)
                found = population.insert(
                    codes[start:end], "chr20", start, individual=individual, haplotype=haplotype, length=length
                )
                assert codes_to_bases(found) == person.fetch("20", start, end)[:length]
                expected, _ = slow.edits("chr20", start, end, sample=individual, number=haplotype + 1)
                assert population.edits("chr20", start, end, individual=individual, haplotype=haplotype) == expected
    assert (codes == bases_to_codes(reference)).all()


def test_soft_masked_bases_stay_so(tmp_path: Path):
    path, genome = write_people(
        tmp_path, ["20\t3\t.\tG\tA\t.\t.\t.\tGT\t1|0", "20\t5\t.\tA\tATT\t.\t.\t.\tGT\t1|1"], ("ann",)
    )
    write_population([path], [genome], tmp_path, name="people")
    codes = bases_to_codes(REFERENCE).copy()
    codes[2:5] |= SOFT
    found = Population(tmp_path, "people").insert(codes, "chr20", 0, individual=0, haplotype=0, length=10)
    assert codes_to_bases(found & (SOFT - 1)) == "ACATATTCGT"
    assert (found >= SOFT).tolist() == [False] * 2 + [True] * 5 + [False] * 3


def test_a_folder_that_is_missing_and_files_that_are_damaged(tmp_path: Path):
    path, genome = write_people(tmp_path, PEOPLE_RECORDS)
    with pytest.raises(OutputError, match="none: cannot be written"):
        write_population([path], [genome], tmp_path / "none", name="people")
    with pytest.raises(SettingsError, match="a name without / would work"):
        write_population([path], [genome], tmp_path, name="a/b")
    with pytest.raises(SettingsError, match=r"people: a file of the population is missing or damaged .* build again"):
        Population(tmp_path, "people")
    write_population([path], [genome], tmp_path, name="people")
    for part in PARTS:
        file = tmp_path / f"people.{part}"
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(SettingsError, match="build again"):
            Population(tmp_path, "people")
        file.write_bytes(whole)
    Population(tmp_path, "people")
