import numpy as np
import pandas as pd
import pytest

from hexamer.effects.classifier import ClassifierSettings
from hexamer.effects.prioritisation import train_variants
from hexamer.effects.score import ScoreSettings
from hexamer.errors import SettingsError

SETTINGS = ClassifierSettings(scores=ScoreSettings(window=60))


@pytest.fixture
def table(genome):
    """Half are insertions, which move an embedding further than SNVs do; one row has no label, one a reason."""
    bases = genome.fetch("20", 0, 9000)
    places = [place for place in range(20, 8900, 45) if bases[place] != "N"]
    rows = [("chr20", place + 1, bases[place], "ACGT"["ACGT".index(bases[place]) - 1]) for place in places]
    found = pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt"])
    found["known"] = np.arange(len(found)) % 2.0
    found["alt"] = np.where(found["known"] > 0, found["ref"] + "ACGTTG", found["alt"])
    found.loc[3, "known"] = np.nan
    found.loc[5, "alt"] = "<DEL>"
    found["part"] = (found["pos"] // 1500).astype(str)
    return found


def test_what_embeddings_tell_is_learnt(model, genome, table):
    seen = []
    found = train_variants(model, genome, table, label="known", folds="part", settings=SETTINGS, advance=seen.append)
    assert len(found.table) == len(table) - 1 == sum(seen)
    assert found.table["reason"].value_counts().to_dict() == {"": len(table) - 2, "symbolic": 1}
    scored = found.table[found.table["reason"] == ""]
    guessed = scored["probability"] > 0.5
    assert (guessed == (scored["known"] > 0)).mean() > 0.7
    assert {"only scores", "without difference", "fold", "llr"} <= set(found.table)
    assert found.classifier.settings == SETTINGS


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ("contig", r"5 folds of whole contigs: the variants lie on 1 \(20\)"),
        ("block", "5 folds of blocks: there are 1 blocks"),
        ("parts", "folds 'parts': contig, block, or a column"),
        ("gaps", "column 'gaps' has no value for"),
    ],
)
def test_mistakes(model, genome, table, folds, message):
    table["gaps"] = np.nan
    with pytest.raises(SettingsError, match=message):
        train_variants(model, genome, table, label="known", folds=folds, settings=SETTINGS)
