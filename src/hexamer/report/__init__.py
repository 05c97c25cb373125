"""Saying it: figures and tables of results."""

from hexamer.report.figures import check_figure_path, draw_effects, draw_evaluation
from hexamer.report.tables import check_table_path, show_differences, show_effects, show_evaluation, write_table

__all__ = [
    "check_figure_path",
    "check_table_path",
    "draw_effects",
    "draw_evaluation",
    "show_differences",
    "show_effects",
    "show_evaluation",
    "write_table",
]
