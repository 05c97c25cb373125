"""The sequence as the model reads it: bases as numbers, 6-mer tokens, masking, and the corpus of windows."""

from hexamer.tokens.alphabet import LetterReport, bases_to_codes, codes_to_bases, report_letters, reverse_complement
from hexamer.tokens.coordinates import token_of_base, token_spans
from hexamer.tokens.corpus import Corpus, Span
from hexamer.tokens.corpus_writer import build_corpus, find_corpus, has_region
from hexamer.tokens.masking import Masking, mask_tokens
from hexamer.tokens.population import Population, tell_left_out
from hexamer.tokens.population_writer import write_population
from hexamer.tokens.sampling import Sampler, Sampling, Windows
from hexamer.tokens.sources import GenomeSource, read_sources
from hexamer.tokens.tokenizer import CLS_ID, MASK_ID, PAD_ID, Tokenizer

__all__ = [
    "CLS_ID",
    "MASK_ID",
    "PAD_ID",
    "Corpus",
    "GenomeSource",
    "LetterReport",
    "Masking",
    "Population",
    "Sampler",
    "Sampling",
    "Span",
    "Tokenizer",
    "Windows",
    "bases_to_codes",
    "build_corpus",
    "codes_to_bases",
    "find_corpus",
    "has_region",
    "mask_tokens",
    "read_sources",
    "report_letters",
    "reverse_complement",
    "tell_left_out",
    "token_of_base",
    "token_spans",
    "write_population",
]
