"""Which bases matter, and why: attention, mutagenesis, attribution, motifs, projections, what is expected at a base."""

from hexamer.interpretation.attention_maps import attention_map, choose_heads, write_attention
from hexamer.interpretation.attribution import Attribution, attribute
from hexamer.interpretation.dependency import DependencyMap, dependency_map
from hexamer.interpretation.element_attention import AttentionSettings, attention_elements
from hexamer.interpretation.element_windows import embed_windows, sample_elements
from hexamer.interpretation.motifs import Motif, find_motifs, match_motifs, read_motifs
from hexamer.interpretation.mutagenesis import Mutagenesis, measure_agreement, saturation_mutagenesis
from hexamer.interpretation.one_hot import OneHotModel
from hexamer.interpretation.profiles import Profile, profile_region
from hexamer.interpretation.projection import Projection, project
from hexamer.interpretation.scores import ScoredStretch, read_scores, tabulate_scores
from hexamer.interpretation.separation import measure_separation
from hexamer.interpretation.seqlets import find_seqlets
from hexamer.interpretation.stretches import Region, Stretch, find_region, read_stretch, read_stretches
from hexamer.interpretation.tracks import write_tracks

__all__ = [
    "AttentionSettings",
    "Attribution",
    "DependencyMap",
    "Motif",
    "Mutagenesis",
    "OneHotModel",
    "Profile",
    "Projection",
    "Region",
    "ScoredStretch",
    "Stretch",
    "attention_elements",
    "attention_map",
    "attribute",
    "choose_heads",
    "dependency_map",
    "embed_windows",
    "find_motifs",
    "find_region",
    "find_seqlets",
    "match_motifs",
    "measure_agreement",
    "measure_separation",
    "profile_region",
    "project",
    "read_motifs",
    "read_scores",
    "read_stretch",
    "read_stretches",
    "sample_elements",
    "saturation_mutagenesis",
    "tabulate_scores",
    "write_attention",
    "write_tracks",
]
