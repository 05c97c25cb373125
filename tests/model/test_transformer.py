import dataclasses

import numpy as np
import pytest
import torch

from hexamer.errors import SequenceError, SettingsError
from hexamer.model import ModelConfig, NucleotideTransformer, pack, pack_rows, randomised, set_precision
from hexamer.model.attention import rotary_turn, rotate
from hexamer.tokens import MASK_ID

ALL = (0, 1, 2, 3)
MAPS = ((1, 0), (1, 3), (3, 2))


def pad(model: NucleotideTransformer, sequences: list[str], tokens: int = 0) -> torch.Tensor:
    ids = model.tokenizer.encode(sequences)
    batch = torch.ones(len(ids), max(tokens, *map(len, ids)), dtype=torch.long)
    for row, found in zip(batch, ids, strict=True):
        row[: len(found)] = torch.as_tensor(found)
    return batch


SEQUENCES = ["ACGTTGCATTGACCANNGTAGCTAGGATTACAGATTACAGG", "ACGTAC", "TTTGGCACGATCGAN", "G"]


def test_shapes_and_what_was_asked_for(model: NucleotideTransformer):
    ids = pad(model, SEQUENCES)
    rows, tokens = ids.shape
    out = model(ids, layers=(0, 2), attentions=MAPS)
    assert out.logits.shape == (rows, tokens, model.config.vocabulary_size)
    assert {layer: x.shape for layer, x in out.hidden.items()} == dict.fromkeys((0, 2), (rows, tokens, 16))
    assert {key: x.shape for key, x in out.attentions.items()} == dict.fromkeys(MAPS, (rows, tokens, tokens))
    nothing = model(ids)
    assert (nothing.hidden, nothing.attentions) == ({}, {})
    assert (nothing.logits == out.logits).all(), "what else is asked for changes no number"


def test_padding_does_not_change_real_tokens(model: NucleotideTransformer):
    batch = pad(model, SEQUENCES, tokens=33)
    padded = model(batch, layers=ALL, attentions=MAPS)
    for row, ids in enumerate(batch):
        length = int((ids != 1).sum())
        alone = model(ids[None, :length], layers=ALL, attentions=MAPS)
        torch.testing.assert_close(padded.logits[row, :length], alone.logits[0], atol=2e-5, rtol=1e-4)
        for layer in ALL:
            torch.testing.assert_close(padded.hidden[layer][row, :length], alone.hidden[layer][0], atol=1e-5, rtol=1e-4)
        for key in MAPS:
            torch.testing.assert_close(padded.attentions[key][row, :length, :length], alone.attentions[key][0])
            assert (padded.attentions[key][row, :length, length:] == 0).all()


def test_a_row_does_not_depend_on_its_batch(model: NucleotideTransformer):
    batch = pad(model, SEQUENCES)
    order = [2, 0, 3, 1]
    torch.testing.assert_close(model(batch).logits[order], model(batch[order]).logits, atol=1e-5, rtol=1e-5)
    one_by_one = torch.cat([model(row[None]).logits for row in batch])
    real = batch != 1
    torch.testing.assert_close(model(batch).logits[real], one_by_one[real], atol=1e-5, rtol=1e-5)


def test_every_token_sees_every_other(model: NucleotideTransformer):
    ids = pad(model, ["ACGTTGCATTGACCATAGTAGCTA"])
    before = model(ids).logits
    for place in range(ids.shape[1]):
        changed = ids.clone()
        changed[0, place] = model.tokenizer.n_id
        assert ((model(changed).logits - before).abs().amax(-1) > 1e-6).all(), place


