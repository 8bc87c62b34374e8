"""cars: predictions, labels, reviews and statistics belong to a car of a photo"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

STATE = (
    "ground_truth, truth_model, disputed, shown_model, shown_version, shown_label, shown_decision, "
    "shown_confidence, shown_margin, outcome"
)
CHECKED = (
    "model, version, truth, label, decision, outcome, confidence, margin, month, audited, trained, "
    "five"
)
DOUBTS = "model, given, other, probability, other_probability, margin"
AUTOINCREMENT = {"sqlite_autoincrement": True}
MAIN = "SELECT photo_id FROM cars WHERE cars.id = car_id AND position = 0"


def upgrade():
    """Each photo has one car: the whole photo, with the photo's number."""
    _create_cars()
    _create_box_events()
    op.add_column("photos", sa.Column("car_count", sa.Integer(), nullable=True))
    op.add_column("photos", sa.Column("detector_version", sa.Integer(), nullable=True))
    kept = sa.text("deleted_at IS NULL")
    op.create_index(
        "ix_photos_kept_car_count",
        "photos",
        ["car_count", "id"],
        sqlite_where=kept,
        postgresql_where=kept,
    )
    _fill_cars()
    op.add_column("predictions", sa.Column("car_id", sa.Integer(), nullable=True))
    op.execute("UPDATE predictions SET car_id = photo_id")
    with op.batch_alter_table("predictions") as batch_op:
        batch_op.alter_column("car_id", existing_type=sa.Integer(), nullable=False)
        batch_op.alter_column("photo_id", existing_type=sa.Integer(), nullable=True)
        batch_op.create_foreign_key(
            "fk_predictions_car_id_cars", "cars", ["car_id"], ["id"], ondelete="CASCADE"
        )
        batch_op.drop_constraint("uq_predictions_photo_id_model_version", type_="unique")
        batch_op.create_unique_constraint(
            "uq_predictions_car_id_model_version", ["car_id", "model", "version"]
        )
    _move_events("photo", "car")
    _create_answers("photo_id", "car_id")
    op.execute(
        f"INSERT INTO new_answers (photo_id, car_id, {CHECKED}) "
        f"SELECT photo_id, photo_id, {CHECKED} FROM checked_answers"
    )
    _replace("checked_answers", "new_answers")
    _move_doubts("car", "photo_id")
    _move_leases("car", "photo_id")
    _create_audit_table("audit_cars", "car")
    op.execute(
        "INSERT INTO audit_cars (audit_id, position, car_id) "
        "SELECT audit_id, position, photo_id FROM audit_photos"
    )
    op.drop_table("audit_photos")


def downgrade():
    """What is known of further cars of a photo is lost, and where cars are. "No car" becomes
    "unusable"."""
    for table in ("label_events", "photos"):
        columns = ("from_label", "to_label") if table == "label_events" else ("ground_truth",)
        for column in columns:
            op.execute(f"UPDATE {table} SET {column} = 'unusable' WHERE {column} = 'no-car'")
    for table in ("photos", "predictions"):
        op.execute(f"UPDATE {table} SET outcome = 'unusable' WHERE outcome = 'no-car'")
    _create_audit_table("audit_photos", "photo")
    op.execute(
        "INSERT INTO audit_photos (audit_id, position, photo_id) SELECT audit_id, "
        "audit_cars.position, photo_id FROM audit_cars JOIN cars ON cars.id = car_id "
        "WHERE cars.position = 0"
    )
    op.drop_table("audit_cars")
    _move_leases("photo", f"({MAIN})")
    _move_doubts("photo", f"({MAIN})")
    _create_answers("photo_id")
    op.execute(
        f"INSERT INTO new_answers (photo_id, {CHECKED}) SELECT photo_id, {CHECKED} "
        f"FROM checked_answers WHERE photo_id = ({MAIN})"
    )
    _replace("checked_answers", "new_answers")
    with op.batch_alter_table("label_events", table_kwargs=AUTOINCREMENT) as batch_op:
        batch_op.drop_constraint("fk_label_events_car_id_cars", type_="foreignkey")
    op.execute(f"UPDATE label_events SET car_id = ({MAIN})")
    _move_events("car", "photo")
    op.execute(
        "DELETE FROM top_labels WHERE prediction_id IN (SELECT id FROM predictions "
        "WHERE photo_id IS NULL)"
    )
    op.execute("DELETE FROM predictions WHERE photo_id IS NULL")
    with op.batch_alter_table("predictions") as batch_op:
        batch_op.drop_constraint("uq_predictions_car_id_model_version", type_="unique")
        batch_op.drop_constraint("fk_predictions_car_id_cars", type_="foreignkey")
        batch_op.drop_column("car_id")
        batch_op.alter_column("photo_id", existing_type=sa.Integer(), nullable=False)
        batch_op.create_unique_constraint(
            "uq_predictions_photo_id_model_version", ["photo_id", "model", "version"]
        )
    op.drop_index("ix_photos_kept_car_count", "photos")
    op.drop_column("photos", "detector_version")
    op.drop_column("photos", "car_count")
    op.drop_table("box_events")
    op.drop_table("cars")


