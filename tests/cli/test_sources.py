import pytest

from hexamer.cli.sources import Sources, open_source, parse_numbers, read_regions
from hexamer.errors import SettingsError


def test_regions_come_from_one_place(tmp_path):
    (tmp_path / "a.bed").write_text("20\t0\t10\tone\t0\t-\n")
    assert [each.region for each in read_regions(["20:1-10", "X:5-6"], None)] == ["20:1-10", "X:5-6"]
    assert [(each.name, each.strand) for each in read_regions(None, tmp_path / "a.bed")] == [("one", "-")]
    for regions, bed in ((None, None), (["20:1-10"], tmp_path / "a.bed")):
        with pytest.raises(SettingsError, match="either --regions or --bed"):
            read_regions(regions, bed)


@pytest.mark.parametrize("person", ["ann", "ann:3", ":1"])
def test_a_haplotype_has_a_number(fasta, person, tmp_path):
    with pytest.raises(SettingsError, match="SAMPLE:1"), open_source(fasta, tmp_path / "x.vcf.gz", person):
        pass


def test_people_and_person_belong_together(fasta, tmp_path):
    with pytest.raises(SettingsError, match="belong together"), open_source(fasta, tmp_path / "x.vcf.gz", None):
        pass


def test_numbers():
    assert parse_numbers("", "--layers") == ()
    assert parse_numbers("1,-1", "--layers") == (1, -1)
    with pytest.raises(SettingsError, match="--layers a: a comma list"):
        parse_numbers("a", "--layers")


def test_no_sequence_of_a_file_is_lost(tmp_path):
    (tmp_path / "a.fa").write_text(">a\nACGT\n>a\nACGUA\n>a_2\nACGTAC\n>a\nAC\n")
    sources = Sources(None, None, None, tmp_path / "a.fa", None, None)
    with sources.open_regions(margin=10) as places:
        found = {each.name: each.read().sequence for each in places}
    assert found == {"a": "ACGT", "a_3": "ACGTA", "a_2": "ACGTAC", "a_4": "AC"}
    assert {each.name: each.sequence for each in sources.read_stretches()} == found