def test_layers_and_the_last_by_two_names(model: NucleotideTransformer):
    ids = pad(model, SEQUENCES)
    out = model(ids, layers=ALL)
    assert sorted(out.hidden) == [0, 1, 2, 3]
    last = model(ids, layers=(-1,)).hidden
    assert list(last) == [3]
    assert (last[3] == out.hidden[3]).all()
    assert (model(ids, layers=(-4, -2)).hidden[2] == out.hidden[2]).all()
    # The last one is after the final LayerNorm, the head reads it, the others are not normalised.
    norm = model.final_norm
    packed, real = pack_rows(ids)
    plain = (out.hidden[3][real] - norm.bias) / norm.weight
    torch.testing.assert_close(plain.mean(-1), torch.zeros(len(plain)), atol=1e-4, rtol=0)
    torch.testing.assert_close(plain.var(-1, unbiased=False), torch.ones(len(plain)), atol=1e-3, rtol=0)
    assert out.hidden[2].mean(-1).abs().max() > 0.05
    torch.testing.assert_close(model.lm_head(out.hidden[3][real]), out.logits[real], atol=1e-6, rtol=1e-5)
    turn = rotary_turn(ids.shape[1], 4, ids.device) if model.config.layout == "v2" else None
    by_hand = norm(model.blocks[2](out.hidden[2][real], packed, turn)[0])
    torch.testing.assert_close(by_hand, out.hidden[3][real], atol=1e-6, rtol=1e-5)


def test_where_gives_the_same_logits_at_fewer_places(model: NucleotideTransformer):
    ids = pad(model, SEQUENCES)
    where = torch.zeros(ids.shape, dtype=torch.bool)
    where[0, 2], where[0, 5], where[2, 1] = True, True, True
    full = model(ids).logits
    torch.testing.assert_close(model(ids, where=where).logits, full[where], atol=1e-6, rtol=1e-5)
    assert model(ids, where=torch.zeros_like(where)).logits.shape == (0, model.config.vocabulary_size)


def test_encode_goes_no_further_than_it_must(model: NucleotideTransformer):
    ids = pad(model, SEQUENCES)
    packed, real = pack_rows(ids)
    full = model(ids, layers=ALL, attentions=MAPS)
    ran: list[int] = []
    for i, block in enumerate(model.blocks, start=1):
        block.register_forward_hook(lambda *_, i=i: ran.append(i))
    for arguments, blocks in (
        ({"layers": (0,)}, []),
        ({"layers": (1,)}, [1]),
        ({"layers": (0, 2)}, [1, 2]),
        ({"layers": (), "attentions": ((2, 1),)}, [1, 2]),
        ({"layers": (1,), "attentions": ((1, 0),)}, [1]),
        ({}, [1, 2, 3]),
    ):
        ran.clear()
        out = model.encode(packed, **arguments)
        assert ran == blocks, arguments
        assert out.logits is None
        assert all((x == full.hidden[layer][real]).all() for layer, x in out.hidden.items())
    assert sorted(model.encode(packed).hidden) == [3]


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_chosen_rows_have_the_numbers_of_a_whole_pass(model: NucleotideTransformer, layer: int):
    packed, _ = pack_rows(pad(model, SEQUENCES))
    number = model.layer_number(layer)
    whole = model.encode(packed, layers=(layer,)).hidden[number]
    for rows in ([], [0], [3, 9, 1], [2, 2]):
        some = model.encode(packed, layers=(layer,), rows=torch.tensor(rows, dtype=torch.int64)).hidden[number]
        torch.testing.assert_close(some, whole[rows], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layer", [4, 9, -5])
def test_layers_that_do_not_exist(model: NucleotideTransformer, layer: int):
    with pytest.raises(SettingsError, match=rf"layer {layer} does not exist; 0 \(embedding\) to 3 would work"):
        model(pad(model, SEQUENCES), layers=(layer,))


@pytest.mark.parametrize("place", [(0, 0), (4, 0), (1, 4), (1, -1), (-1, 0)])
def test_maps_that_do_not_exist(model: NucleotideTransformer, place: tuple[int, int]):
    with pytest.raises(SettingsError, match="layers 1 to 3 and heads 0 to 3 would work"):
        model(pad(model, SEQUENCES), attentions=(place,))


def test_too_long(model: NucleotideTransformer):
    ids = torch.full((1, 41), 20)
    if model.config.layout == "v2":
        assert model(ids).logits.isfinite().all(), "rotary positions have no end"
        return
    with pytest.raises(SequenceError, match="41 tokens in a window; this model reads at most 40"):
        model(ids)
    assert model(ids[:, :40]).logits.isfinite().all()


def v1() -> NucleotideTransformer:
    torch.manual_seed(1)
    return NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8, layout="v1", max_tokens=30)).eval()


