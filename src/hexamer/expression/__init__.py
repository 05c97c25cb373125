"""What this person would express: cohorts, models of genotypes and of sequences, and how well they predict."""

from hexamer.expression.cohort import Expression, match_people
from hexamer.expression.features import FeatureSettings
from hexamer.expression.fitted import ExpressionModel, load_expression_model
from hexamer.expression.personal import fit_expression, predict_expression
from hexamer.expression.predictdb import write_predictdb
from hexamer.expression.run import StudyRun, evaluate_expression
from hexamer.expression.study import Study, StudySettings
from hexamer.expression.tables import read_expression, read_groups, read_predictions
from hexamer.expression.transformer_head import HeadSettings

__all__ = [
    "Expression",
    "ExpressionModel",
    "FeatureSettings",
    "HeadSettings",
    "Study",
    "StudyRun",
    "StudySettings",
    "evaluate_expression",
    "fit_expression",
    "load_expression_model",
    "match_people",
    "predict_expression",
    "read_expression",
    "read_groups",
    "read_predictions",
    "write_predictdb",
]
