"""counters of the statistics and training files under the names that the code uses"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TABLES = {
    "tally_pairs": "pair_counters",
    "tally_bands": "band_counters",
    "tally_months": "month_counters",
    "learnt_files": "training_files",
    "learnt_lists": "training_lists",
}
WITH_FLAG = ("checked_answers", "pair_counters", "band_counters", "month_counters")


def upgrade():
    for old, new in TABLES.items():
        op.rename_table(old, new)
    for table in WITH_FLAG:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN learnt TO trained")


def downgrade():
    for table in WITH_FLAG:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN trained TO learnt")
    for old, new in TABLES.items():
        op.rename_table(new, old)