def _create_cars():
    texts = {"ground_truth": 120, "truth_model": 64}
    shown = {"shown_model": 64, "shown_label": 120, "shown_decision": 120}
    op.create_table(
        "cars",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=24), nullable=False),
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("x", "y", "width", "height")),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("found_by", sa.String(length=16), nullable=False),
        sa.Column("detector_version", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        *(
            sa.Column(name, sa.String(length=length), nullable=True)
            for name, length in (texts | shown).items()
        ),
        sa.Column("disputed", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("shown_version", sa.Integer(), nullable=True),
        sa.Column("shown_confidence", sa.Float(), nullable=True),
        sa.Column("shown_margin", sa.Float(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["photo_id"], ["photos.id"], name=op.f("fk_cars_photo_id_photos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cars")),
        sa.UniqueConstraint("photo_id", "position", name=op.f("uq_cars_photo_id_position")),
        sa.UniqueConstraint("public_id", name=op.f("uq_cars_public_id")),
        sqlite_autoincrement=True,
    )


def _fill_cars():
    """Car ids are random, as nobody shall guess them. The indexes follow the rows."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    random = "lower(hex(randomblob(9)))"
    if not sqlite:
        random = "substr(replace(gen_random_uuid()::text, '-', ''), 1, 18)"
    op.execute(
        f"INSERT INTO cars (id, public_id, photo_id, position, x, y, width, height, found_by, "
        f"created_at, {STATE}) SELECT id, {random}, id, 0, 0, 0, 1, 1, 'whole', created_at, "
        f"{STATE} FROM photos ORDER BY id"
    )
    if not sqlite:
        op.execute(
            "SELECT setval(pg_get_serial_sequence('cars', 'id'), max(id)) FROM cars "
            "HAVING max(id) IS NOT NULL"
        )
    for name in ("confidence", "margin"):
        column = f"shown_{name}"
        op.create_index(f"ix_cars_outcome_{column}", "cars", ["outcome", column, "id"])
    labelled = sa.text("ground_truth IS NOT NULL")
    op.create_index(
        "ix_cars_ground_truth",
        "cars",
        ["ground_truth", "shown_confidence", "id"],
        sqlite_where=labelled,
        postgresql_where=labelled,
    )
    op.create_index(
        "ix_cars_disputed",
        "cars",
        ["disputed", "id"],
        sqlite_where=sa.text("disputed = 1"),
        postgresql_where=sa.text("disputed"),
    )


def _create_box_events():
    op.create_table(
        "box_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("car_id", sa.Integer(), nullable=True),
        sa.Column("photo_ref", sa.String(length=24), nullable=False),
        sa.Column("from_box", sa.JSON(), nullable=True),
        sa.Column("to_box", sa.JSON(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.Column("why", sa.String(length=500), nullable=False),
        sa.Column("place", sa.String(length=16), nullable=False),
        sa.Column("batch", sa.String(length=24), nullable=False),
        sa.Column("undoes", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["car_id"], ["cars.id"], name=op.f("fk_box_events_car_id_cars"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["undoes"], ["box_events.id"], name=op.f("fk_box_events_undoes_box_events")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_box_events_user_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_box_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_box_events_car", "box_events", ["car_id", "id"])
    op.create_index("ix_box_events_batch", "box_events", ["batch"])
    op.create_index("ix_box_events_undoes", "box_events", ["undoes"])


def _move_events(before, after):
    """Label events refer to `after` where they referred to `before`; the numbers are the same."""
    op.drop_index(f"ix_label_events_{before}", "label_events")
    op.drop_index("ix_label_events_audited", "label_events")
    op.execute(f"ALTER TABLE label_events RENAME COLUMN {before}_id TO {after}_id")
    with op.batch_alter_table("label_events", table_kwargs=AUTOINCREMENT) as batch_op:
        if before == "photo":
            batch_op.drop_constraint("fk_label_events_photo_id_photos", type_="foreignkey")
        batch_op.create_foreign_key(
            f"fk_label_events_{after}_id_{after}s",
            f"{after}s",
            [f"{after}_id"],
            ["id"],
            ondelete="SET NULL",
        )
    op.create_index(f"ix_label_events_{after}", "label_events", [f"{after}_id", "id"])
    audited = sa.text("place = 'audit'")
    op.create_index(
        "ix_label_events_audited",
        "label_events",
        [f"{after}_id"],
        sqlite_where=audited,
        postgresql_where=audited,
    )


def _create_answers(*keys):
    names = ("truth", "label", "decision")
    op.create_table(
        "new_answers",
        *(sa.Column(name, sa.Integer(), nullable=False) for name in keys),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.String(length=120), nullable=False) for name in names),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("confidence", "margin")),
        sa.Column("month", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in ("audited", "trained", "five")),
        sa.ForeignKeyConstraint(
            ["photo_id"],
            ["photos.id"],
            name=op.f("fk_checked_answers_photo_id_photos"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(*keys, "model", "version", name=op.f("pk_new_answers")),
        sqlite_with_rowid=False,
    )


def _replace(table, new):
    op.drop_table(table)
    op.rename_table(new, table)
    if op.get_bind().dialect.name != "sqlite":
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT pk_{new} TO pk_{table}")


def _move_doubts(after, number):
    op.create_table(
        "new_suspicions",
        sa.Column(f"{after}_id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        *(sa.Column(name, sa.String(length=120), nullable=False) for name in ("given", "other")),
        *(
            sa.Column(name, sa.Float(), nullable=False)
            for name in ("probability", "other_probability", "margin")
        ),
        sa.ForeignKeyConstraint(
            [f"{after}_id"],
            [f"{after}s.id"],
            name=op.f(f"fk_suspicions_{after}_id_{after}s"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(f"{after}_id", "model", name=op.f("pk_new_suspicions")),
    )
    _copy("suspicions", after, number, DOUBTS)
    _replace("suspicions", "new_suspicions")
    op.create_index("ix_suspicions_margin", "suspicions", ["margin", f"{after}_id"])
    op.create_index("ix_suspicions_model_margin", "suspicions", ["model", "margin", f"{after}_id"])


def _move_leases(after, number):
    op.create_table(
        "new_review_leases",
        sa.Column(f"{after}_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("queue", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("until", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            [f"{after}_id"],
            [f"{after}s.id"],
            name=op.f(f"fk_review_leases_{after}_id_{after}s"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_review_leases_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(f"{after}_id", name=op.f("pk_new_review_leases")),
    )
    _copy("review_leases", after, number, "user_id, queue, position, until")
    _replace("review_leases", "new_review_leases")
    op.create_index("ix_review_leases_user", "review_leases", ["user_id", "position"])


def _copy(table, after, number, columns):
    """The rows of a table with another number: `number` in SQL, left out where it is NULL."""
    op.execute(
        f"INSERT INTO new_{table} ({after}_id, {columns}) SELECT {number}, {columns} "
        f"FROM {table} WHERE {number} IS NOT NULL"
    )


def _create_audit_table(name, kind):
    op.create_table(
        name,
        sa.Column("audit_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(f"{kind}_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["audit_id"],
            ["audits.id"],
            name=op.f(f"fk_{name}_audit_id_audits"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            [f"{kind}_id"],
            [f"{kind}s.id"],
            name=op.f(f"fk_{name}_{kind}_id_{kind}s"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("audit_id", "position", name=op.f(f"pk_{name}")),
    )
    op.create_index(f"ix_{name}_{kind}", name, [f"{kind}_id"])
