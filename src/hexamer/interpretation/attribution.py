"""Attribution: how much each token, and each base, adds to what a model says of a sequence.

Integrated gradients (Sundararajan et al. 2017) and gradient x input, on token embeddings; the engine is captum. What
v1 does to embeddings, zeroing masks and scaling the rest by their share, lies between them and the output, so
gradients go through it; a baseline has the same masks, so both ends of the path are scaled alike. Contributions then
add up to the difference between sequence and baseline (`Attribution.rest` is what is missing, and tests bound it).

A baseline replaces the tokens of known bases; `<cls>` and N stay. `mask`, the default, is what the encoder gets of a
masked token, its own word for "unknown": the vector of `<mask>` in v2, and 0 in v1, which never reads that vector.
Only vectors are replaced, not ids: were all tokens masked, v1 would divide by 1 - 1. `mean` is the mean over all
k-mers (or letters); it is short, so that LayerNorm bends the path at its beginning, and takes more steps.

A token's number is divided among its bases as Shapley values of "these bases are known, the others anything": exact
over all 64 subsets, from the same gradients. What belongs to no base (0 for `mean`) is divided evenly.
Letters: T tokens without `<cls>`, L bases, D width, K k-mers. Not here: what is asked (`answers`).
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from itertools import pairwise
from math import comb
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hexamer.errors import InputError, SettingsError
from hexamer.interpretation.answers import (
    Model,
    ask_kmers,
    ask_outputs,
    asking,
    encoder_of,
    find_base,
    mask_turns,
)
from hexamer.interpretation.attention_maps import tokenise_stretch
from hexamer.interpretation.stretches import Stretch
from hexamer.model import NucleotideTransformer, pack
from hexamer.tokens import MASK_ID, token_spans
from hexamer.tokens.alphabet import BASES
from hexamer.tokens.tokenizer import Ids
from hexamer.training import Predictor

Values = npt.NDArray[np.float64]
Method = Literal["integrated_gradients", "gradient_x_input"]
Baseline = Literal["mask", "mean"]

_BUDGET = 8192  # tokens that go through the encoder at a time, with gradients


class Attribution(NamedTuple):
    """What each token and each base of a sequence adds."""

    tokens: Values
    """float64 [T], in the unit of `value`: nats, or that of a fine-tuned model's values. 0 for N."""
    bases: Values
    """float64 [L]; those of a token add up to its number."""
    value: float
    """What the model says of the sequence."""
    baseline: float
    """What it says of the baseline; NaN for gradient x input."""

    @property
    def rest(self) -> float:
        """What the tokens leave unexplained of `value` less `baseline`: the error of the integral."""
        return self.value - self.baseline - float(self.tokens.sum())


def attribute(
    model: Model,
    stretch: Stretch | str,
    *,
    method: Method = "integrated_gradients",
    target: str | None = None,
    offset: int | None = None,
    baseline: Baseline = "mask",
    steps: int = 50,
) -> Attribution:
    """Find how much each token and each base of a sequence adds to what a model says of it.

    Of an encoder that is the log likelihood of the sequence, every seventh token masked in turn and each judged given
    all others; or of one of its tokens, masked alone. Of a fine-tuned model it is an output.

    Parameters
    ----------
    model : NucleotideTransformer or Predictor
        Gradients of its weights are not touched.
    stretch : Stretch or str
        No longer than the encoder reads at once.
    method : {"integrated_gradients", "gradient_x_input"}
        The second takes one gradient of each pass, and is a first guess; its numbers add up to nothing.
    target : str, optional
        Name of the fine-tuned model's output: log odds of a class or label, or a value. By default the most probable
        class, or the first output.
    offset : int, optional
        Base, 0-based from the first: of an encoder, the one whose token is asked for; needed by fine-tuned models that
        answer for every base.
    baseline : {"mask", "mean"}
        Of integrated gradients: where the path begins.
    steps : int
        Of the integral.

    Returns
    -------
    Attribution

    Raises
    ------
    SequenceError
        If the sequence is too long, or has no whole token.
    SettingsError
        If method, target, offset, baseline or steps cannot be.
    InputError
        If the package captum is missing.

    Examples
    --------
    >>> from hexamer.model import ModelConfig
    >>> model = NucleotideTransformer(ModelConfig(layers=2, width=8, heads=2, ffn=8)).requires_grad_(False)
    >>> found = attribute(model, "ACGTACGGATTTACGTACGT")
    >>> found.tokens.shape, found.bases.shape, abs(found.rest) < 1e-3
    ((5,), (20,), True)
    """
    encoder = encoder_of(model)
    check_attribution(method, baseline, steps)
    gradients = _engine(method, steps)
    if isinstance(stretch, str):
        stretch = Stretch("sequence", "sequence", "+", stretch, np.arange(len(stretch)))
    ids, _ = tokenise_stretch(encoder, stretch)
    integrated = method == "integrated_gradients"
    value = at_baseline = 0.0
    with asking(model):
        table = encoder.embed_tokens.weight.detach().float()
        vectors = table[torch.as_tensor(ids, device=table.device).long()]
        origin = _baseline_rows(encoder, ids, baseline) if integrated else torch.zeros_like(vectors)
        summed = torch.zeros_like(vectors, dtype=torch.float64)
        named = (ids >= encoder.tokenizer.first_kmer) & (ids < encoder.tokenizer.first_letter + len(BASES))
        unknown = torch.as_tensor(~named, device=table.device)[:, None]  # <cls> and N
        for masked, forward in _questions(model, ids, target, offset):
            hidden = torch.as_tensor(masked == MASK_ID, device=table.device)[:, None]
            ends = [torch.where(hidden, table[MASK_ID], each)[None] for each in (vectors, origin)]
            summed += gradients(forward, ends[0], ends[1])[0].double().masked_fill(hidden | unknown, 0.0)
            with torch.no_grad():
                value += float(forward(ends[0]))
                at_baseline += float(forward(ends[1])) if integrated else float("nan")
        tokens = ((vectors - origin).double() * summed).sum(-1).cpu().numpy()
        bases = _divide(encoder, ids, tokens, summed)
    return Attribution(tokens[1:], bases, value, at_baseline)


