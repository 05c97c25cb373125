"""What the encoder says of both haplotypes of each person around a gene's transcription start.

The region around the start is read in pieces that the encoder sees at once; of each piece only haplotypes that differ
are read and embedded, since most people share theirs, and vectors are kept by content from one run to the next.
Letters: S people, U haplotypes that differ, R rows of a piece, P rows of all pieces, K layers, D width.
Sources: windows around the transcription start, both haplotypes through one tower (gLM2X-Tower); rows are ours.
Not here: what is learnt from them (`linear_head`, `transformer_head`).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from hexamer.embeddings.budget import choose_budget
from hexamer.embeddings.extract import plan_windows
from hexamer.embeddings.kept import KeptVectors
from hexamer.embeddings.pooling import Vectors
from hexamer.errors import SettingsError
from hexamer.expression.cohort import Places
from hexamer.genome import Cohort, reverse_complement
from hexamer.genome.edits import Blocks
from hexamer.genome.index import cache_folder
from hexamer.manifest import STRICT
from hexamer.model import NucleotideTransformer, batches, describe_model, pack
from hexamer.model.adapters import has_adapter
from hexamer.tokens import CLS_ID, token_spans
from hexamer.tokens.tokenizer import Ids

Pool = Literal["mean", "bins", "tokens", "variants"]


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """What is read around a transcription start, and which vectors are taken.

    Raises
    ------
    SettingsError
        If a number is out of its range, or the pooling does not exist.
    """

    __pydantic_config__ = STRICT

    window: int = 11_004
    """Bases, half of them on either side of the transcription start."""
    layers: tuple[int, ...] = (-1,)
    """Of the encoder: 0 (token embeddings) to the number of blocks, -1 the last."""
    pool: Pool = "variants"
    """A row is the mean over a piece, over a bin of tokens, of one token, or over the tokens of a variant."""
    bin: int = 16
    """Tokens of a bin."""
    frequency: float = 0.01
    """Least frequency of a site's alleles in the cohort, where rows are at variants."""

    def __post_init__(self) -> None:
        if not 0 <= self.frequency < 0.5:
            raise SettingsError(f"frequency {self.frequency}: from 0 and below 0.5 would work")
        if self.window < 12 or self.bin < 1 or not self.layers or len(set(self.layers)) < len(self.layers):
            told = ", ".join(map(str, self.layers)) or "none"
            raise SettingsError(
                f"window {self.window}, bin {self.bin}, layers {told}: from 12 bases, from 1 token, and one layer or "
                "more, each once, would work"
            )
        if self.pool not in get_args(Pool):
            raise SettingsError(f"pool {self.pool!r} is unknown; {', '.join(get_args(Pool))} would work")


class Piece(NamedTuple):
    """A stretch that the encoder reads at once, and the parts of it that become rows."""

    chrom: str
    start: int
    end: int
    """On the reference, 0-based, half-open."""
    strand: str
    parts: Places
    """int64 [R, 2]: start and end of each row on the reference."""


class GeneFeatures(NamedTuple):
    """Vectors of the haplotypes that people have around one gene."""

    vectors: list[Vectors]
    """Of each piece, float32 [U, K, R, D]; the first is the reference's."""
    rows: list[Places]
    """Of each piece, int64 [S, 2]: which of them each person's two are."""
    sites: Places
    """Start and end of each row on the reference, int64 [P, 2]."""
    counts: dict[str, int]
    """`haplotypes` read, those that were `distinct`, `embedded` anew, and `recalled` from the file of kept vectors;
    heterozygous calls that were `unphased`, and calls that are `missing_call` or `haploid`."""

    def relative(self, layer: int) -> tuple[Vectors, Places]:
        """Differences of whole haplotypes to the reference.

        Parameters
        ----------
        layer : int
            Which of the settings' layers, from 0.

        Returns
        -------
        vectors : float32 array [U, P, D]
            Of haplotypes that differ anywhere in the region; the reference is 0 throughout.
        rows : int64 array [S, 2]
        """
        combined = np.stack([rows.reshape(-1) for rows in self.rows], axis=1)
        distinct, inverse = np.unique(combined, axis=0, return_inverse=True)
        parts = [
            each[:, layer][distinct[:, i]] - each[:1, layer] for i, each in enumerate(self.vectors) if each.shape[2]
        ]
        width = self.vectors[0].shape[-1]
        whole = np.concatenate(parts, axis=1) if parts else np.zeros((len(distinct), 0, width), dtype=np.float32)
        return whole, inverse.reshape(-1, 2).astype(np.int64)

    def of_layers(self) -> list[tuple[Vectors, Places]]:
        """Differences of whole haplotypes to the reference, as `relative`, of each layer."""
        return [self.relative(layer) for layer in range(self.vectors[0].shape[1])]


