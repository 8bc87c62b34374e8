"""sums of what the stats count, kept with each change; what versions have learnt from"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

CHECKED = ("correct", "wrong", "unclassified")
COLUMNS = ["model", "version", "photo_id", "outcome", "label", "decision", "confidence"]
NAMES = (
    "photo_id",
    "model",
    "version",
    "truth",
    "label",
    "decision",
    "outcome",
    "confidence",
    "margin",
)
FLAGS = ("audited", "learnt", "five")


def upgrade():
    answers = op.create_table(
        "checked_answers",
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.String(length=120), nullable=False)
            for name in ("truth", "label", "decision")
        ),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("confidence", "margin")),
        sa.Column("month", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in FLAGS),
        sa.ForeignKeyConstraint(
            ["photo_id"],
            ["photos.id"],
            name=op.f("fk_checked_answers_photo_id_photos"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("photo_id", "model", "version", name=op.f("pk_checked_answers")),
        sqlite_with_rowid=False,
    )
    sums = [
        _sums(
            "tally_pairs",
            [
                sa.Column(name, sa.String(length=120), nullable=False)
                for name in ("truth", "label", "decision")
            ],
            ["five"],
        ),
        _sums(
            "tally_bands",
            [_whole("percent"), sa.Column("known", sa.Boolean(), nullable=False)],
            ["first", "billionths"],
        ),
        _sums("tally_months", [_whole("month")], ["right"]),
    ]
    op.create_table(
        "learnt_files",
        *_version(),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "sha256", name=op.f("pk_learnt_files")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "learnt_lists",
        *_version(),
        _whole("files"),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_learnt_lists")),
    )
    _fill(answers, sums)
    op.drop_index("ix_predictions_checked", "predictions")


def downgrade():
    checked = sa.text("outcome IN ('correct', 'wrong', 'unclassified')")
    op.create_index(
        "ix_predictions_checked",
        "predictions",
        COLUMNS,
        sqlite_where=checked,
        postgresql_where=checked,
    )
    for name in (
        "learnt_lists",
        "learnt_files",
        "tally_months",
        "tally_bands",
        "tally_pairs",
        "checked_answers",
    ):
        op.drop_table(name)


def _version():
    return sa.Column("model", sa.String(length=64), nullable=False), _whole("version")


def _whole(name):
    return sa.Column(
        name, sa.BigInteger() if name == "billionths" else sa.Integer(), nullable=False
    )


def _sums(table, keys, counted):
    common = [
        *_version(),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in ("audited", "learnt")),
    ]
    names = ["model", "version", "audited", "learnt", *(column.name for column in keys)]
    numbers = [_whole(name) for name in ("n", *counted)]
    return op.create_table(
        table, *common, *keys, *numbers, sa.PrimaryKeyConstraint(*names, name=op.f(f"pk_{table}"))
    )


def _fill(answers, sums):
    """The answers to checked photos as they are now, and their sums."""
    photos = sa.table(
        "photos", *map(sa.column, ("id", "ground_truth", "given_label", "created_at", "deleted_at"))
    )
    said = sa.table(
        "predictions", sa.column("id"), *(sa.column(name) for name in NAMES if name != "truth")
    )
    events = sa.table("label_events", sa.column("photo_id"), sa.column("place"))
    tops = sa.table("top_labels", sa.column("prediction_id"), sa.column("label"))
    anew = sa.table("expected_answers", *map(sa.column, ("model", "version", "label", "answer")))
    given, day = (
        sa.func.coalesce(photos.c.given_label, photos.c.ground_truth),
        sa.cast(photos.c.created_at, sa.String),
    )
    answer = sa.select(anew.c.answer).where(
        anew.c.model == said.c.model, anew.c.version == said.c.version, anew.c.label == given
    )
    truth = sa.func.coalesce(answer.correlate(photos, said).scalar_subquery(), given)
    month = sa.cast(sa.func.substr(day, 1, 4), sa.Integer) * 100 + sa.cast(
        sa.func.substr(day, 6, 2), sa.Integer
    )
    audited = (
        sa.exists()
        .where(events.c.photo_id == photos.c.id, events.c.place == "audit")
        .correlate(photos)
    )
    among = (
        sa.exists()
        .where(tops.c.prediction_id == said.c.id, tops.c.label == truth)
        .correlate(photos, said)
    )
    values = [truth if name == "truth" else said.c[name] for name in NAMES]
    now = sa.select(
        *values, month, audited, sa.false(), sa.or_(said.c.label == truth, among)
    ).select_from(said.join(photos, photos.c.id == said.c.photo_id))
    now = now.where(said.c.outcome.in_(CHECKED), photos.c.deleted_at.is_(None))
    op.execute(sa.insert(answers).from_select([*NAMES, "month", *FLAGS], now))
    hundredfold = answers.c.confidence * 100
    rounded = sa.cast(hundredfold, sa.Integer)
    percent = rounded - sa.case((rounded > hundredfold, 1), else_=0)
    told = sa.select(
        answers,
        sa.case((percent > 99, 99), else_=percent).label("percent"),
        sa.case((answers.c.truth != "none", True), else_=False).label("known"),
        sa.case((answers.c.label == answers.c.truth, 1), else_=0).label("first"),
        sa.case((answers.c.five, 1), else_=0).label("among"),
        sa.case((answers.c.outcome == "correct", 1), else_=0).label("right"),
        sa.cast(sa.func.round(answers.c.confidence * 1_000_000_000), sa.BigInteger).label(
            "billionths"
        ),
    ).subquery()
    for table in sums:
        keys = [told.c[column.name] for column in table.primary_key]
        counted = [column.name for column in table.c if not column.primary_key]
        numbers = [
            sa.func.count()
            if name == "n"
            else sa.func.sum(told.c["among" if name == "five" else name])
            for name in counted
        ]
        op.execute(
            sa.insert(table).from_select(
                [*(key.name for key in keys), *counted], sa.select(*keys, *numbers).group_by(*keys)
            )
        )
