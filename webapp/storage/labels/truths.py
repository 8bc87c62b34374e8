"""Which answer of a prediction is right for its photo, in SQL: labels may have been merged or split since it was given."""

from sqlalchemy import func, select

from webapp.storage.tables import ExpectedAnswer, Photo, Prediction

given = func.coalesce(Photo.given_label, Photo.ground_truth)
"""A photo's ground truth as it was given, whatever it reads as today: each model reads it in its own way."""

expected = (
    select(ExpectedAnswer.answer)
    .where(
        ExpectedAnswer.model == Prediction.model,
        ExpectedAnswer.version == Prediction.version,
        ExpectedAnswer.label == given,
    )
    .correlate(Photo, Prediction)
    .scalar_subquery()
)
"""The answer that is right, where that is not the ground truth itself (labels were merged or split); else NULL."""

right_answer = func.coalesce(expected, given)
"""The answer of a prediction that is right for its photo."""
