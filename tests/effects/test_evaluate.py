import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as sk

from hexamer.effects import SIGNS, evaluate_effects
from hexamer.effects.score import SCORES
from hexamer.errors import SettingsError
from hexamer.metrics import auroc, bootstrap

TERMS = ("intergenic_variant", "intron_variant", "missense_variant", "stop_gained")


@pytest.fixture(scope="module")
def table():
    """300 variants: llr and peer know the labels, llr more; the rest is noise."""
    rng = np.random.default_rng(0)
    n = 300
    label = rng.permutation(np.arange(n) % 3 == 0).astype(float)
    rank = rng.integers(4, size=n)
    table = pd.DataFrame(
        {
            "label": label,
            "log2": rng.normal(size=n),
            "llr": rng.normal(size=n) - 1.5 * label - 0.5 * rank,
            "l2": rng.gamma(2, size=n),
            "peer": rng.normal(size=n) + 0.7 * label,
            "consequence": np.array(TERMS)[rank],
            "kind": np.where(np.arange(n) % 5, "snv", "deletion"),
            "reason": "",
        }
    )
    table.loc[:19, ["llr", "l2"]] = np.nan
    table.loc[:14, "reason"] = "ref_mismatch"
    table.loc[15:19, "reason"] = "not_scored"
    table.loc[10:39, "peer"] = np.nan
    table["reason:peer"] = np.where(table["peer"].isna(), "not_found", "")
    table.loc[40:49, "label"] = np.nan
    return table


SCORED = ["llr", "l2", "peer"]


@pytest.fixture(scope="module")
def found(table):
    return evaluate_effects(table, scores=SCORED, label="label", effect="log2", groups=["kind"], resamples=60, seed=3)


def pick(table, **cells):
    for name, value in cells.items():
        table = table[table[name] == value]
    assert len(table) == 1, cells
    return table.iloc[0]


def test_each_number_is_what_its_rows_give(table, found):
    for group, value in (("all", "all"), ("kind", "snv"), ("kind", "deletion")):
        part = table if group == "all" else table[table["kind"] == value]
        for score in SCORED:
            sign = SIGNS.get(score, 1)
            own = part[part["label"].notna() & part[score].notna()]
            place = {"group": group, "value": value, "score": score, "rows": "own"}
            row = pick(found.table, metric="auroc", **place)
            assert row["estimate"] == pytest.approx(sk.roc_auc_score(own["label"], sign * own[score]))
            assert (row["n"], row["n_positive"]) == (len(own), own["label"].sum())
            assert row["low"] < row["estimate"] < row["high"]
            row = pick(found.table, metric="auprc", **place)
            assert row["estimate"] == pytest.approx(sk.average_precision_score(own["label"], sign * own[score]))
            own = part[part[score].notna()]
            rho = lambda x, y: stats.spearmanr(x, y).statistic  # noqa: E731
            for metric, x, y in (
                ("spearman_effect", own[score], own["log2"]),
                ("spearman_size", sign * own[score], own["log2"].abs()),
                ("severity_spearman", sign * own[score], own["consequence"].map(TERMS.index)),
            ):
                assert pick(found.table, metric=metric, **place)["estimate"] == pytest.approx(rho(x, y))
            linear = stats.pearsonr(sign * own[score], own["consequence"].map(TERMS.index)).statistic
            assert pick(found.table, metric="severity_pearson", **place)["estimate"] == pytest.approx(linear)
    row = pick(found.table, metric="spearman_absolute", score="llr", rows="own", group="all")
    known = table[table["llr"].notna()]
    assert row["estimate"] == pytest.approx(stats.spearmanr(known["llr"].abs(), known["log2"].abs()).statistic)
    assert pd.isna(row["n_positive"])
    absolute = found.table[found.table["metric"] == "spearman_absolute"]
    assert set(absolute["score"]) == {"llr", "peer"}, "a distance has no sign"


def test_what_is_missing_is_counted_with_its_reasons(found):
    place = {"group": "all", "metric": "spearman_effect", "rows": "own"}
    row = pick(found.table, score="llr", **place)
    assert (row["n"], row["n_missing"], row["missing"]) == (280, 20, "ref_mismatch 15, not_scored 5")
    row = pick(found.table, score="peer", **place)
    assert (row["n"], row["n_missing"], row["missing"]) == (270, 30, "not_found 30")
    assert found.manifest["missing"]["peer"] == {"not_found": 30}
    assert found.manifest["known"]["auroc"] == 290
    assert found.manifest["rows"] == 300


def test_common_rows_are_those_where_all_scores_are(table, found):
    rows = found.table[(found.table["rows"] == "common") & (found.table["metric"] == "auroc")]
    assert len(rows) == 9
    both = table[table[["label", *SCORED]].notna().all(axis=1)]
    row = pick(rows, group="all", score="peer")
    assert (row["n"], row["n_missing"]) == (len(both), 290 - len(both))
    assert row["estimate"] == pytest.approx(sk.roc_auc_score(both["label"], both["peer"]))


def test_pairs_are_compared_where_both_are(table, found):
    row = pick(found.differences, group="all", metric="auroc", score_a="llr", score_b="peer")
    both = table[table[["label", "llr", "peer"]].notna().all(axis=1)]
    expected = sk.roc_auc_score(both["label"], -both["llr"]) - sk.roc_auc_score(both["label"], both["peer"])
    assert row["difference"] == pytest.approx(expected)
    assert row["n"] == len(both)
    assert row["low"] < expected < row["high"]
    better = pick(found.differences, group="all", metric="auroc", score_a="llr", score_b="l2")
    assert better["low"] > 0
    assert better["p"] == pytest.approx(2 / 61)
    assert len(found.differences) == 3 * (3 * 6 + 1), "the sizes of both are asked of llr and peer alone"


