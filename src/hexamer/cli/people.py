"""People's own sequences: `haplotypes`."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from hexamer.cli.messages import examples, say
from hexamer.cli.options import GenomeOption, UnphasedOption, check_parent, split_names
from hexamer.cli.progress import counter
from hexamer.errors import SettingsError

commands = typer.Typer()

_WIDTH = 60  # bases of a line


@commands.command(
    epilog=examples(
        "hexamer haplotypes people.vcf.gz --genome hg38.fa --regions chr20:1,000,001-1,006,000 --out people.fa",
        "hexamer haplotypes cohort.bcf -g hg38.fa --bed promoters.bed --samples HG00096,HG00097 -o two.fa.gz",
    )
)
def haplotypes(
    people: Annotated[Path, typer.Argument(metavar="PEOPLE", help="Phased VCF (bgzip) or BCF.")],
    genome: GenomeOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="FASTA to write: .fa, or .fa.gz (bgzip).")],
    regions: Annotated[
        list[str] | None, typer.Option(help="Region (chr1:1-5,000, from 1, end included); repeatable.")
    ] = None,
    bed: Annotated[Path | None, typer.Option(help="BED of intervals; strands are kept.")] = None,
    samples: Annotated[str | None, typer.Option(help="Comma list of people; all by default.")] = None,
    unphased: UnphasedOption = "error",
    seed: Annotated[int, typer.Option(help="Of --unphased random.")] = 0,
) -> None:
    """Write people's own sequences.

    Two haplotypes of each person in each interval: the bytes of bcftools consensus.
    """
    import pysam

    from hexamer.genome import Cohort, Genome, Interval, read_intervals
    from hexamer.genome.people import haplotypes as read_haplotypes
    from hexamer.manifest import describe_file, write_atomically, write_manifest

    check_parent(out)
    if bool(regions) == (bed is not None):
        raise SettingsError("intervals to read: either --regions or --bed would work")
    intervals = read_intervals(bed) if bed is not None else [Interval.parse(region) for region in regions or ()]
    chosen = split_names(samples) if samples else None
    options: dict[str, Any] = {"samples": chosen, "unphased": unphased, "seed": seed}
    reference = Genome(genome)
    told: Counter[str] = Counter()
    with Cohort(people, reference, **options) as cohort, counter("sequences") as advance:
        advance.expect(2 * len(cohort.samples) * len(intervals))
        with write_atomically(out) as temporary:
            packed = out.name.endswith((".gz", ".bgz"))
            with pysam.BGZFile(str(temporary), "wb", None) if packed else temporary.open("wb") as file:
                for each in read_haplotypes(cohort, intervals):
                    lines = [each.sequence[i : i + _WIDTH] for i in range(0, len(each.sequence), _WIDTH)]
                    file.write("\n".join([f">{each.name}", *lines, ""]).encode())
                    told.update(each.counts)
                    told["sequences"] += 1
                    advance(1)
        facts: dict[str, Any] = {
            "people": describe_file(people),
            "genome": describe_file(genome),
            "samples": cohort.samples,
        }
    facts |= {"settings": options | {"samples": samples}, "intervals": len(intervals), "alleles": told}
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts)
    for reason, count in sorted(told.items()):
        say(f"{count:>12,}  {reason.replace('_', ' ')}")
    say(f"wrote {out}")
