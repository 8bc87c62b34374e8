"""box_events: what the detector said of a box before a person moved it, so that undo restores it"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade():
    """Empty for moves that were made before: their undo leaves the box a person's."""
    op.add_column("box_events", sa.Column("from_score", sa.Float(), nullable=True))
    op.add_column("box_events", sa.Column("from_version", sa.Integer(), nullable=True))


def downgrade():
    op.drop_column("box_events", "from_version")
    op.drop_column("box_events", "from_score")
