"""Saying it: figures and tables of results."""

from hexamer.report.figures import check_figure_path, draw_evaluation
from hexamer.report.tables import check_table_path, show_evaluation, write_table

__all__ = ["check_figure_path", "check_table_path", "draw_evaluation", "show_evaluation", "write_table"]
