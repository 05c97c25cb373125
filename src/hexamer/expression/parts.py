"""The folder of a long run's parts, one for each gene, from which a run that was killed goes on.

`study.json` beside it has all that the parts depend on; a folder of another study is refused.
Not here: what a part is (`run`, `personal`).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hexamer.errors import OutputError, SettingsError
from hexamer.expression.methods import PRETRAINED
from hexamer.expression.study import Study
from hexamer.manifest import checksum, write_atomically, write_json
from hexamer.model.checkpoint import describe_origin

_STUDY, _PARTS = "study.json", "parts"


def describe_study(study: Study) -> dict[str, Any]:
    """Tell all that a study's parts depend on, as JSON has it.

    Parameters
    ----------
    study : Study

    Returns
    -------
    dict
    """
    digest = hashlib.sha256(study.expression.values.tobytes())
    digest.update(study.expression.genes.to_csv(index=False).encode() + "\n".join(study.expression.samples).encode())
    for name, given in study.given.items():
        digest.update(name.encode() + given.values.tobytes() + "\n".join(given.samples).encode())
        digest.update(given.genes.to_csv(index=False).encode())
    cohort, reader = study.cohort, study.readers.get(PRETRAINED)
    facts: dict[str, Any] = {"settings": asdict(study.settings), "expression": digest.hexdigest()}
    facts |= {"people": checksum(cohort.file.path), "genome": checksum(cohort.genome.path)}
    facts |= {"unphased": cohort.unphased, "seed": cohort.seed}
    facts |= {"encoder": describe_origin(reader.model) if reader else {}}
    facts |= {"folds": {str(seed): held.tolist() for seed, held in study.folds.items()}}
    told: dict[str, Any] = json.loads(write_json(facts))
    return told


def open_parts(out: Path, facts: Mapping[str, Any]) -> Path:
    """Make the folder of parts, or find that it is of this study.

    Parameters
    ----------
    out : Path
        The folder around it.
    facts : mapping
        As `describe_study`, and more.

    Returns
    -------
    Path

    Raises
    ------
    SettingsError
        If the folder is of another study.
    OutputError
        If it cannot be made.
    """
    parts = out / _PARTS
    try:
        parts.mkdir(parents=True, exist_ok=True)
        known = json.loads((out / _STUDY).read_text(encoding="utf-8")) if (out / _STUDY).exists() else None
    except ValueError:
        known = {}
    except OSError as problem:
        raise OutputError(f"{out}: cannot be made ({problem.strerror}); another --out would work") from None
    if known is None and any(parts.iterdir()):
        raise SettingsError(f"{out}: holds parts of a study that is not told; another --out would work")
    if known is None:
        with write_atomically(out / _STUDY) as temporary:
            temporary.write_text(write_json(facts) + "\n", encoding="utf-8")
    elif known != facts:
        others = known if isinstance(known, dict) else {}
        names = ", ".join(name for name in facts if others.get(name) != facts[name])
        raise SettingsError(f"{out}: holds another study ({names} differ); another --out would work")
    return parts
