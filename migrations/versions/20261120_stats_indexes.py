"""indexes for the stats: the answers that were checked, the photos that were drawn at random"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


COLUMNS = ["model", "version", "photo_id", "outcome", "label", "decision", "confidence"]


def upgrade():
    checked, audited = (
        sa.text("outcome IN ('correct', 'wrong', 'unclassified')"),
        sa.text("place = 'audit'"),
    )
    op.create_index(
        "ix_predictions_checked",
        "predictions",
        COLUMNS,
        sqlite_where=checked,
        postgresql_where=checked,
    )
    op.create_index(
        "ix_label_events_audited",
        "label_events",
        ["photo_id"],
        sqlite_where=audited,
        postgresql_where=audited,
    )


def downgrade():
    op.drop_index("ix_label_events_audited", "label_events")
    op.drop_index("ix_predictions_checked", "predictions")
