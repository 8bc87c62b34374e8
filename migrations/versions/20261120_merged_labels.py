"""labels that are merged and split"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("photos", sa.Column("given_label", sa.String(length=120), nullable=True))
    op.create_table(
        "read_labels",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.Column("reads_as", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("model", "label", name=op.f("pk_read_labels")),
    )
    op.create_table(
        "expected_answers",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.Column("answer", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "label", name=op.f("pk_expected_answers")),
    )
    op.create_table(
        "original_answers",
        sa.Column("prediction_id", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(length=120), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("margin", sa.Float(), nullable=False),
        sa.Column("top", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["prediction_id"],
            ["predictions.id"],
            name=op.f("fk_original_answers_prediction_id_predictions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("pk_original_answers")),
    )
    op.create_table(
        "rereadings",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("change_id", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("after", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_rereadings")),
    )


def downgrade():
    for table in ("rereadings", "original_answers", "expected_answers", "read_labels"):
        op.drop_table(table)
    op.drop_column("photos", "given_label")