def test_the_control_knows_nothing(found):
    for row in found.table[found.table["metric"] == "auroc_shuffled"].to_dict("records"):
        assert row["low"] < 0.5 < row["high"]
        assert row["estimate"] == pytest.approx(0.5, abs=0.05)


def test_a_score_gets_the_same_numbers_in_any_company(table, found):
    alone = evaluate_effects(table, scores=["peer"], label="label", resamples=60, seed=3).table
    same = found.table[
        (found.table["score"] == "peer") & (found.table["rows"] == "own") & (found.table["group"] == "all")
    ]
    same = same[same["metric"].isin(alone["metric"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.reset_index(drop=True), same)
    own = table[table[["label", "peer"]].notna().all(axis=1)]
    expected = bootstrap(auroc, own["label"], own["peer"], n=60, seed=3, stratify=own["label"])
    assert pick(alone, metric="auroc")[["estimate", "low", "high"]].tolist() == list(expected[:3])


def test_signs_turn_scores_and_every_score_of_ours_has_one(table):
    assert {name for name in SCORES if not name.endswith("_sd")} <= set(SIGNS)
    one = evaluate_effects(table, scores=["l2"], label="label", effect="log2", resamples=5)
    other = evaluate_effects(table, scores=["l2"], label="label", effect="log2", signs={"l2": -1}, resamples=5)
    for metric, turned in (
        ("auroc", lambda x: 1 - x),
        ("spearman_size", lambda x: -x),
        ("spearman_effect", lambda x: x),
    ):
        first, second = (pick(e.table, metric=metric)["estimate"] for e in (one, other))
        assert second == pytest.approx(turned(first))
    assert other.manifest["signs"] == {"l2": -1}


def test_asked_pairs_alone(table):
    found = evaluate_effects(table, scores=SCORED, label="label", pairs=[("peer", "l2")], resamples=5)
    assert found.differences[["score_a", "score_b"]].drop_duplicates().values.tolist() == [["peer", "l2"]]


def test_a_class_without_a_member_has_no_number_but_a_reason(table):
    odd = table.assign(label=np.where(table["kind"] == "snv", table["label"], 0.0))
    found = evaluate_effects(odd, scores=["llr", "peer"], label="label", groups=["kind"], resamples=5)
    row = pick(found.table, value="deletion", metric="auroc", score="llr", rows="own")
    assert np.isnan(row["estimate"])
    assert row["note"] == "no positive"
    assert pick(found.differences, value="deletion", metric="auprc")["note"] == "no positive"


def test_a_score_that_is_nowhere_and_infinite_ones(table):
    found = evaluate_effects(table.assign(l2=np.inf), scores=["l2", "llr"], label="label", resamples=5)
    row = pick(found.table, metric="auroc", score="l2", rows="own")
    assert (row["n"], row["missing"], row["note"]) == (0, "not_finite 290", "no row")
    plain = table.drop(columns=["reason", "reason:peer", "consequence"])
    row = pick(evaluate_effects(plain, scores=["peer"], label="label", resamples=5).table, metric="auroc")
    assert row["missing"] == "no_value 30"


def test_missing_groups_have_a_name_and_unknown_terms_no_rank(table):
    odd = table.assign(kind=table["kind"].where(table["kind"] == "snv"), consequence="x")
    found = evaluate_effects(odd, scores=["llr"], label="label", groups=["kind"], resamples=5)
    assert found.table["value"].unique().tolist() == ["all", "snv", "(none)"]
    assert not found.table["metric"].str.startswith("severity").any()


def test_progress_is_told(table):
    told = []
    found = evaluate_effects(table, scores=SCORED, label="label", resamples=3, advance=told.append)
    assert sum(told) == len(found.table) + len(found.differences)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scores": []}, "at least one"),
        ({"scores": ["llr", "llr"]}, "each once"),
        ({"scores": ["lrr"]}, "no column 'lrr'; the nearest are llr"),
        ({"label": "lable"}, "no column 'lable'; the nearest are label"),
        ({"groups": ["kin"]}, "no column 'kin'"),
        ({"groups": ["log2"]}, "column 'log2' has 300 values; one of 50 or fewer"),
        ({"signs": {"llr": 2}}, "sign llr = 2"),
        ({"signs": {"cadd": 1}}, "sign cadd = 1: 1 or -1, of one of llr, l2, peer"),
        ({"pairs": [("llr", "x")]}, "pair llr and x"),
        ({"label": "log2"}, r"300 label\(s\) in 'log2' are neither 0 nor 1"),
        ({"effect": "kind"}, "column 'kind' holds other things than numbers"),
        ({"resamples": 0}, "resamples = 0"),
    ],
)
def test_mistakes(table, options, message):
    with pytest.raises(SettingsError, match=message):
        evaluate_effects(table, **{"scores": SCORED, "label": "label", **options})


def test_nothing_known_is_an_error(table):
    with pytest.raises(SettingsError, match="nothing is known about the variants"):
        evaluate_effects(table.drop(columns="consequence"), scores=["llr"])
