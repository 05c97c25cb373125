"""What each method of the benchmark does with one fold of a task: learn, choose, and predict the test rows.

Probes and fine-tuning of an encoder, the same of an encoder that never learnt anything, and the baselines. Not here:
which rows are which, and what is kept (`protocol`); the networks (`baselines`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hexamer.benchmark.baselines import CHANNELS, as_numbers, count_kmers, fit_network
from hexamer.benchmark.targets import Kind
from hexamer.benchmark.task_data import Split
from hexamer.benchmark.weight_arrays import WeightArrays
from hexamer.embeddings.layers import embed_layers
from hexamer.errors import SettingsError
from hexamer.model import NucleotideTransformer, randomised
from hexamer.training.finetune import FinetuneSettings, finetune, stack_predictions
from hexamer.training.fitting import FitSettings
from hexamer.training.probe import PENALTIES, ProbeSettings, fit_simple, is_better, predict, probe
from hexamer.training.probe import Split as Rows
from hexamer.training.targets import Target

Places = npt.NDArray[np.int64]

ENCODER_METHODS = ("probe", "mlp", "head", "ia3", "lora", "full")
BASELINES = ("kmer", "weight-array", *CHANNELS)
RANDOM = "random-"
METHODS = (*ENCODER_METHODS, *(RANDOM + name for name in ENCODER_METHODS), *BASELINES)
"""`probe` is logistic regression on the best layer; `random-` methods have an encoder of the same size that never
learnt anything, another one in each fold where it is fine-tuned."""
RATES = {"full": 1e-4, "cnn": 1e-3, "cnn-large": 1e-4}
"""Learning rates of methods that 3e-3, for adapters, does not suit."""
WORDS = (3, 4, 5, 6)
"""k of the k-mers that regression is tried on."""
ORDERS = (0, 1, 2, 3)
"""Orders that weight arrays are tried with."""
_POOLED = ("probe", "mlp", "kmer", "random-probe", "random-mlp")
STEPLESS = (*_POOLED, "weight-array")
"""Methods that are not trained in steps."""


class Outcome(NamedTuple):
    """What a method made of a fold."""

    predictions: npt.NDArray[Any]
    """Of the test rows, as the target's predictions."""
    validation: float
    """Score on the rows to choose by."""
    facts: dict[str, Any]
    """How: layer, setting, best step, weights that were trained, `history` of looks at the rows to choose by."""


def check_methods(methods: Sequence[str], kind: Kind) -> None:
    """Raise SettingsError for methods that do not answer for tasks of a kind; the message says which do."""
    fit = [each for each in METHODS if (each not in _POOLED if kind == "bases" else each != "weight-array")]
    if wrong := [each for each in methods if each not in fit]:
        raise SettingsError(f"methods {', '.join(wrong)}: not for tasks of {kind}; {', '.join(fit)} would work")


