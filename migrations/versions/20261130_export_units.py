"""export_units: whole photos, crops or boxes, so that one that broke off is had again as it was"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade():
    """Earlier exports that broke off are offered again as whole photos, as they were until now."""
    unit = sa.Column("unit", sa.String(16), server_default="photos", nullable=False)
    op.add_column("exports", unit)
    op.execute(
        "UPDATE exports SET unit = coalesce(json_extract(manifest, '$.unit'), CASE WHEN "
        "json_extract(manifest, '$.crops') IS NULL THEN 'photos' ELSE 'crops' END) "
        "WHERE manifest IS NOT NULL"
    )


def downgrade():
    op.drop_column("exports", "unit")