def check_attribution(method: str, baseline: str, steps: int) -> None:
    """Raise, before any work is done, if an attribution cannot be made so.

    Parameters
    ----------
    method, baseline : str
    steps : int

    Raises
    ------
    SettingsError
        If one cannot be.
    InputError
        If the package captum is missing.
    """
    if method not in get_args(Method):
        raise SettingsError(f"method {method!r} is unknown; {' or '.join(get_args(Method))} would work")
    if baseline not in get_args(Baseline):
        raise SettingsError(f"baseline {baseline!r} is unknown; {' or '.join(get_args(Baseline))} would work")
    if steps < 1:
        raise SettingsError(f"{steps} steps; 1 or more would work")
    _import_captum()


def _import_captum() -> Any:
    try:
        return import_module("captum.attr")
    except ImportError:
        raise InputError("attributions are made by the package captum; pip install 'hexamer[interpret]'") from None


def _engine(method: str, steps: int) -> Callable[[Any, Tensor, Tensor], Tensor]:
    """Give a function of (what is asked, vectors, baseline), [1, L, D]: mean gradient on the path, or at its end."""
    captum = _import_captum()

    def integrate(forward: Any, vectors: Tensor, baseline: Tensor) -> Tensor:
        engine = captum.IntegratedGradients(forward, multiply_by_inputs=False)
        at_once = max(1, _BUDGET // vectors.shape[1])
        found: Tensor = engine.attribute(vectors, baseline, n_steps=steps, internal_batch_size=at_once)
        return found

    def differentiate(forward: Any, vectors: Tensor, baseline: Tensor) -> Tensor:
        found: Tensor = captum.Saliency(forward).attribute(vectors.requires_grad_(), abs=False)
        return found

    return integrate if method == "integrated_gradients" else differentiate


def _questions(model: Model, ids: Ids, target: str | None, offset: int | None) -> list[tuple[Ids, Any]]:
    """List the passes: ids with masks, and a function from vectors [S, L, D] to numbers [S]."""
    encoder = encoder_of(model)
    if isinstance(model, Predictor):
        base = None if offset is None else find_base(encoder, ids, offset)
        return [(ids, _ask_output(model, ids, target, base))]
    if target is not None:
        raise SettingsError(f"target {target!r}: an encoder has no outputs; none, or a fine-tuned model, would work")
    found = []
    for rows in mask_turns(encoder, ids, offset):
        masked = ids.copy()
        masked[rows] = MASK_ID
        found.append((masked, _ask_tokens(encoder, masked, rows, ids[rows] - encoder.tokenizer.first_kmer)))
    return found


def _ask_tokens(encoder: NucleotideTransformer, masked: Ids, rows: npt.NDArray[Any], kmers: Ids) -> Any:
    def forward(vectors: Tensor) -> Tensor:
        count = len(vectors)
        places = np.concatenate([rows + i * len(masked) for i in range(count)])
        where = torch.as_tensor(places, dtype=torch.int64, device=vectors.device)
        logs = ask_kmers(encoder, pack([masked] * count, encoder.device), vectors.flatten(0, 1), where)
        own = torch.as_tensor(kmers, dtype=torch.int64, device=vectors.device).repeat(count)
        return logs.gather(1, own[:, None]).view(count, -1).sum(1)

    return forward


def _ask_output(predictor: Predictor, ids: Ids, target: str | None, base: tuple[int, int] | None) -> Any:
    def ask(vectors: Tensor) -> Tensor:
        bases = None if base is None else [base] * len(vectors)
        return ask_outputs(predictor, pack([ids] * len(vectors), vectors.device), vectors.flatten(0, 1), bases)

    names = predictor.target.names
    if target is not None and target not in names:
        raise SettingsError(f"target {target!r}: the model has {', '.join(names)}; one of them would work")
    if target is not None:
        column = names.index(target)
    elif predictor.target.kind in ("classes", "bases"):
        with torch.no_grad():
            own = torch.as_tensor(ids, device=predictor.encoder.device).long()
            column = int(ask(predictor.encoder.embed_tokens(own)[None]).argmax())
    else:
        column = 0
    return lambda vectors: ask(vectors)[:, column]


def _baseline_rows(encoder: NucleotideTransformer, ids: Ids, baseline: str) -> Tensor:
    """Vectors [L, D] of the baseline: those of known bases replaced."""
    tokenizer, table = encoder.tokenizer, encoder.embed_tokens.weight.detach().float()
    rows = table[torch.as_tensor(ids, device=table.device).long()].clone()
    ends = (tokenizer.first_kmer, tokenizer.first_letter, tokenizer.first_letter + len(BASES))
    for first, end in pairwise(ends):
        vector = table[first:end].mean(0) if baseline == "mean" else table[MASK_ID]
        if baseline == "mask" and encoder.config.layout == "v1":
            vector = torch.zeros_like(vector)
        rows[torch.as_tensor((ids >= first) & (ids < end), device=table.device)] = vector
    return rows


def _divide(encoder: NucleotideTransformer, ids: Ids, tokens: Values, gradients: Tensor) -> Values:
    """Divide the numbers of tokens [1 + T] among their bases [L]; gradients [1 + T, D]."""
    tokenizer, k = encoder.tokenizer, encoder.config.k
    starts, ends = token_spans(tokenizer, ids)
    found = np.zeros(int(ends[-1]))
    single = ends - starts == 1
    found[starts[single]] = tokens[single]
    whole = np.flatnonzero(ends - starts == k) if k > 1 else np.zeros(0, dtype=np.int64)
    table = encoder.embed_tokens.weight.detach()[tokenizer.first_kmer : tokenizer.first_letter].double()
    shares = _shapley_weights(k)
    for rows in np.array_split(whole, max(1, len(whole) // 256)):
        said = (gradients[torch.as_tensor(rows, device=gradients.device)] @ table.T).cpu().numpy()
        games = _games(said.reshape(-1, *([len(BASES)] * k)), ids[rows] - tokenizer.first_kmer)
        own = games @ shares.T
        own += (tokens[rows] - own.sum(1))[:, None] / k
        found[starts[rows][:, None] + np.arange(k)] = own
    return found


def _games(said: Values, kmers: npt.NDArray[Any]) -> Values:
    """Mean over all k-mers that share some bases with a token's, for each subset of bases: [T, 2 ** k].

    The subset is the column's binary digits, first base first.
    """
    k = said.ndim - 1
    for place in range(k):
        digits = kmers // len(BASES) ** (k - 1 - place) % len(BASES)
        index = digits.reshape(-1, *([1] * k))
        own = np.take_along_axis(said, index, axis=place + 1)
        said = np.concatenate([said.mean(axis=place + 1, keepdims=True), own], axis=place + 1)
    return said.reshape(len(said), -1)


@cache
def _shapley_weights(players: int) -> Values:
    """Weights [players, 2 ** players] that make Shapley values of a game's value for each subset."""
    found = np.zeros((players, 2**players))
    for subset in range(2**players):
        size = subset.bit_count()
        for place in range(players):
            inside = subset >> (players - 1 - place) & 1
            others = size - inside
            weight = 1 / (players * comb(players - 1, others))
            found[place, subset] = weight if inside else -weight
    return found