class Methods:
    """All methods on one task; vectors of the encoder are computed once for all folds.

    Parameters
    ----------
    model : NucleotideTransformer
    train, test : Split
    target : Target
    """

    def __init__(self, model: NucleotideTransformer, train: Split, test: Split, target: Target) -> None:
        self.model, self.train, self.test, self.target = model, train, test, target
        self._vectors: dict[bool, npt.NDArray[np.float32]] = {}

    def run(self, method: str, learn: Places, choose: Places, fit: FitSettings) -> Outcome:
        """Run a method.

        Parameters
        ----------
        method : str
            Out of `METHODS`.
        learn, choose : int64 array
            Training rows.
        fit : FitSettings
            Of fine-tuning and networks, with the rate of the method and the fold's seed.

        Returns
        -------
        Outcome
        """
        if method == "kmer":
            return self._run_kmers(learn, choose)
        if method == "weight-array":
            return self._run_weight_arrays(learn, choose, fit.seed)
        if method in CHANNELS:
            return self._run_network(learn, choose, fit, CHANNELS[method])
        is_random, name = method.startswith(RANDOM), method.removeprefix(RANDOM)
        if name in ("probe", "mlp"):
            return self._run_probe(name, learn, choose, fit.seed, is_random=is_random)
        encoder = randomised(self.model, fit.seed) if is_random else self.model
        adapter = replace(fit.adapter, kind=name)  # type: ignore[arg-type]
        return self._run_finetune(encoder, learn, choose, replace(fit, adapter=adapter))

    def _run_probe(self, name: str, learn: Places, choose: Places, seed: int, *, is_random: bool) -> Outcome:
        if is_random not in self._vectors:
            encoder = randomised(self.model) if is_random else self.model
            parts = [embed_layers(encoder, part.sequences) for part in (self.train, self.test)]
            self._vectors[is_random] = np.concatenate(parts)
        targets = np.concatenate([self.train.targets, self.test.targets])
        rows = Rows(learn, choose, np.arange(len(self.train), len(self.train) + len(self.test)))
        simple = "mlp" if name == "mlp" else "ridge" if self.target.kind == "values" else "logistic"
        settings = ProbeSettings(methods=(simple,), seed=seed)
        found = probe(self._vectors[is_random], targets, rows, self.target, settings=settings)
        return Outcome(found.predictions, found.validation, {"layer": found.layer})

    def _run_finetune(self, encoder: NucleotideTransformer, learn: Places, choose: Places, fit: FitSettings) -> Outcome:
        examples = self.train.examples
        found = finetune(
            encoder, examples.take(learn), examples.take(choose), self.target, settings=FinetuneSettings(fit=fit)
        )
        trained, whole = found.predictor.count_trained()
        facts: dict[str, Any] = {"best_step": found.fitted.best_step, "trained": trained, "weights": whole}
        facts["history"] = found.fitted.history
        predictions = stack_predictions(found.predictor.predict(self.test.sequences), self.test.targets)
        return Outcome(predictions, found.fitted.best_score, facts)

    def _run_network(self, learn: Places, choose: Places, fit: FitSettings, channels: int) -> Outcome:
        parts = [self.train.take(rows) for rows in (learn, choose)]
        pairs = [part.examples for part in parts]
        device = self.model.device
        network, fitted = fit_network(pairs[0], pairs[1], self.target, fit, channels=channels, device=device)
        weights = sum(p.numel() for p in network.parameters())
        facts: dict[str, Any] = {"best_step": fitted.best_step, "trained": weights, "weights": weights}
        facts["history"] = fitted.history
        width = self.test.targets.shape[1] if self.target.kind == "bases" else 1
        found = network.predict(as_numbers(self.test.sequences, width))
        return Outcome(found, fitted.best_score, facts)

    def _run_kmers(self, learn: Places, choose: Places) -> Outcome:
        """Regression on k-mer frequencies; k and the penalty chosen on the rows to choose by."""
        best: Outcome | None = None
        wanted = self.train.targets[choose]
        parts = (self.train.take(learn), self.train.take(choose), self.test)
        for k in WORDS:
            x, held, test = (_frequencies(part.sequences, k) for part in parts)
            for name, fitted in _regressions(x, self.train.targets[learn], self.target):
                score = self.target.score(wanted, fitted(held))
                if best is None or is_better(score, best.validation):
                    best = Outcome(fitted(test), score, {"k": k, "setting": name})
        assert best is not None
        return best

    def _run_weight_arrays(self, learn: Places, choose: Places, seed: int) -> Outcome:
        """Weight arrays of the order that does best on the rows to choose by."""
        best: tuple[float, WeightArrays] | None = None
        x, held = self.train.take(learn), self.train.take(choose)
        for order in ORDERS:
            found = WeightArrays(x.sequences, x.targets, self.target.outputs, order=order, seed=seed)
            score = self.target.score(held.targets, found.predict(held.sequences, held.targets.shape[1]))
            if best is None or is_better(score, best[0]):
                best = (score, found)
        assert best is not None
        score, found = best
        return Outcome(found.predict(self.test.sequences, self.test.targets.shape[1]), score, {"order": found.order})


def _frequencies(sequences: Sequence[str], k: int) -> Any:
    from sklearn.preprocessing import normalize

    return normalize(count_kmers(sequences, k))


def _regressions(x: Any, targets: npt.NDArray[Any], target: Target) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Yield the name and predictions of regressions of several penalties."""
    from sklearn.linear_model import LogisticRegression, Ridge

    def make(penalty: float) -> Any:
        if target.kind in ("values", "bins"):
            return Ridge(alpha=1 / penalty)
        return LogisticRegression(C=penalty, max_iter=500)

    for penalty in (100 * each for each in PENALTIES):  # frequencies are small numbers
        fitted = fit_simple(partial(make, penalty), x, targets, target)
        yield f"C {penalty:g}", partial(_predicted, fitted, target)


def _predicted(fitted: Any, target: Target, x: Any) -> npt.NDArray[Any]:
    return predict(fitted, x, target)