def test_token_dropout_is_visible_at_layer_0():
    model = v1()
    ids = pad(model, ["ACGTACTTTGGCCC", "G"], tokens=9)
    x = model(ids, layers=(0,)).hidden[0]
    words, positions = model.embed_tokens.weight, model.embed_positions.weight
    # Without a mask words are scaled by 0.88; tokens count from 2.
    for row, column, place in ((0, 0, 2), (0, 1, 3), (0, 4, 6), (1, 1, 3)):
        expected = 0.88 * words[ids[row, column]] + positions[place]
        torch.testing.assert_close(x[row, column], expected, atol=1e-7, rtol=1e-6)


def test_token_dropout_counts_masks_among_real_tokens():
    model = v1()
    ids = pad(model, ["ACGTACTTTGGCCC", "G"], tokens=9)  # 5 and 2 real tokens
    ids[0, 2] = 2
    x = model(ids, layers=(0,)).hidden[0]
    words, positions = model.embed_tokens.weight, model.embed_positions.weight
    torch.testing.assert_close(x[0, 2], positions[4], atol=1e-7, rtol=0)
    torch.testing.assert_close(x[0, 1], 0.88 / (1 - 1 / 5) * words[ids[0, 1]] + positions[3], atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(x[1, 1], 0.88 * words[ids[1, 1]] + positions[3], atol=1e-7, rtol=1e-6)


def test_v2_embeds_words_as_they_are():
    model = NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8))
    ids = torch.tensor([[3, 9, 2]])
    assert (model(ids, layers=(0,)).hidden[0][0] == model.embed_tokens.weight[ids[0]]).all()


def test_rotary_positions_by_hand():
    cos, sin = rotary_turn(7, 6, torch.device("cpu"))
    for token in range(7):
        for pair in range(3):
            angle = token / 10000.0 ** (2 * pair / 6)
            for channel in (pair, pair + 3):
                assert float(cos[token, channel]) == pytest.approx(np.cos(angle), abs=1e-6)
                assert float(sin[token, channel]) == pytest.approx(np.sin(angle), abs=1e-6)
    x = torch.randn(1, 1, 7, 6, generator=torch.Generator().manual_seed(0))
    turned = rotate(x, (cos, sin))[0, 0]
    for token in range(7):
        for pair in range(3):
            a, b = x[0, 0, token, pair], x[0, 0, token, pair + 3]
            c, s = cos[token, pair], sin[token, pair]
            torch.testing.assert_close(turned[token, pair], a * c - b * s)
            torch.testing.assert_close(turned[token, pair + 3], b * c + a * s)
    assert (turned[0] == x[0, 0, 0]).all(), "<cls> is at position 0"


def test_only_distance_matters_to_rotary_products():
    turn = rotary_turn(12, 8, torch.device("cpu"))
    query, key = torch.randn(2, 8, generator=torch.Generator().manual_seed(0)).expand(12, 2, 8).unbind(1)
    products = rotate(query[None, None], turn)[0, 0] @ rotate(key[None, None], turn)[0, 0].T
    for distance in range(-6, 7):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5, rtol=1e-5)


def test_v1_tells_places_apart_and_v2_too(model: NucleotideTransformer):
    ids = pad(model, ["ACGTAC" * 4])
    hidden = model(ids, layers=(-1,)).hidden[3][0]
    swapped = pad(model, ["ACGTAC" * 2 + "TTGGCC" + "ACGTAC"])
    moved = pad(model, ["TTGGCC" + "ACGTAC" * 3])
    assert hidden.isfinite().all()
    assert (model(swapped).logits[0, 0] - model(moved).logits[0, 0]).abs().max() > 1e-4


