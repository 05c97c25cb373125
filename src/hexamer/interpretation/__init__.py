"""Which bases matter, and why: attention, mutagenesis, and what is expected at every base."""

from hexamer.interpretation.attention_maps import attention_map, choose_heads, write_attention
from hexamer.interpretation.dependency import dependency_map
from hexamer.interpretation.element_attention import AttentionSettings, attention_elements
from hexamer.interpretation.mutagenesis import measure_agreement, saturation_mutagenesis
from hexamer.interpretation.profiles import profile_region, window_step
from hexamer.interpretation.stretches import Region, Stretch, find_region, read_stretch, read_stretches
from hexamer.interpretation.tracks import write_tracks

__all__ = [
    "AttentionSettings",
    "Region",
    "Stretch",
    "attention_elements",
    "attention_map",
    "choose_heads",
    "dependency_map",
    "find_region",
    "measure_agreement",
    "profile_region",
    "read_stretch",
    "read_stretches",
    "saturation_mutagenesis",
    "window_step",
    "write_attention",
    "write_tracks",
]
