import base64
import gzip

from hexamer.genome import Interval
from hexamer.report.browser import choose_slices, describe_view


def unpack(url):
    return gzip.decompress(base64.b64decode(url.partition(",")[2])).decode()


def test_slices_are_those_that_matter_most(genome):
    wanted = [Interval("chr20", 5000, 5001), Interval("20", 100, 200), Interval("20", 8990, 8999), Interval("7", 1, 2)]
    assert [(s.start, s.end) for s in choose_slices(genome, wanted, margin=50)] == [
        (50, 250),
        (4950, 5051),
        (8940, 9000),
    ]
    assert [(s.start, s.end) for s in choose_slices(genome, wanted, margin=50, most=350)] == [(50, 250), (4950, 5051)]
    assert [(s.start, s.end) for s in choose_slices(genome, wanted, margin=50, most=60)] == [(4950, 5010)]
    assert choose_slices(genome, [Interval("7", 1, 2), Interval("20", 9001, 9002)]) == []


def test_the_reference_says_where_it_lies(genome):
    slices = [Interval("20", 10, 14), Interval("short", 0, 40)]
    view = describe_view(genome, slices, [], places=[Interval("20", 11, 12, name="here")])
    assert unpack(view.config["reference"]["fastaURL"]) == (
        f">20:11-14 @len=9000\n{genome.fetch('20', 10, 14)}\n>short:1-40 @len=40\n{genome.fetch('short', 0, 40)}\n"
    )
    assert view.places[0] == ("here, 20:12-12", "20:12-12")