def test_initial_weights():
    torch.manual_seed(0)
    model = NucleotideTransformer(ModelConfig(layers=2, width=64, heads=4, ffn=128))
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            assert parameter.detach().std().item() == pytest.approx(0.02, rel=0.06), name
        elif "norm" in name and name.endswith("weight"):
            assert (parameter == 1).all(), name
        else:
            assert (parameter == 0).all(), name


def test_v2_has_no_feed_forward_biases_and_no_position_table():
    names = dict(NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=12)).named_parameters())
    assert not [name for name in names if "ffn." in name and name.endswith("bias")]
    assert "embed_positions.weight" not in names
    assert names["blocks.0.ffn.up.weight"].shape == (24, 8)
    assert {name for name in dict(v1().named_parameters()) if ".ffn." in name} == {
        f"blocks.0.ffn.{part}.{leaf}" for part in ("up", "down") for leaf in ("weight", "bias")
    }


def test_the_first_half_is_the_gate():
    torch.manual_seed(3)
    ffn = NucleotideTransformer(ModelConfig(layers=1, width=16, heads=4, ffn=24)).blocks[0].ffn.requires_grad_(False)
    ffn.up.weight *= 50
    x = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    gate, passed = ffn.up.weight[:24], ffn.up.weight[24:]
    expected = (torch.sigmoid(x @ gate.T) * (x @ gate.T) * (x @ passed.T)) @ ffn.down.weight.T
    torch.testing.assert_close(ffn(x), expected)


def test_device_and_norm_eps_come_from_the_model(model: NucleotideTransformer):
    assert model.device == torch.device("cpu")
    coarse = NucleotideTransformer(dataclasses.replace(model.config, norm_eps=0.5)).eval()
    coarse.load_state_dict(model.state_dict())
    ids = pad(model, SEQUENCES)
    assert (coarse(ids).logits - model(ids).logits).abs().max() > 1e-2
    assert {m.eps for m in coarse.modules() if isinstance(m, torch.nn.LayerNorm)} == {0.5}