class FeatureReader:
    """Reads features of genes: one encoder, one cohort, one file of kept vectors.

    Parameters
    ----------
    model : NucleotideTransformer
    cohort : Cohort
    settings : FeatureSettings
    cache : bool
        Keep vectors in the cache folder.

    Raises
    ------
    SettingsError
        If the encoder has no such layer.
    """

    def __init__(
        self, model: NucleotideTransformer, cohort: Cohort, settings: FeatureSettings, *, cache: bool = True
    ) -> None:
        self.model, self.cohort, self.settings = model, cohort, settings
        self.layers = tuple(model.layer_number(layer) for layer in settings.layers)
        about = json.dumps([_identity(model), model.precision, self.layers], sort_keys=True)
        name = hashlib.sha256(about.encode()).hexdigest()[:32]
        self._kept = KeptVectors(cache_folder() / "haplotypes" / f"{name}.sqlite" if cache else None)

    def read(self, chrom: str, tss: int, strand: str, *, sites: Places | None = None) -> GeneFeatures:
        """Read the features of one gene.

        Parameters
        ----------
        chrom : str
            Any name that the genome knows.
        tss : int
            Transcription start, 0-based.
        strand : {"+", "-"}
            Sequences are turned after variants are in.
        sites : int64 array [P, 2], optional
            Starts and ends of rows for pool "variants", such as those that a model was fitted on; by default the
            cohort's own variants.

        Returns
        -------
        GeneFeatures

        Raises
        ------
        GenomeError
            If the place is not on the genome.
        VariantError
            If a record cannot be read, REF is not the genome's, or a heterozygote is unphased where that is an error.
        """
        vectors, rows, counts = [], [], Counter[str]()
        pieces = list(self._pieces(self.cohort.genome.resolve(chrom), tss, strand, sites))
        for piece in pieces:
            found, owners = self._embed(piece, counts)
            vectors.append(found)
            rows.append(owners)
            counts["haplotypes"] += owners.size
        parts = np.concatenate([piece.parts for piece in pieces])
        return GeneFeatures(vectors, rows, parts, dict(counts))

    def _pieces(self, chrom: str, tss: int, strand: str, sites: Places | None) -> Iterator[Piece]:
        """Cut the region into equal pieces, a little shorter than the encoder reads at once."""
        token, length = self.model.tokenizer.k, self.cohort.genome.length(chrom)
        start, end = max(0, tss - self.settings.window // 2), min(length, tss + self.settings.window // 2)
        longest = (self.model.config.max_tokens - 1) * token
        count = -(-(end - start) // longest)
        size = -(-(end - start) // (count * token)) * token
        for first in range(start, end, size):
            last = min(first + size, end)
            yield Piece(chrom, first, last, strand, self._parts(chrom, first, last, strand, sites))

    def _parts(self, chrom: str, start: int, end: int, strand: str, sites: Places | None) -> Places:
        if self.settings.pool == "mean":
            return np.array([[start, end]], dtype=np.int64)
        if self.settings.pool == "variants":
            if sites is None:
                sites = self.cohort.varying(chrom, start, end, frequency=self.settings.frequency)
            inside = sites[(sites[:, 0] >= start) & (sites[:, 0] < end)]
            return np.minimum(inside, end).astype(np.int64)
        size = self.model.tokenizer.k * (self.settings.bin if self.settings.pool == "bins" else 1)
        if strand == "-":  # tokens, and with them bins, are counted from where reading begins
            edges = np.arange(end, start - size, -size).clip(start)[::-1]
        else:
            edges = np.arange(start, end + size, size).clip(None, end)
        return np.stack([edges[:-1], edges[1:]], axis=1).astype(np.int64)

    def _embed(self, piece: Piece, counts: Counter[str]) -> tuple[Vectors, Places]:
        """Embed the haplotypes of a piece that differ, the reference's first; [U, K, R, D] and [S, 2]."""
        owners, rows = self.cohort.distinct(piece.chrom, piece.start, piece.end)
        reference = self.cohort.genome.fetch(piece.chrom, piece.start, piece.end)
        plain = Blocks(np.array([piece.start]), np.array([0]), np.array([piece.end - piece.start]))
        distinct: dict[bytes, tuple[Ids, Places]] = {}
        name = self._add(distinct, piece, reference, plain)
        order, places = {name: 0}, []
        for sample, number in owners:
            read = self.cohort.haplotype(sample, number).read(piece.chrom, piece.start, piece.end)
            name = self._add(distinct, piece, read.sequence, read.blocks)
            places.append(order.setdefault(name, len(order)))
        known = self._kept.recall(distinct)
        missing = {name: given for name, given in distinct.items() if name not in known}
        made = self._run(missing)
        self._kept.keep(made)
        counts.update(distinct=len(distinct), recalled=len(known), embedded=len(made))
        counts.update(self.cohort.count_calls(piece.chrom, piece.start, piece.end))
        found = np.stack([known[name] if name in known else made[name] for name in order])
        # A man's X is one haplotype, as both of his.
        alone = self.cohort.haploid(piece.chrom, piece.start, piece.end)
        rows = np.where(alone[:, None], rows[:, :1], rows)
        return found, np.array(places, dtype=np.int64)[rows]

    def _add(self, distinct: dict[bytes, tuple[Ids, Places]], piece: Piece, sequence: str, blocks: Blocks) -> bytes:
        """Name a haplotype by its letters and rows, and note its tokens under that name."""
        letters = reverse_complement(sequence) if piece.strand == "-" else sequence
        (ids,) = self.model.tokenizer.encode([letters])
        starts, ends = (each[1:] for each in token_spans(self.model.tokenizer, ids))
        covered = _covered(blocks, len(sequence), piece.start)[:: -1 if piece.strand == "-" else 1]
        tokens = _tokens_of(covered, starts, ends, piece.parts, turned=piece.strand == "-")
        name = hashlib.sha256(letters.encode() + b"\n" + tokens.tobytes()).digest()
        distinct[name] = (ids, tokens)
        return name

    def _run(self, wanted: dict[bytes, tuple[Ids, Places]]) -> dict[bytes, Vectors]:
        """Mean vectors of the rows of each haplotype, float32 [K, R, D], in passes through the encoder."""
        import torch

        jobs: list[tuple[bytes, Ids, slice]] = []
        for name, (ids, _) in wanted.items():
            for start, end, keep in plan_windows(len(ids) - 1, self.model.config.max_tokens - 1):
                jobs.append((name, np.concatenate([[CLS_ID], ids[1 + start : 1 + end]]).astype(np.int32), keep))
        parts: dict[bytes, list[Vectors]] = {name: [] for name in wanted}
        found: dict[bytes, Vectors] = {}
        left = Counter(name for name, _, _ in jobs)
        for batch in batches([len(ids) for _, ids, _ in jobs], choose_budget(self.model.device)):
            some = [jobs[i] for i in batch]
            with torch.inference_mode():
                packed = pack([ids for _, ids, _ in some], self.model.device)
                hidden = self.model.encode(packed, layers=self.layers).hidden
                states = torch.stack([hidden[layer].float() for layer in self.layers]).cpu()
            for (name, _, keep), own in zip(some, states.split(packed.lengths, dim=1), strict=True):
                parts[name].append(own[:, keep].numpy())
                left[name] -= 1
                if not left[name]:  # at once, since token vectors of all haplotypes would fill the memory
                    found[name] = _means(np.concatenate(parts.pop(name), axis=1), wanted[name][1])
        return found

    def close(self) -> None:
        """Close the file of kept vectors."""
        self._kept.close()

    def __enter__(self) -> "FeatureReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _identity(model: NucleotideTransformer) -> object:
    """Tell an encoder from others: by the checksums of its files or, of weights that are in no folder, theirs."""
    if model.source and not has_adapter(model):
        return describe_model(model)["files"]
    digest = hashlib.sha256(repr(model.config).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()


def _covered(blocks: Blocks, length: int, start: int) -> Places:
    """Place on the reference of each base of a haplotype, int64 [length]; of an inserted one that before."""
    places = blocks.to_reference(np.arange(length))
    return np.maximum.accumulate(np.where(places < 0, start, places))


def _tokens_of(covered: Places, starts: Places, ends: Places, parts: Places, *, turned: bool) -> Places:
    """First token and end of each row, int64 [R, 2]: tokens that cover a base of its part, at least one."""
    if not len(starts):
        return np.zeros((len(parts), 2), dtype=np.int64)
    low, high = covered[starts], covered[ends - 1]
    if turned:  # places fall along the sequence: the same question with their signs exchanged
        low, high, parts = -low, -high, 1 - parts[:, ::-1]
    first = np.minimum(np.searchsorted(high, parts[:, 0], side="left"), len(starts) - 1)
    last = np.maximum(np.searchsorted(low, parts[:, 1], side="left"), first + 1)
    return np.stack([first, last], axis=1).astype(np.int64)


def _means(states: Vectors, tokens: Places) -> Vectors:
    """Mean of each row's tokens, float32 [K, R, D]."""
    found = np.zeros((len(states), len(tokens), states.shape[2]), dtype=np.float32)
    for row, (first, last) in enumerate(tokens):
        if last > first:  # nothing is left of a piece that is deleted whole
            found[:, row] = states[:, first:last].mean(axis=1, dtype=np.float64)
    return found
