"""a gallery for very many photos: what it filters and sorts by stands on the photo, with an index
for each"""

import io
import json

import numpy as np
import sqlalchemy as sa
from alembic import op
from PIL import Image

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEPT = (
    ("outcome",),
    ("shown_label",),
    ("shown_decision",),
    ("ground_truth",),
    ("uploader_id",),
    ("source",),
    ("batch",),
    ("starred",),
    ("has_duplicate",),
    ("created_at",),
    ("shown_confidence",),
    ("shown_margin",),
    ("outcome", "shown_confidence"),
    ("outcome", "shown_margin"),
)
ONLY_WHERE_SET = ("deleted_at", "deleted_batch", "starred_batch")
BY_MODEL = ((), ("confidence",), ("margin",), ("label",), ("outcome", "confidence"))
COLUMNS = (
    "shown_model",
    "shown_version",
    "shown_label",
    "shown_decision",
    "shown_confidence",
    "shown_margin",
    "outcome",
    "source",
    "batch",
    "dhash",
    "has_duplicate",
    "starred",
    "starred_batch",
    "deleted_at",
    "deleted_by",
    "deleted_batch",
)
OUTCOME = """
CASE WHEN photos.ground_truth IS NULL THEN 'unlabelled'
     WHEN photos.ground_truth = 'unusable' THEN 'unusable'
     WHEN photos.ground_truth = 'none' AND photos.truth_model <> predictions.model THEN 'unlabelled'
     WHEN photos.ground_truth = 'none' AND predictions.decision = 'unclassified' THEN 'correct'
     WHEN predictions.decision = photos.ground_truth THEN 'correct'
     WHEN photos.ground_truth <> 'none' AND NOT EXISTS (
         SELECT 1 FROM known_labels WHERE known_labels.model = predictions.model
         AND known_labels.version = predictions.version
         AND known_labels.label = photos.ground_truth) THEN 'unlabelled'
     WHEN predictions.decision = 'unclassified' THEN 'unclassified'
     ELSE 'wrong' END
"""


