"""merges of labels as label events and a map of canonical labels"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

EDIT = "id, model, label, kind, value, why, user_id, who, batch, undoes, created_at"
STANDING = (
    "SELECT id, model, label, value, why, user_id, who, batch, created_at FROM {table} AS merge "
    "WHERE kind = 'merged' AND undoes IS NULL AND value IS NOT NULL "
    "AND NOT EXISTS (SELECT 1 FROM {table} AS later WHERE later.undoes = merge.id) ORDER BY id"
)


def upgrade():
    _create_edits("label_edits")
    op.execute(f"INSERT INTO label_edits ({EDIT}) SELECT {EDIT} FROM label_changes ORDER BY id")
    op.create_table(
        "canonical_labels",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.Column("canonical", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "label", name=op.f("pk_canonical_labels")),
    )
    op.execute(
        "INSERT INTO canonical_labels (model, version, label, canonical) "
        "SELECT model, 0, label, reads_as FROM read_labels "
        "UNION ALL SELECT model, version, label, answer FROM expected_answers"
    )
    _write_events()
    for table in ("rereadings", "original_answers", "expected_answers", "read_labels"):
        op.drop_table(table)
    op.drop_table("label_changes")
    op.drop_column("photos", "given_label")


def downgrade():
    """What predictions said before labels were merged is not written down again: the merges of
    before cannot be undone in an earlier release."""
    op.add_column("photos", sa.Column("given_label", sa.String(length=120), nullable=True))
    _remove_events()
    _create_edits("label_changes")
    op.execute(f"INSERT INTO label_changes ({EDIT}) SELECT {EDIT} FROM label_edits ORDER BY id")
    op.drop_table("label_edits")
    _create_earlier_tables()
    op.execute(
        "INSERT INTO read_labels (model, label, reads_as) "
        "SELECT model, label, canonical FROM canonical_labels WHERE version = 0"
    )
    op.execute(
        "INSERT INTO expected_answers (model, version, label, answer) "
        "SELECT model, version, label, canonical FROM canonical_labels WHERE version > 0"
    )
    op.drop_table("canonical_labels")


def _create_edits(name):
    op.create_table(
        name,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=4000), nullable=True),
        sa.Column("why", sa.String(length=500), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.Column("batch", sa.String(length=24), nullable=False),
        sa.Column("undoes", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["undoes"], [f"{name}.id"], name=op.f(f"fk_{name}_undoes_{name}")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f(f"fk_{name}_user_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{name}_label", name, ["model", "label", "id"])


def _write_events():
    """An event for each step of a merge that a photo's label went through since it was given."""
    connection = op.get_bind()
    events = sa.text(
        "INSERT INTO label_events (photo_id, photo_ref, from_label, to_label, from_model, to_model,"
        " user_id, who, why, place, batch, undoes, created_at) "
        "SELECT id, public_id, given_label, :value, truth_model, truth_model, :user_id, :who, :why,"
        " 'merge', :batch, NULL, :created_at FROM photos "
        "WHERE given_label = :label AND truth_model = :model ORDER BY id"
    )
    step = sa.text(
        "UPDATE photos SET given_label = :value WHERE given_label = :label AND truth_model = :model"
    )
    for merge in (
        connection.execute(sa.text(STANDING.format(table="label_changes"))).mappings().all()
    ):
        values = dict(merge)
        connection.execute(events, {name: values[name] for name in values if name != "id"})
        connection.execute(step, {name: values[name] for name in ("value", "label", "model")})


def _remove_events():
    """The other way round: photos keep the label from before a merge beside the new one."""
    connection = op.get_bind()
    step = sa.text(
        "UPDATE photos SET given_label = :label WHERE truth_model = :model "
        "AND coalesce(given_label, ground_truth) = :value AND id IN (SELECT photo_id "
        "FROM label_events WHERE batch = :batch AND place = 'merge' AND photo_id IS NOT NULL)"
    )
    remove = sa.text(
        "DELETE FROM label_events WHERE batch = :batch AND place = 'merge' "
        "AND id NOT IN (SELECT undoes FROM label_events WHERE undoes IS NOT NULL)"
    )
    rows = connection.execute(sa.text(STANDING.format(table="label_edits"))).mappings().all()
    for merge in reversed(rows):
        names = ("label", "model", "value", "batch")
        connection.execute(step, {name: merge[name] for name in names})
        connection.execute(remove, {"batch": merge["batch"]})


def _create_earlier_tables():
    op.create_table(
        "read_labels",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.Column("reads_as", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("model", "label", name=op.f("pk_read_labels")),
    )
    op.create_table(
        "expected_answers",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.Column("answer", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "label", name=op.f("pk_expected_answers")),
    )
    op.create_table(
        "original_answers",
        sa.Column("prediction_id", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(length=120), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("margin", sa.Float(), nullable=False),
        sa.Column("top", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["prediction_id"],
            ["predictions.id"],
            name=op.f("fk_original_answers_prediction_id_predictions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("pk_original_answers")),
    )
    op.create_table(
        "rereadings",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("change_id", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("after", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_rereadings")),
    )
