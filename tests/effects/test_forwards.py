import numpy as np
import torch

from hexamer.effects import forwards
from hexamer.effects.forwards import Allele, Forwards, compare_windows, masked_ratios, read_pairs
from hexamer.effects.window import WindowReader
from hexamer.genome import Change


def alleles_of(model, genome, changes, phases=1, strands="forward"):
    reader = WindowReader(model, genome, 594)
    return [
        Allele(row, column, change, reading)
        for row, change in enumerate(changes)
        for column, reading in enumerate(reader.read(change, phases, strands))
    ]


def other(base):
    return "ACGT"[("ACGT".index(base) + 1) % 4]


def test_alleles_of_one_length_share_a_masked_window_and_others_the_references(model, genome):
    bases = genome.fetch("20", 0, 9000)
    snvs = [Change("20", place, bases[place], other(bases[place])) for place in range(2502, 2508)]
    mnv = Change("20", 2502, bases[2502:2506], "".join(map(other, bases[2502:2506])))
    deletion, insertion = Change("20", 2503, bases[2503:2505], ""), Change("20", 2505, "", "A")
    alleles = alleles_of(model, genome, [*snvs, mnv, deletion, insertion])
    table, passes = masked_ratios(model, alleles, (9, 1), 4096)
    # One window for all SNVs and the MNV, which is also the reference's of both indels; two altered ones.
    assert passes == Forwards(3, 6 + 1 + 2 + 2)
    assert np.isfinite(table).all()


def test_on_a_cpu_every_window_is_a_batch_of_its_own(model, genome, monkeypatch):
    bases = genome.fetch("20", 0, 9000)
    alleles = alleles_of(model, genome, [Change("20", p, bases[p], other(bases[p])) for p in (50, 2500, 8990)], 2)
    seen = []
    real = forwards.masked_log_probabilities
    monkeypatch.setattr(
        forwards, "masked_log_probabilities", lambda m, ids, spans: seen.append(len(ids)) or real(m, ids, spans)
    )
    masked_ratios(model, alleles, (3, 2), 4096)
    assert seen == [1] * 6
    lengths = {"a": 5, "b": 2, "c": 3, "d": 7}
    assert list(forwards._in_batches(lengths, 6, torch.device("cuda"))) == [["a"], ["b", "c"], ["d"]]


def test_the_number_of_threads_changes_no_bit(model, genome):
    bases = genome.fetch("20", 0, 9000)
    changes = [Change("20", p, bases[p], other(bases[p])) for p in range(2000, 2040, 7)]
    alleles = alleles_of(model, genome, [*changes, Change("20", 3000, bases[3000:3004], "")], 3, "both")
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            ratios = masked_ratios(model, alleles, (len(changes) + 1, 6), 4096)[0]
            pairs = read_pairs(model, alleles, 4096, layer=2, by_token=False, with_loss=True)
            found.append((ratios.tobytes(), pairs.vectors.tobytes(), pairs.losses.tobytes()))
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1] == found[2]


def test_pairs_share_windows_and_name_a_vector_for_each_span(model, genome):
    bases = genome.fetch("20", 0, 9000)
    one, two = (Change("20", place, bases[place], other(bases[place])) for place in (2502, 2503))
    wide = Change("20", 2502, bases[2502:2512], "")
    alleles = alleles_of(model, genome, [one, two, wide, one])
    pairs = read_pairs(model, alleles, 4096, layer=1, by_token=True)
    assert pairs.forwards == Forwards(2 + 3, 8)
    assert pairs.ref[0] == pairs.ref[1] != pairs.ref[2]
    assert (pairs.ref[3], pairs.alt[3]) == (pairs.ref[0], pairs.alt[0])
    found = compare_windows(alleles, pairs, (4, 2))
    assert np.isnan(found["l2"][:, 1]).all()
    assert np.isnan(found["loss"]).all()
    assert (found["l2"][:, 0] > 0).all()


def test_nothing_asked_nothing_run(model):
    table, passes = masked_ratios(model, [], (2, 1), 4096)
    assert np.isnan(table).all()
    assert passes == Forwards()
    pairs = read_pairs(model, [], 4096, layer=2, by_token=False, with_loss=True)
    assert pairs.vectors.shape == (0, model.config.width)
    assert np.isnan(compare_windows([], pairs, (2, 1))["loss_diff"]).all()


def test_forwards_add_up_and_say_what_was_saved():
    assert str(Forwards(2, 41) + Forwards(1, 9)) == "3 forward passes, 47 saved"
