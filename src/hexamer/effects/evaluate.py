"""How well scores of variants tell what is known about the variants.

`evaluate_effects` asks each score, over all rows and by group:

* `auroc`, `auprc`: labels, 1 and 0; `auroc_shuffled` is the control, of the same labels in random order.
* `spearman_effect`: a measured effect with its sign, against the score as it is; `spearman_size`: the size of the
  effect, against the score; `spearman_absolute`: the size of both, for scores that take both signs.
* `severity_spearman`, `severity_pearson`: the rank of the consequence (`severity`), against the score.

Each score has a sign, +1 where higher means more likely positive, larger or more severe, else -1 (`SIGNS` has ours);
scores are multiplied by it, but for `spearman_effect` and `spearman_absolute`. So for every other number higher is
better, and the correlation of -0.3 that the paper gives for cosine and severity is 0.3 here.
Intervals are bootstraps over rows; for labels within each class, whose sizes whoever made the set has chosen.
Source: Dalla-Torre et al. (2025), zero-shot variant scores. Not here: files (`labels`, `peers`), figures.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.effects.labels import CONSEQUENCE
from hexamer.effects.peers import REASON_OF
from hexamer.effects.severity import severity_ranks
from hexamer.effects.trinucleotides import TRINUCLEOTIDE
from hexamer.errors import SettingsError
from hexamer.manifest import package_versions
from hexamer.metrics import Estimate, Resampled, auprc, auroc, pearson, resample, shuffled_auroc, spearman

SIGNS = {"llr": -1, "l1": 1, "l2": 1, "cosine": -1, "dot": -1, "loss": 1, "loss_diff": 1}
SIGNS |= {"probability": 1, TRINUCLEOTIDE: -1}
"""+1 where a higher score speaks for an effect, -1 where a lower one does; +1 for all others."""
ALL = "all"
"""Group and value of the rows that hold all variants."""
MOST_VALUES = 50
"""Values of a grouping column, at most."""
_NO_VALUE = "(none)"

Numbers = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class EffectEvaluation:
    """What scores are worth.

    Attributes
    ----------
    table : DataFrame
        One row per group value, metric and score: `group` (a column, or "all"), `value`, `score`, `sign`, `metric`,
        `rows` ("own": all where the score is; "common": those where all scores are, which can be compared), `n`,
        `n_positive`, `n_missing` (rows with a truth but no score), `missing` (how many for which reason),
        `estimate`, `low`, `high` (95 %), `note` (why a number is missing).
    differences : DataFrame
        One row per group value, metric and pair: `group`, `value`, `metric`, `score_a`, `score_b`, `n`, `n_positive`,
        `difference` (a minus b, on the rows where both are), `low`, `high` (95 %, resampled together), `p` (two-sided,
        not corrected for the number of comparisons), `note`.
    manifest : dict
        Settings, signs, ranks of consequences, counts, versions.
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    manifest: dict[str, Any] = field(default_factory=dict)


class _Question(NamedTuple):
    """A metric, and what it compares the scores with."""

    metric: str
    statistic: Callable[..., float]
    truth: Numbers
    reads: Literal["signed", "given", "absolute"]

    def read(self, score: "_Score") -> Numbers:
        """Give the numbers to compare."""
        return {"signed": score.sign * score.values, "given": score.values, "absolute": np.abs(score.values)}[
            self.reads
        ]

    def asks(self, score: "_Score") -> bool:
        """Tell whether the question makes sense; the size of numbers of one sign is what another question asks."""
        return self.reads != "absolute" or bool((score.values < 0).any() and (score.values > 0).any())

    @property
    def has_classes(self) -> bool:
        return self.metric in ("auroc", "auprc")


class _Score(NamedTuple):
    name: str
    sign: int
    values: Numbers
    """NaN where there is none."""
    reasons: npt.NDArray[np.object_]


class _Resampler:
    """Resampled statistics, each computed once: equal rows have equal resamples, so pairs only take differences."""

    def __init__(self, n: int, seed: int) -> None:
        self.options = {"n": n, "seed": seed}
        self._known: dict[tuple[str, bytes], Resampled] = {}
        self._question: _Question | None = None

    def resample(self, question: _Question, score: _Score, rows: Mask) -> Resampled:
        if question is not self._question:  # earlier ones are not asked again
            self._known, self._question = {}, question
        key = score.name, rows.tobytes()
        if key not in self._known:
            truth = question.truth[rows]
            strata = truth if question.has_classes else None
            numbers = question.read(score)[rows]
            self._known[key] = resample(question.statistic, truth, numbers, stratify=strata, **self.options)
        return self._known[key]