@pytest.fixture(params=["1", "0"], ids=["native", "torch"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEXAMER_NATIVE", request.param)


def wide(layout: str, layers: int = 2) -> NucleotideTransformer:
    """Heads of 16, which our kernels take."""
    torch.manual_seed(2)
    return NucleotideTransformer(ModelConfig(layers=layers, width=32, heads=2, ffn=48, layout=layout, max_tokens=40))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # the compiler asks for it
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_blocks_compile_to_one_graph(layout: str):
    from torch._dynamo.utils import counters

    model = wide(layout, layers=4)
    packed = pack([np.arange(10, 19)] * 3, model.device)
    wanted = model.encode(packed).hidden[4]
    torch._dynamo.reset()
    counters.clear()
    for block in model.blocks:
        block.compile(backend="eager", fullgraph=True)
    torch.testing.assert_close(model.encode(pack([np.arange(10, 19)] * 3, model.device)).hidden[4], wanted)
    assert (counters["stats"]["unique_graphs"], dict(counters["graph_break"])) == (1, {})
    model.encode(pack([np.arange(10, 14), np.arange(10, 19)], model.device))  # fullgraph: a break would be an error
    torch._dynamo.reset()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_a_batch_that_was_scored_can_be_trained_on(layout: str):
    model = wide(layout)
    with torch.inference_mode():
        packed = pack([np.arange(10, 19), np.arange(10, 14)], model.device)
        model.encode(packed)
    model.encode(packed).hidden[2].sum().backward()
    assert model.blocks[0].attention.query.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_hooks_see_every_linear_layer(layout: str):
    model = wide(layout).requires_grad_(False)
    seen: list[str] = []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(lambda *_, name=name: seen.append(name))
    model(pad(model, SEQUENCES))
    assert sorted(seen) == sorted(name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear))


def test_pads_have_no_logits(model: NucleotideTransformer):
    ids = pad(model, SEQUENCES)
    with pytest.raises(SequenceError, match=f"where asks for {int((ids == 1).sum())} pads; only tokens have logits"):
        model(ids, where=torch.ones_like(ids, dtype=torch.bool))


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("layout", ["v1", "v2"])
@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_an_empty_batch_gives_empty_results(layout: str, precision: str):
    model = wide(layout).eval().requires_grad_(False)
    set_precision(model, precision)
    out = model.encode(pack([], model.device), layers=(0, 1, 2), attentions=((1, 0), (2, 1)))
    assert {layer: tuple(x.shape) for layer, x in out.hidden.items()} == dict.fromkeys((0, 1, 2), (0, 32))
    assert out.attentions == {(1, 0): [], (2, 1): []}
    for rows, tokens in ((0, 5), (0, 0), (3, 0)):
        ids = torch.zeros(rows, tokens, dtype=torch.long)
        found = model(ids, layers=(2,), attentions=((1, 0),))
        assert found.logits.shape == (rows, tokens, model.config.vocabulary_size)
        assert found.hidden[2].shape == (rows, tokens, 32)
        assert found.attentions[1, 0].shape == (rows, tokens, tokens)
        assert model(ids, where=ids == 1).logits.shape == (0, model.config.vocabulary_size)
    only_pads = model(torch.ones(2, 3, dtype=torch.long), layers=(2,), attentions=((1, 0),))
    assert not only_pads.logits.any()
    assert not only_pads.attentions[1, 0].any()


@pytest.mark.parametrize("layer", [0, 1, 3])
def test_rows_are_of_the_deepest_state_whatever_maps_are_asked(model: NucleotideTransformer, layer: int):
    packed, _ = pack_rows(pad(model, SEQUENCES))
    rows = torch.tensor([3, 9, 1])
    places = ((1, 2), (2, 0), (3, 1))
    whole = model.encode(packed, layers=(0, layer), attentions=places)
    some = model.encode(packed, layers=(0, layer), attentions=places, rows=rows)
    torch.testing.assert_close(some.hidden[layer], whole.hidden[layer][rows], atol=1e-5, rtol=1e-5)
    assert layer == 0 or torch.equal(some.hidden[0], whole.hidden[0])
    for place in places:
        for one, other in zip(some.attentions[place], whole.attentions[place], strict=True):
            assert torch.equal(one, other)


def test_a_block_stops_after_its_maps(model: NucleotideTransformer):
    packed, _ = pack_rows(pad(model, SEQUENCES))
    whole = model.encode(packed, layers=(1, 3), attentions=((2, 0),))
    ran: list[str] = []
    for name, module in model.blocks[1].named_modules():
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    out = model.encode(packed, layers=(1,), attentions=((2, 0),))
    assert not {"attention.value", "attention.out", "ffn", "ffn_norm"} & set(ran)
    assert {"attention.query", "attention.key"} <= set(ran)
    assert torch.equal(out.hidden[1], whole.hidden[1])
    assert all(map(torch.equal, out.attentions[2, 0], whole.attentions[2, 0]))


def test_an_encoder_that_never_learnt_anything(model):
    state = torch.get_rng_state()
    first, second = randomised(model), randomised(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.config == model.config
    assert not first.source
    assert not first.training
    assert not any(parameter.requires_grad for parameter in first.parameters())
    pairs = list(zip(first.parameters(), second.parameters(), model.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert any(not torch.equal(a, c) for a, _, c in pairs)


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_vectors_in_place_of_embeddings_are_treated_alike(layout):
    """Masks too, which v1 zeroes and counts; and gradients reach the vectors, not the frozen weights."""
    torch.manual_seed(0)
    config = ModelConfig(layers=2, width=16, heads=2, ffn=32, max_tokens=20, layout=layout)
    model = NucleotideTransformer(config).requires_grad_(False)
    packed = pack([np.array([3, 10, MASK_ID, 12]), np.array([3, 13, 14])], torch.device("cpu"))
    vectors = model.embed_tokens(packed.ids.long()).requires_grad_()
    found = model.encode(packed, embeddings=vectors).hidden[2]
    torch.testing.assert_close(found, model.encode(packed).hidden[2], atol=0, rtol=0)
    (gradient,) = torch.autograd.grad(found.square().sum(), vectors)
    assert (gradient.abs().sum(1) > 0).tolist() == [row != 2 or layout == "v2" for row in range(7)]