def upgrade():
    connection = op.get_bind()
    for name, kind in (
        ("shown_model", sa.String(64)),
        ("shown_version", sa.Integer()),
        ("shown_label", sa.String(120)),
        ("shown_decision", sa.String(120)),
        ("shown_confidence", sa.Float()),
        ("shown_margin", sa.Float()),
        ("batch", sa.String(24)),
        ("dhash", sa.BigInteger()),
        ("starred_batch", sa.String(24)),
        ("deleted_at", sa.DateTime()),
        ("deleted_by", sa.String(80)),
        ("deleted_batch", sa.String(24)),
    ):
        op.add_column("photos", sa.Column(name, kind, nullable=True))
    op.add_column(
        "photos", sa.Column("outcome", sa.String(16), nullable=False, server_default="unlabelled")
    )
    op.add_column("photos", sa.Column("source", sa.String(16), nullable=False, server_default=""))
    op.add_column(
        "photos",
        sa.Column("has_duplicate", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "photos", sa.Column("starred", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column(
        "predictions",
        sa.Column("outcome", sa.String(16), nullable=False, server_default="unlabelled"),
    )

    op.execute(
        f"UPDATE predictions SET outcome = (SELECT {OUTCOME} FROM photos WHERE photos.id = "
        "predictions.photo_id)"
    )  # noqa: RUF100, S608
    op.execute(
        "UPDATE photos SET outcome = CASE ground_truth WHEN 'unusable' THEN 'unusable' ELSE "
        "'unclassified' END "
        "WHERE ground_truth IS NOT NULL"
    )
    op.execute(
        "UPDATE photos SET shown_model = said.model, shown_version = said.version, shown_label = "
        "said.label, "
        "shown_decision = said.decision, shown_confidence = said.confidence, shown_margin = "
        "said.margin, outcome = said.outcome "
        "FROM predictions AS said WHERE said.photo_id = photos.id AND said.shown"
    )
    fill_batches(connection)
    fill_hashes(connection)

    for name in ("confidence", "label", "decision"):
        op.drop_index(f"ix_predictions_shown_{name}", "predictions")
    op.drop_index("ix_predictions_model_confidence", "predictions")
    op.drop_index("ix_photos_ground_truth", "photos")
    for columns in KEPT:
        create_partial_index(
            f"ix_photos_kept_{'_'.join(columns)}", "photos", [*columns, "id"], "deleted_at IS NULL"
        )
    for name in ONLY_WHERE_SET:
        create_partial_index(f"ix_photos_{name}", "photos", [name], f"{name} IS NOT NULL")
    op.create_index("ix_photos_dhash", "photos", ["dhash"])
    current = "current = 1" if connection.dialect.name == "sqlite" else "current"
    for columns in BY_MODEL:
        name = "_".join(columns) or "photo"
        create_partial_index(
            f"ix_predictions_current_{name}",
            "predictions",
            ["model", *columns, "photo_id"],
            current,
        )
        op.create_index(
            f"ix_predictions_version_{name}",
            "predictions",
            ["model", "version", *columns, "photo_id"],
        )
    op.create_index("ix_label_events_undoes", "label_events", ["undoes"])
    if connection.dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE photo_names USING fts5(filename, content='', tokenize='trigram')"
        )
        op.execute(
            "INSERT INTO photo_names (rowid, filename) SELECT id, filename FROM photos ORDER BY id"
        )


def create_partial_index(name, table, columns, where):
    op.create_index(
        name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )


def fill_batches(connection):
    """The photos that a form with several files brought are a batch, under the name of the form's
    page."""
    for name, results in connection.execute(
        sa.text("SELECT public_id, results FROM uploads ORDER BY id")
    ).all():
        lines = json.loads(results) if isinstance(results, str) else results
        photos = [line["photo"] for line in lines if line["photo"] and not line["duplicate"]]
        for photo in photos if len(lines) > 1 else []:
            parameters = {"batch": name, "photo": photo}
            connection.execute(
                sa.text(
                    "UPDATE photos SET batch = :batch WHERE public_id = :photo AND batch IS NULL"
                ),
                parameters,
            )


def fill_hashes(connection):
    """Difference hashes from the thumbnails, a few hundred at a time."""
    last = 0
    question = sa.text(
        "SELECT photo_id, content FROM thumbnails WHERE photo_id > :last ORDER BY photo_id LIMIT "
        "500"
    )
    while rows := connection.execute(question, {"last": last}).all():
        hashes = [{"photo": photo, "dhash": difference_hash(content)} for photo, content in rows]
        connection.execute(sa.text("UPDATE photos SET dhash = :dhash WHERE id = :photo"), hashes)
        last = rows[-1][0]
    op.execute(
        "UPDATE photos SET has_duplicate = TRUE WHERE dhash IN (SELECT dhash FROM photos WHERE "
        "dhash IS NOT NULL GROUP BY dhash "
        "HAVING count(*) > 1)"
    )


def difference_hash(thumbnail):
    """As `webapp.inference.decoding.images.thumbnail_hash` was then; None when the thumbnail cannot
    be read."""
    try:
        with Image.open(io.BytesIO(thumbnail)) as image:
            image.draft("L", (72, 64))
            grey = np.asarray(
                image.convert("L").resize((9, 8), Image.Resampling.BILINEAR, reducing_gap=3.0),
                dtype=np.int16,
            )
    except OSError:
        return None
    return (
        int.from_bytes(np.packbits(grey[:, :-1] < grey[:, 1:]).tobytes(), "big", signed=True)
        or None
    )


def downgrade():
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE photo_names")
    op.drop_index("ix_label_events_undoes", "label_events")
    for columns in BY_MODEL:
        name = "_".join(columns) or "photo"
        op.drop_index(f"ix_predictions_current_{name}", "predictions")
        op.drop_index(f"ix_predictions_version_{name}", "predictions")
    op.drop_index("ix_photos_dhash", "photos")
    for name in ONLY_WHERE_SET:
        op.drop_index(f"ix_photos_{name}", "photos")
    for columns in KEPT:
        op.drop_index(f"ix_photos_kept_{'_'.join(columns)}", "photos")
    op.execute("DELETE FROM photos WHERE deleted_at IS NOT NULL")
    with op.batch_alter_table("predictions", schema=None) as batch_op:
        batch_op.drop_column("outcome")
    with op.batch_alter_table("photos", schema=None) as batch_op:
        for name in COLUMNS:
            batch_op.drop_column(name)
    op.create_index("ix_photos_ground_truth", "photos", ["ground_truth"])
    op.create_index(
        "ix_predictions_model_confidence",
        "predictions",
        ["model", "current", "confidence", "photo_id"],
    )
    for name in ("confidence", "label", "decision"):
        op.create_index(f"ix_predictions_shown_{name}", "predictions", ["shown", name, "photo_id"])