def evaluate_effects(
    table: pd.DataFrame,
    *,
    scores: Sequence[str],
    label: str | None = None,
    effect: str | None = None,
    groups: Sequence[str] = (),
    signs: Mapping[str, int] | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> EffectEvaluation:
    """Compare scores of variants with labels, measured effects and severity, and with each other.

    Parameters
    ----------
    table : DataFrame
        One row per variant, as `read_labels`, `join_scores` and `add_scores` make it. With a column `consequence` of
        terms of VEP, severity is asked too. Why a score is missing is read from `reason:SCORE`, or else `reason`.
    scores : sequence of str
        Columns.
    label : str, optional
        Column of 1 and 0; NaN where unknown.
    effect : str, optional
        Column of measured effects; NaN where unknown.
    groups : sequence of str
        Columns by whose values rows are also evaluated apart.
    signs : mapping of str to int, optional
        +1 or -1 for scores, in place of `SIGNS`.
    pairs : sequence of (str, str), optional
        Scores to compare; by default all pairs.
    resamples : int
        Of the bootstrap, and orders of the shuffled control.
    seed : int
        Of both.
    advance : callable, optional
        Told 1 after each estimate.

    Returns
    -------
    EffectEvaluation

    Raises
    ------
    SettingsError
        If a column does not exist, nothing is known about the variants, or an option has no meaning.

    Examples
    --------
    >>> rows = {"label": [0, 0, 0, 1, 1, 1], "llr": [0.1, -0.2, -1, -0.5, -2, np.nan], "reason": [""] * 5 + ["iupac"]}
    >>> found = evaluate_effects(pd.DataFrame(rows), scores=["llr"], label="label", resamples=20)
    >>> found.table.loc[found.table["metric"] == "auroc", ["score", "n", "missing", "estimate"]].values.tolist()
    [['llr', 5, 'iupac 1', 0.8333333333333334]]
    """
    pairs = list(combinations(scores, 2)) if pairs is None else list(pairs)
    _check_settings(table, scores, [*filter(None, [label, effect]), *groups], signs or {}, pairs)
    if resamples < 1 or seed < 0:
        raise SettingsError(f"resamples = {resamples}, seed = {seed}; resamples from 1 and a seed from 0 would work")
    questions, ranks = _questions(table, label, effect)
    known = {name: _read_score(table, name, (SIGNS | dict(signs or {})).get(name, 1)) for name in scores}
    resampler = _Resampler(resamples, seed)
    rows: list[dict[str, Any]] = []
    differences: list[dict[str, Any]] = []
    for group, value, chosen in _parts(table, groups):
        for question in questions:
            place = {"group": group, "value": value}
            for row in _ask(question, [s for s in known.values() if question.asks(s)], chosen, resampler):
                rows.append(place | row)
                if advance:
                    advance(1)
            for a, b in pairs:
                if question.asks(known[a]) and question.asks(known[b]):
                    differences.append(place | _compare(question, known[a], known[b], chosen, resampler))
                    if advance:
                        advance(1)
    manifest = {
        "settings": {
            "scores": list(scores),
            "label": label,
            "effect": effect,
            "groups": list(groups),
            **resampler.options,
        },
        "signs": {score.name: score.sign for score in known.values()},
        "severity": ranks,
        "rows": len(table),
        "known": {question.metric: int(np.isfinite(question.truth).sum()) for question in questions},
        "missing": {s.name: _count(s.reasons[np.isnan(s.values)]) for s in known.values()},
        "versions": package_versions(),
    }
    return EffectEvaluation(_frame(rows, _COLUMNS), _frame(differences, _DIFFERENCES), manifest)


_SIZES = ("n", "n_positive")
_ESTIMATE = ("estimate", "low", "high", "note")
_COLUMNS = ("group", "value", "score", "sign", "metric", "rows", *_SIZES, "n_missing", "missing", *_ESTIMATE)
_DIFFERENCES = ("group", "value", "metric", "score_a", "score_b", *_SIZES, "difference", "low", "high", "p", "note")


def _frame(rows: list[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(columns))
    return table.astype({"n_positive": "Int64"})  # only labels have positives


def _check_settings(
    table: pd.DataFrame,
    scores: Sequence[str],
    columns: Sequence[str],
    signs: Mapping[str, int],
    pairs: Sequence[tuple[str, str]],
) -> None:
    """Raise SettingsError for what does not exist."""
    if not scores or len(set(scores)) < len(scores):
        raise SettingsError("scores: at least one, each once, would work")
    for name in (*scores, *columns):
        if name not in table:
            near = difflib.get_close_matches(name, [str(column) for column in table.columns], n=3, cutoff=0.0)
            raise SettingsError(f"there is no column {name!r}; the nearest are {', '.join(near)}")
    for name, sign in signs.items():
        if name not in scores or sign not in (1, -1):
            raise SettingsError(f"sign {name} = {sign}: 1 or -1, of one of {', '.join(scores)}, would work")
    for pair in pairs:
        if len(pair) != 2 or not set(pair) <= set(scores) or pair[0] == pair[1]:
            raise SettingsError(f"pair {' and '.join(pair)}: two different ones of {', '.join(scores)} would work")


def _questions(table: pd.DataFrame, label: str | None, effect: str | None) -> tuple[list[_Question], dict[str, int]]:
    """Find what can be asked of the columns, and the ranks of the consequences."""
    questions: list[_Question] = []
    if label:
        truth = _floats(table, label)
        if wrong := int((~np.isin(truth[~np.isnan(truth)], (0, 1))).sum()):
            raise SettingsError(f"{wrong:,} label(s) in {label!r} are neither 0 nor 1, nor missing")
        questions += [_Question(metric.__name__, metric, truth, "signed") for metric in (auroc, auprc)]
    if effect:
        truth = _floats(table, effect)
        questions.append(_Question("spearman_effect", spearman, truth, "given"))
        questions.append(_Question("spearman_size", spearman, np.abs(truth), "signed"))
        questions.append(_Question("spearman_absolute", spearman, np.abs(truth), "absolute"))
    ranks: dict[str, int] = {}
    if CONSEQUENCE in table:
        truth, ranks = severity_ranks(table[CONSEQUENCE])
        if ranks:
            questions.append(_Question("severity_spearman", spearman, truth, "signed"))
            questions.append(_Question("severity_pearson", pearson, truth, "signed"))
    if not questions:
        raise SettingsError(
            f"nothing is known about the variants; a label, an effect, or a column {CONSEQUENCE!r} with terms of VEP "
            "would work"
        )
    return questions, ranks


def _floats(table: pd.DataFrame, name: str) -> Numbers:
    try:
        return table[name].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise SettingsError(f"column {name!r} holds other things than numbers") from None


def _read_score(table: pd.DataFrame, name: str, sign: int) -> _Score:
    values = _floats(table, name)
    column = REASON_OF + name if REASON_OF + name in table else "reason"
    given = table[column].fillna("").astype(str).to_numpy(dtype=object) if column in table else ""
    reasons = np.where(np.isinf(values), "not_finite", np.where(given == "", "no_value", given)).astype(object)
    return _Score(name, sign, np.where(np.isfinite(values), values, np.nan), reasons)


def _parts(table: pd.DataFrame, groups: Sequence[str]) -> Iterator[tuple[str, str, Mask]]:
    """Group, value and rows of each part: all first."""
    yield ALL, ALL, np.ones(len(table), dtype=bool)
    for group in groups:
        values = table[group].astype(object).where(table[group].notna(), _NO_VALUE).astype(str).to_numpy()
        names = sorted(set(values), key=lambda name: (name == _NO_VALUE, name))
        if len(names) > MOST_VALUES:
            raise SettingsError(f"column {group!r} has {len(names):,} values; one of {MOST_VALUES} or fewer would work")
        for name in names:
            yield group, name, values == name


def _count(reasons: npt.NDArray[np.object_]) -> dict[str, int]:
    found, counts = np.unique(reasons.astype(str), return_counts=True)
    return {str(found[i]): int(counts[i]) for i in np.argsort(-counts, kind="stable")}


def _ask(question: _Question, scores: list[_Score], chosen: Mask, resampler: _Resampler) -> Iterator[dict[str, Any]]:
    """Yield the rows of one question: each score on its own rows, the control, and all on the rows they share."""
    asked = chosen & np.isfinite(question.truth)
    common = asked & np.all([np.isfinite(score.values) for score in scores], axis=0)
    for score in scores:
        own = asked & np.isfinite(score.values)
        why = ", ".join(f"{reason} {count}" for reason, count in _count(score.reasons[asked & ~own]).items())
        facts = {"score": score.name, "sign": score.sign}
        lost: dict[str, Any] = {"n_missing": int((asked & ~own).sum()), "missing": why}
        estimate = resampler.resample(question, score, own).interval()
        yield facts | _row(question, question.metric, "own", own, estimate) | lost
        if question.metric == "auroc":
            control = shuffled_auroc(question.truth[own], question.read(score)[own], **resampler.options)
            yield facts | _row(question, "auroc_shuffled", "own", own, control) | lost
        if len(scores) > 1:
            estimate = resampler.resample(question, score, common).interval()
            left_out = {"n_missing": int((asked & ~common).sum()), "missing": ""}
            yield facts | _row(question, question.metric, "common", common, estimate) | left_out


def _row(question: _Question, metric: str, kind: str, rows: Mask, found: Estimate) -> dict[str, Any]:
    row = {"metric": metric, "rows": kind, **_sizes(question, rows)}
    return row | {"estimate": found.estimate, "low": found.low, "high": found.high, "note": found.reason}


def _sizes(question: _Question, rows: Mask) -> dict[str, Any]:
    positives = int(question.truth[rows].sum()) if question.has_classes else pd.NA
    return {"n": int(rows.sum()), "n_positive": positives}


def _compare(question: _Question, a: _Score, b: _Score, chosen: Mask, resampler: _Resampler) -> dict[str, Any]:
    """Make the row of a pair, on the rows where both scores are."""
    rows = chosen & np.isfinite(question.truth) & np.isfinite(a.values) & np.isfinite(b.values)
    found = resampler.resample(question, a, rows).minus(resampler.resample(question, b, rows))
    row = {"metric": question.metric, "score_a": a.name, "score_b": b.name, **_sizes(question, rows)}
    numbers = {"difference": found.difference, "low": found.low, "high": found.high, "p": found.p}
    return row | numbers | {"note": found.reason}
