"""indexes for the stats: what was checked, what each version said about it, what was drawn at random"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade():
    checked, audited = sa.text("ground_truth IS NOT NULL AND deleted_at IS NULL"), sa.text("place = 'audit'")
    with op.batch_alter_table("photos", schema=None) as batch_op:
        batch_op.create_index(
            "ix_photos_checked",
            ["id", "ground_truth", "truth_model", "created_at", "deleted_at"],
            unique=False,
            sqlite_where=checked,
            postgresql_where=checked,
        )
    with op.batch_alter_table("predictions", schema=None) as batch_op:
        batch_op.create_index("ix_predictions_said", ["photo_id", "model", "version", "label", "decision", "confidence"], unique=False)
    with op.batch_alter_table("label_events", schema=None) as batch_op:
        batch_op.create_index("ix_label_events_audited", ["photo_id"], unique=False, sqlite_where=audited, postgresql_where=audited)


def downgrade():
    with op.batch_alter_table("label_events", schema=None) as batch_op:
        batch_op.drop_index("ix_label_events_audited")
    with op.batch_alter_table("predictions", schema=None) as batch_op:
        batch_op.drop_index("ix_predictions_said")
    with op.batch_alter_table("photos", schema=None) as batch_op:
        batch_op.drop_index("ix_photos_checked")
