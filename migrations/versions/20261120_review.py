"""the review: photos on a reviewer's desk, audits, and photos that people disagree about"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "review_leases",
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("queue", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("until", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["photo_id"],
            ["photos.id"],
            name=op.f("fk_review_leases_photo_id_photos"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_review_leases_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("photo_id", name=op.f("pk_review_leases")),
    )
    op.create_table(
        "audits",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_audits_user_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audits")),
    )
    op.create_table(
        "audit_photos",
        sa.Column("audit_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["audit_id"],
            ["audits.id"],
            name=op.f("fk_audit_photos_audit_id_audits"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["photo_id"],
            ["photos.id"],
            name=op.f("fk_audit_photos_photo_id_photos"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("audit_id", "position", name=op.f("pk_audit_photos")),
    )
    op.create_index("ix_review_leases_user", "review_leases", ["user_id", "position"], unique=False)
    op.create_index("ix_audit_photos_photo", "audit_photos", ["photo_id"], unique=False)
    op.create_index("ix_label_events_who", "label_events", ["who", "id"], unique=False)
    op.add_column(
        "photos", sa.Column("disputed", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_index(
        "ix_photos_disputed",
        "photos",
        ["disputed", "id"],
        unique=False,
        sqlite_where=sa.text("disputed = 1"),
        postgresql_where=sa.text("disputed"),
    )

    # What webapp.storage.labels.events.refresh_disputed says of single photos, for all of them.
    op.execute(
        "UPDATE photos SET disputed = TRUE WHERE id IN (SELECT said.photo_id FROM (SELECT "
        "event.photo_id, event.to_label, event.to_model, "
        "row_number() OVER (PARTITION BY event.photo_id, event.user_id ORDER BY event.id DESC) AS "
        "nth FROM label_events AS event "
        "WHERE event.photo_id IS NOT NULL AND event.user_id IS NOT NULL AND event.to_label IS NOT "
        "NULL AND event.undoes IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM label_events AS later WHERE later.undoes = event.id)) AS "
        "said "
        "JOIN photos AS photo ON photo.id = said.photo_id "
        "WHERE said.nth = 1 AND coalesce(said.to_model, '') = coalesce(photo.truth_model, '') "
        "GROUP BY said.photo_id "
        "HAVING sum(CASE WHEN said.to_label <> photo.ground_truth THEN 1 ELSE 0 END) > 0 "
        "AND sum(CASE WHEN said.to_label = photo.ground_truth THEN 1 ELSE 0 END) = 1)"
    )


def downgrade():
    op.drop_index("ix_photos_disputed", table_name="photos")
    with op.batch_alter_table("photos", schema=None) as batch_op:
        batch_op.drop_column("disputed")
    op.drop_index("ix_label_events_who", table_name="label_events")
    op.drop_table("audit_photos")
    op.drop_table("audits")
    op.drop_table("review_leases")
