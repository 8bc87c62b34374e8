"""suspected ground truths, and hashes in bands for nearly equal photos"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "suspicions",
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("given", sa.String(length=120), nullable=False),
        sa.Column("other", sa.String(length=120), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("other_probability", sa.Float(), nullable=False),
        sa.Column("margin", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["photo_id"],
            ["photos.id"],
            name=op.f("fk_suspicions_photo_id_photos"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("photo_id", "model", name=op.f("pk_suspicions")),
    )
    op.create_index("ix_suspicions_margin", "suspicions", ["margin", "photo_id"])
    op.create_index("ix_suspicions_model_margin", "suspicions", ["model", "margin", "photo_id"])
    op.create_table(
        "suspicion_runs",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("judged", sa.Integer(), nullable=False),
        sa.Column("learnt", sa.Integer(), nullable=False),
        sa.Column("learnt_known", sa.Boolean(), nullable=False),
        sa.Column("last_event", sa.Integer(), nullable=False),
        sa.Column("last_prediction", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_suspicion_runs")),
    )
    op.create_table(
        "photo_hashes",
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.Column("dhash", sa.BigInteger(), nullable=False),
        *(sa.Column(f"band{one}", sa.Integer(), nullable=False) for one in range(5)),
        sa.ForeignKeyConstraint(
            ["photo_id"],
            ["photos.id"],
            name=op.f("fk_photo_hashes_photo_id_photos"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("photo_id", name=op.f("pk_photo_hashes")),
    )
    # What webapp.domain.hash_bands says of single hashes, for all of them.
    bands = ", ".join(
        f"(dhash >> {13 * one}) & {0xFFF if one == 4 else 0x1FFF}" for one in range(5)
    )
    op.execute(
        "INSERT INTO photo_hashes (photo_id, dhash, band0, band1, band2, band3, band4) "
        f"SELECT id, dhash, {bands} FROM photos WHERE dhash IS NOT NULL"
    )
    for one in range(5):
        op.create_index(
            f"ix_photo_hashes_band{one}", "photo_hashes", [f"band{one}", "photo_id", "dhash"]
        )


def downgrade():
    op.drop_table("photo_hashes")
    op.drop_table("suspicion_runs")
    op.drop_table("suspicions")
