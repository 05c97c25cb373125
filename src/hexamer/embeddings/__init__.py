"""What the encoder says about a sequence: hidden states, pooled or per token, and their files."""

from hexamer.embeddings.budget import check_budget, choose_budget
from hexamer.embeddings.extract import embed, embed_stream
from hexamer.embeddings.store import check_embeddings_path, read_embeddings, write_embeddings

__all__ = [
    "check_budget",
    "check_embeddings_path",
    "choose_budget",
    "embed",
    "embed_stream",
    "read_embeddings",
    "write_embeddings",
]
