"""What the encoder says about a sequence: hidden states, pooled or per token, and their files."""

from hexamer.embeddings.extract import embed, embed_stream
from hexamer.embeddings.store import check_embeddings_path, read_embeddings, write_embeddings

__all__ = [
    "check_embeddings_path",
    "embed",
    "embed_stream",
    "read_embeddings",
    "write_embeddings",
]
