"""A small study: 120 people, twelve variants, six genes."""

import numpy as np
import pandas as pd
import pytest
from tests.conftest import write_people

from hexamer.expression.cohort import Expression
from hexamer.expression.features import FeatureSettings
from hexamer.expression.study import StudySettings
from hexamer.expression.transformer_head import HeadSettings
from hexamer.genome import Cohort
from hexamer.training.fitting import FitSettings

PEOPLE = tuple(f"p{i}" for i in range(120))
REFERENCE = "".join(np.random.default_rng(5).choice(list("ACGT"), 1200))
HEAD = HeadSettings(
    width=16, blocks=1, heads=2, ffn=16, fit=FitSettings(steps=20, rate=3e-3, batch=32, evaluate_every=5)
)
SETTINGS = StudySettings(
    methods=("elastic-net", "ridge"), seeds=(0,), window=400, features=FeatureSettings(window=300), head=HEAD
)


@pytest.fixture
def study(tmp_path):
    """Twelve variants; genes that three of them move, that none does, on another contig, constant, and with gaps."""
    rng = np.random.default_rng(6)
    copies = rng.binomial(1, 0.4, (12, 120, 2))
    records = []
    for place, row in enumerate(copies):
        ref = REFERENCE[550 + 10 * place - 1]
        calls = "\t".join(f"{a}|{b}" for a, b in row)
        records.append(f"20\t{550 + 10 * place}\t.\t{ref}\t{'T' if ref != 'T' else 'A'}\t.\t.\t.\tGT\t{calls}")
    path, genome = write_people(tmp_path, records, PEOPLE, REFERENCE)
    moved = copies[3:6].sum(axis=(0, 2)) + rng.normal(size=120)
    values = np.stack([moved, *rng.normal(size=(2, 120)), np.ones(120), rng.normal(size=120), rng.normal(size=120)])
    values[4, 7] = np.nan
    genes = pd.DataFrame({"gene_id": list("abcdef"), "chrom": ["chr20", "20", "7", "20", "20", "21"], "tss": 600})
    with Cohort(path, genome, cache=tmp_path) as cohort:
        yield Expression(values, genes.assign(strand="+"), PEOPLE), cohort
