"""Every figure of the report in one place: plain functions of data that return a matplotlib Axes.

Each draws on `ax` when it is given, and on a Figure of its own when it is not
(`axes.figure.savefig("roc.png")`).

>>> from coterie.report.figures import confusion_matrix
>>> confusion_matrix([[8, 2], [1, 9]], ["healthy", "ill"]).get_xlabel()
'predicted'
"""

from coterie.report.augmented import augmented
from coterie.report.candidates import batch_scores, fold_scores, hyperparameter_scores, score_intervals
from coterie.report.classification import (
    calibration_curve,
    confusion_matrix,
    precision_recall_curve,
    roc_curve,
    threshold_curve,
)
from coterie.report.curves import learning_curves, winner_curves
from coterie.report.over_training import game_curves, growth_clouds, return_curve
from coterie.report.planes import clouds, code_plane
from coterie.report.rates import range_curves
from coterie.report.regression import predicted_against_true, residuals
from coterie.report.response import decision_regions, fitted_curve, permutation_importance
from coterie.report.sequences import attention_map, forecast_lines
from coterie.report.transfer import transfer_curves

__all__ = [
    "attention_map",
    "augmented",
    "batch_scores",
    "calibration_curve",
    "clouds",
    "code_plane",
    "confusion_matrix",
    "decision_regions",
    "fitted_curve",
    "fold_scores",
    "forecast_lines",
    "game_curves",
    "growth_clouds",
    "hyperparameter_scores",
    "learning_curves",
    "permutation_importance",
    "precision_recall_curve",
    "predicted_against_true",
    "range_curves",
    "residuals",
    "return_curve",
    "roc_curve",
    "score_intervals",
    "threshold_curve",
    "transfer_curves",
    "winner_curves",
]
