import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.errors import IntervalError
from hexamer.genome import Interval, read_intervals

intervals = st.builds(
    lambda chrom, start, length: Interval(chrom, start, start + length),
    st.from_regex(r"[A-Za-z0-9_.*:|-]{1,12}", fullmatch=True),
    st.integers(0, 3_000_000_000),
    st.integers(1, 1_000_000),
)


@given(intervals)
def test_region_string_round_trip(interval: Interval):
    assert Interval.parse(interval.region) == interval


@given(intervals, st.integers(1, 100_000))
def test_resize_keeps_the_centre(interval: Interval, length: int):
    assert interval.resize(len(interval)) == interval
    if length // 2 <= interval.centre:
        resized = interval.resize(length)
        assert (len(resized), resized.centre) == (length, interval.centre)


def test_regions_count_from_one():
    assert Interval.parse("chr20:1,000,001-2,000,000") == Interval("chr20", 1_000_000, 2_000_000)
    assert Interval.parse(" chrX:7 ") == Interval("chrX", 6, 7)
    assert Interval.parse("HLA-A*01:01:01:01:1-100").chrom == "HLA-A*01:01:01:01"


@pytest.mark.parametrize("region", ["chr20", "chr20:", "chr20:-5", "chr20:1-", "chr20:a-b", ":1-2", "", "chr20:1 - 2"])
def test_another_form_names_the_right_one(region: str):
    with pytest.raises(IntervalError, match=r"expected chrom:first-last, such as chr20:1,000,001-2,000,000"):
        Interval.parse(region)


@pytest.mark.parametrize("region", ["chr20:0-5", "chr20:0", "chr20:6-5"])
def test_impossible_positions(region: str):
    with pytest.raises(IntervalError, match="positions count from 1"):
        Interval.parse(region)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        (("", 0, 1), "chromosome ''"),
        (("chr 1", 0, 1), "white space"),
        (("chr1", -1, 1), "0 <= start < end"),
        (("chr1", 5, 5), "0 <= start < end"),
        (("chr1", 0, 5, "x"), "strand 'x' of chr1:1-5"),
    ],
)
def test_values_out_of_bounds(values, part: str):
    with pytest.raises(IntervalError) as caught:
        Interval(*values)
    assert part in str(caught.value)


def test_resize_over_the_left_end():
    with pytest.raises(IntervalError, match=r"chr1:1-10 resized to 100 bases would begin at -45; give .* 1 to 11"):
        Interval("chr1", 0, 10).resize(100)
    assert Interval("chr1", 0, 10).resize(11).start == 0
    with pytest.raises(IntervalError):
        Interval("chr1", 0, 10).resize(0)


BED = (
    b'track name="x"\nbrowser position chr1:1-2\n#comment\n\n'
    b"chr1\t0\t10\r\ntrack7\t5\t6\tpeak one\t0\t-\textra\nchr2 3 9 name 0 .\n"
)


@pytest.mark.parametrize("store", [bytes, gzip.compress])
def test_bed_of_every_kind(tmp_path: Path, store):
    path = tmp_path / "some regions.bed"
    path.write_bytes(store(BED))
    assert read_intervals(path) == [
        Interval("chr1", 0, 10),
        Interval("track7", 5, 6, "-", "peak one"),
        Interval("chr2", 3, 9, "+", "name"),
    ]


@given(st.lists(intervals, min_size=1, max_size=20))
def test_bed_round_trip(tmp_path_factory: pytest.TempPathFactory, some: list[Interval]):
    path = tmp_path_factory.mktemp("bed") / "x.bed"
    path.write_text("".join(f"{interval.chrom}\t{interval.start}\t{interval.end}\n" for interval in some))
    assert read_intervals(path) == some


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["x.bed: the file is empty"]),
        (b"#only\n\n", ["x.bed: no interval", "divided by tabs"]),
        (b"chrom\tstart\tend\n", ["x.bed:1:", "'start' and 'end'", "begin a header line with #"]),
        (b"chr1\t1\t2\nchr1\t5\n", ["x.bed:2:", "2 column(s)", "divided by tabs"]),
        (b"chr1\t5\t5\n", ["x.bed:1:", "start 5 end 5", "0 <= start < end"]),
        (b"chr1\t-1\t5\n", ["x.bed:1:", "'-1'"]),
        (b"chr1\t1\t5\tn\t0\tplus\n", ["x.bed:1:", "strand 'plus'", "'+' or '-'"]),
        (gzip.compress(BED)[:-12], ["x.bed:", "cut short", "download"]),
        (b"\x1f\x8b\x08\x00" + b"junk" * 30, ["x.bed:1:", "damaged data"]),
    ],
)
def test_malformed_bed_says_where_and_what(tmp_path: Path, content: bytes, parts: list[str]):
    path = tmp_path / "x.bed"
    path.write_bytes(content)
    with pytest.raises(IntervalError) as caught:
        read_intervals(path)
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in parts), message


def test_no_file_and_a_directory(tmp_path: Path):
    with pytest.raises(IntervalError, match="no such file"):
        read_intervals(tmp_path / "none.bed")
    with pytest.raises(IntervalError, match="this is a directory"):
        read_intervals(tmp_path)


def test_real_peaks(real_data: Path):
    peaks = read_intervals(real_data / "annotation" / "hg38_CTCF_peaks.narrowPeak.bed.gz")
    assert len(peaks) > 1_000
    assert {peak.strand for peak in peaks} == {"+"}
