"""several models may look at a photo"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade():

    op.create_table(
        "known_labels",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "label", name=op.f("pk_known_labels")),
    )
    op.add_column("photos", sa.Column("truth_model", sa.String(length=64), nullable=True))
    op.add_column("label_events", sa.Column("from_model", sa.String(length=64), nullable=True))
    op.add_column("label_events", sa.Column("to_model", sa.String(length=64), nullable=True))
    op.add_column(
        "predictions", sa.Column("current", sa.Boolean(), nullable=False, server_default=sa.false())
    )

    # Until now each photo was looked at by one model, and every label came from its label set.
    op.execute(
        "UPDATE predictions SET current = TRUE WHERE shown OR (id = (SELECT max(newer.id) FROM "
        "predictions AS newer "
        "WHERE newer.photo_id = predictions.photo_id AND newer.model = predictions.model) AND NOT "
        "EXISTS (SELECT 1 FROM predictions "
        "AS other WHERE other.photo_id = predictions.photo_id AND other.model = predictions.model "
        "AND other.shown))"
    )
    op.execute(
        "UPDATE photos SET truth_model = (SELECT model FROM predictions WHERE "
        "predictions.photo_id = photos.id AND predictions.shown) "
        "WHERE ground_truth IS NOT NULL"
    )
    op.execute(
        "UPDATE label_events SET "
        "to_model = CASE WHEN to_label IS NULL THEN NULL ELSE photo.truth_model END, "
        "from_model = CASE WHEN from_label IS NULL THEN NULL ELSE photo.truth_model END "
        "FROM (SELECT predictions.photo_id AS id, predictions.model AS truth_model FROM "
        "predictions WHERE predictions.shown) AS photo "
        "WHERE photo.id = label_events.photo_id"
    )
    op.execute(
        "INSERT INTO known_labels (model, version, label) "
        "SELECT predictions.model, predictions.version, top_labels.label FROM predictions "
        "JOIN top_labels ON top_labels.prediction_id = predictions.id "
        "UNION SELECT predictions.model, predictions.version, photos.ground_truth FROM predictions "
        "JOIN photos ON photos.id = predictions.photo_id WHERE photos.ground_truth NOT IN "
        "('none', 'unusable')"
    )
    with op.batch_alter_table("predictions", schema=None) as batch_op:
        batch_op.create_index("ix_predictions_photo_shown", ["photo_id", "shown"], unique=False)
        batch_op.create_index(
            "ix_predictions_model_confidence",
            ["model", "current", "confidence", "photo_id"],
            unique=False,
        )


def downgrade():

    with op.batch_alter_table("predictions", schema=None) as batch_op:
        batch_op.drop_index("ix_predictions_model_confidence")
        batch_op.drop_index("ix_predictions_photo_shown")
        batch_op.drop_column("current")
    with op.batch_alter_table("label_events", schema=None) as batch_op:
        batch_op.drop_column("to_model")
        batch_op.drop_column("from_model")
    with op.batch_alter_table("photos", schema=None) as batch_op:
        batch_op.drop_column("truth_model")
    op.drop_table("known_labels")
