"""Saying it: figures and tables of results, and one page of them."""

from hexamer.report.attribution import draw_attribution
from hexamer.report.benchmarks import draw_benchmark, draw_curves, draw_layers
from hexamer.report.corpora import explain_corpus, show_corpus
from hexamer.report.distributions import draw_by_frequency, draw_distributions
from hexamer.report.expression import draw_expression
from hexamer.report.figures import check_figure_path, draw_effects, draw_evaluation, draw_training
from hexamer.report.interpretation import (
    draw_attention,
    draw_attention_elements,
    draw_attention_maps,
    draw_dependency,
    draw_letters,
)
from hexamer.report.mutagenesis import draw_mutagenesis
from hexamer.report.page import Report, write_report
from hexamer.report.projections import draw_projection, show_separation
from hexamer.report.tables import (
    check_table_path,
    explain_evaluation,
    show_differences,
    show_effects,
    show_evaluation,
    write_table,
)

__all__ = [
    "Report",
    "check_figure_path",
    "check_table_path",
    "draw_attention",
    "draw_attention_elements",
    "draw_attention_maps",
    "draw_attribution",
    "draw_benchmark",
    "draw_by_frequency",
    "draw_curves",
    "draw_dependency",
    "draw_distributions",
    "draw_effects",
    "draw_evaluation",
    "draw_expression",
    "draw_layers",
    "draw_letters",
    "draw_mutagenesis",
    "draw_projection",
    "draw_training",
    "explain_corpus",
    "explain_evaluation",
    "show_corpus",
    "show_differences",
    "show_effects",
    "show_evaluation",
    "show_separation",
    "write_report",
    "write_table",
]
