"""API keys expire, and tell when they were last used"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COLUMNS = ("expires_at", "last_used_at")


def upgrade():
    for name in COLUMNS:
        op.add_column("api_keys", sa.Column(name, sa.DateTime(), nullable=True))


def downgrade():
    for name in COLUMNS:
        op.drop_column("api_keys", name)
