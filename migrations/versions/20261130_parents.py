"""known_labels: the parent that each label was published with, for answers that are a parent"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade():
    """Those of versions that answered before are filled from their cards when these are read."""
    op.add_column("known_labels", sa.Column("parent", sa.String(120), nullable=True))


def downgrade():
    op.drop_column("known_labels", "parent")
