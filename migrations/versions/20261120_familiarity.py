"""predictions remember how familiar the photo looked"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade():

    op.add_column("predictions", sa.Column("familiarity", sa.Float(), nullable=True))


def downgrade():

    op.drop_column("predictions", "familiarity")
