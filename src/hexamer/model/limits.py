"""How long a sequence a model reads. Not here: how sequences become batches (`packed`)."""

from hexamer.model.transformer import NucleotideTransformer


def count_beyond(model: NucleotideTransformer, sequence: str) -> int:
    """Count the tokens of a sequence that is too long for a model.

    Parameters
    ----------
    model : NucleotideTransformer
    sequence : str
        Bases; each N is a token.

    Returns
    -------
    int
        Its tokens, `<cls>` not counted; 0 if the model reads them all.

    Examples
    --------
    >>> from hexamer.model import ModelConfig
    >>> model = NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8, max_tokens=3))
    >>> count_beyond(model, "ACGTAC" * 2), count_beyond(model, "ACGTAC" * 3)
    (0, 3)
    """
    most = model.config.max_tokens - 1
    if len(sequence) <= most:  # even of N alone, a sequence has no more tokens than bases
        return 0
    count = len(model.tokenizer.encode([sequence])[0]) - 1
    return count if count > most else 0
