"""What the encoder says about a sequence: hidden states, pooled or per token, and their files."""

from hexamer.embeddings.extract import batches_by_length, embed, embed_stream, pad_ids
from hexamer.embeddings.store import check_embeddings_path, read_embeddings, write_embeddings

__all__ = [
    "batches_by_length",
    "check_embeddings_path",
    "embed",
    "embed_stream",
    "pad_ids",
    "read_embeddings",
    "write_embeddings",
]
