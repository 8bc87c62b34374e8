"""perceptual hashes in the place of difference hashes, made anew from the thumbnails"""

import io

import numpy as np
import sqlalchemy as sa
from alembic import op
from PIL import Image

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

COSINES = np.cos(np.pi / 64 * np.outer(np.arange(8), 2 * np.arange(32) + 1))


def upgrade():
    exchange("dhash", "phash", perceptual_hash)


def downgrade():
    exchange("phash", "dhash", difference_hash)


def exchange(old, new, hash_of):
    """Another hash for all photos: deleted ones too, which may come back."""
    op.drop_index(f"ix_photos_{old}", "photos")
    op.execute(f"ALTER TABLE photos RENAME COLUMN {old} TO {new}")
    op.execute(f"UPDATE photos SET {new} = NULL, has_duplicate = FALSE")
    op.drop_table("photo_hashes")
    op.create_table(
        "photo_hashes",
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.Column(new, sa.BigInteger(), nullable=False),
        *(sa.Column(f"band{band}", sa.Integer(), nullable=False) for band in range(5)),
        sa.ForeignKeyConstraint(
            ["photo_id"],
            ["photos.id"],
            name=op.f("fk_photo_hashes_photo_id_photos"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("photo_id", name=op.f("pk_photo_hashes")),
    )
    fill(new, hash_of)
    op.create_index(f"ix_photos_{new}", "photos", [new])
    op.execute(
        f"UPDATE photos SET has_duplicate = TRUE WHERE deleted_at IS NULL AND {new} IN "
        f"(SELECT {new} FROM photos WHERE {new} IS NOT NULL AND deleted_at IS NULL "
        f"GROUP BY {new} HAVING count(*) > 1)"
    )
    # What webapp.domain.hash_bands says of single hashes, for all of them.
    bands = ", ".join(
        f"({new} >> {13 * band}) & {0xFFF if band == 4 else 0x1FFF}" for band in range(5)
    )
    op.execute(
        f"INSERT INTO photo_hashes (photo_id, {new}, band0, band1, band2, band3, band4) "
        f"SELECT id, {new}, {bands} FROM photos WHERE {new} IS NOT NULL"
    )
    for band in range(5):
        columns = [f"band{band}", "photo_id", new]
        op.create_index(f"ix_photo_hashes_band{band}", "photo_hashes", columns)


def fill(column, hash_of):
    """Hashes from the thumbnails, a few hundred at a time."""
    connection, last = op.get_bind(), 0
    page = sa.text(
        "SELECT photo_id, content FROM thumbnails WHERE photo_id > :last ORDER BY photo_id LIMIT "
        "500"
    )
    change = sa.text(f"UPDATE photos SET {column} = :hash WHERE id = :photo")
    while rows := connection.execute(page, {"last": last}).all():
        hashes = [{"photo": photo, "hash": hash_of(content)} for photo, content in rows]
        connection.execute(change, hashes)
        last = rows[-1][0]


def perceptual_hash(thumbnail):
    """As `webapp.inference.decoding.images.thumbnail_hash` was then; None without structure, and
    when the thumbnail cannot be read."""
    try:
        with Image.open(io.BytesIO(thumbnail)) as image:
            image.draft("L", (128, 128))
            small = image.convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    except OSError:
        return None
    grey = np.asarray(small, dtype=np.float64)
    if np.ptp(grey) <= 3:
        return None
    lowest = COSINES @ grey @ COSINES.T
    return signed(lowest > np.median(lowest))


def difference_hash(thumbnail):
    """The same of the hash that was kept before."""
    try:
        with Image.open(io.BytesIO(thumbnail)) as image:
            image.draft("L", (72, 64))
            small = image.convert("L").resize((9, 8), Image.Resampling.BILINEAR, reducing_gap=3.0)
    except OSError:
        return None
    grey = np.asarray(small)
    return signed(grey[:, :-1] < grey[:, 1:])


def signed(bits):
    return int.from_bytes(np.packbits(bits).tobytes(), "big", signed=True) or None
