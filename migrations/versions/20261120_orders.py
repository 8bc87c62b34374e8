"""the gallery's orders within one label have an index too"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEPT = (
    ("shown_label", "shown_confidence"),
    ("shown_label", "shown_margin"),
    ("shown_decision", "shown_confidence"),
    ("shown_decision", "shown_margin"),
    ("ground_truth", "shown_confidence"),
)


def upgrade():
    kept = sa.text("deleted_at IS NULL")
    for columns in KEPT:
        name = f"ix_photos_kept_{'_'.join(columns)}"
        op.create_index(name, "photos", [*columns, "id"], sqlite_where=kept, postgresql_where=kept)


def downgrade():
    for columns in KEPT:
        op.drop_index(f"ix_photos_kept_{'_'.join(columns)}", "photos")
