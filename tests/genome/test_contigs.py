import pytest

from hexamer.genome.contigs import ContigNames


@pytest.mark.parametrize(
    ("names", "asked", "meant"),
    [
        (["chr20", "chr2"], "20", ["chr20"]),
        (["20"], "CHR20", ["20"]),
        (["20"], "NC_000020.11", ["20"]),
        (["X", "Y"], "NC_000023.10", ["X"]),
        (["MT"], "chrM", ["MT"]),
        (["Umaydis:chr01:1:+:2476500"], "chr01", ["Umaydis:chr01:1:+:2476500"]),
        (["chr01"], "Umaydis:chr01:1:+:2476500", ["chr01"]),
        (["HLA-A*01:01"], "HLA-A*01:01", ["HLA-A*01:01"]),
        (["20", "chr20"], "chr20", ["chr20"]),  # the exact name wins
        (["20", "chr20"], "CHR20", ["20", "chr20"]),  # two may be meant
        (["NC_000020.10"], "NC_000020.11", []),  # two assemblies
        (["NC_003070.9"], "NC_003070", []),  # no human chromosome: only the exact name
        (["chr1"], "chr01", []),
        (["chr"], "", []),
        ([], "20", []),
    ],
)
def test_names_that_mean_the_same(names, asked, meant):
    assert ContigNames(names).matches(asked) == meant
