import numpy as np
import pytest

from hexamer.embeddings import embed, layers
from hexamer.embeddings.layers import embed_layers
from hexamer.errors import SequenceError
from hexamer.model import load_model, save_model

SEQUENCES = ["ACGTAC" * 9 + "TT", "ACGTNNTACAGG", "TTGACA" * 3, "ACGTAC" * 9 + "TT"]


def test_every_layer_is_what_embed_says_of_it(model):
    found = embed_layers(model, SEQUENCES)
    assert found.shape == (4, 3, 16)
    for layer in range(3):
        np.testing.assert_allclose(found[:, layer], embed(model, SEQUENCES, layer=layer).X, atol=1e-5)


def test_a_vector_does_not_depend_on_its_company(model):
    alone = np.concatenate([embed_layers(model, [each]) for each in SEQUENCES])
    np.testing.assert_allclose(embed_layers(model, SEQUENCES, token_budget=20), alone, atol=1e-5)


def test_kept_by_content(model, tmp_path, monkeypatch):
    monkeypatch.setenv("HEXAMER_CACHE", str(tmp_path / "cache"))
    save_model(model, tmp_path / "m")
    encoder, seen = load_model(tmp_path / "m", device="cpu"), []
    first = embed_layers(encoder, SEQUENCES, advance=seen.append)
    assert sum(seen) == 4
    real = layers._embed
    monkeypatch.setattr(layers, "_embed", lambda *_: pytest.fail("computed again"))
    np.testing.assert_array_equal(embed_layers(encoder, SEQUENCES, advance=seen.append), first)
    assert sum(seen) == 8
    monkeypatch.setattr(layers, "_embed", real)
    assert not np.array_equal(embed_layers(encoder, SEQUENCES[::-1]), first)
    assert len(list((tmp_path / "cache" / "layers").iterdir())) == 2
    embed_layers(encoder, SEQUENCES[:1], cache=False)
    embed_layers(model, SEQUENCES[:2])  # of random weights nothing says whose they are
    assert len(list((tmp_path / "cache" / "layers").iterdir())) == 2


def test_what_cannot_be_read_is_named(model):
    with pytest.raises(SequenceError, match=r"sequence 2 of 2: 0 bases are 0 tokens; 1 to 99 would work"):
        embed_layers(model, ["ACGT", ""])
    with pytest.raises(SequenceError, match="sequence 1 of 1: 600 bases are 100 tokens"):
        embed_layers(model, ["ACGTAC" * 100])


@pytest.mark.parametrize("damage", [b"", b"junk", None])
def test_a_damaged_cache_is_made_anew(model, damage, tmp_path, monkeypatch):
    monkeypatch.setenv("HEXAMER_CACHE", str(tmp_path / "cache"))
    encoder = load_model(save_model(model, tmp_path / "m"), device="cpu")
    wanted = embed_layers(encoder, ["ACGTACGTACGT", "TTTTTTA"])
    (kept,) = (tmp_path / "cache" / "layers").iterdir()
    if damage is None:
        np.save(kept, wanted[:1])
    else:
        kept.write_bytes(damage)
    np.testing.assert_array_equal(embed_layers(encoder, ["ACGTACGTACGT", "TTTTTTA"]), wanted)
    monkeypatch.setenv("HEXAMER_CACHE", str(kept))  # a file: no cache, and no error
    np.testing.assert_array_equal(embed_layers(encoder, ["ACGTACGTACGT", "TTTTTTA"]), wanted)
