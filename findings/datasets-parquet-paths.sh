#!/usr/bin/env bash
# datasets 5.2.0: to_parquet writes where the photos of a folder lie, and not the photos.
#
# Parquet files that push_to_hub makes hold the bytes of images. Dataset.to_parquet of what
# load_dataset("imagefolder") has read writes no byte, only the path on this machine: the file opens
# here, and no more once the folder has moved, or anywhere else. With embed_table_storage before it
# the bytes are in the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv --without-pip "$folder/venv"
python3 -m pip --python "$folder/venv/bin/python" install -q --no-compile \
    datasets==5.2.0 pyarrow==25.0.1 pillow==12.3.0
cd "$folder"
HF_HOME="$folder/home" HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version
from pathlib import Path

from datasets import disable_progress_bars, load_dataset
from datasets.table import embed_table_storage
from PIL import Image
from pyarrow import parquet

disable_progress_bars()
Path("cars/haas").mkdir(parents=True)
Image.new("RGB", (30, 20)).save("cars/haas/monza.jpg")
photos = load_dataset("imagefolder", data_dir="cars", split="train")


def bytes_in(file):
    (image,) = parquet.read_table(file)["image"].to_pylist()
    return len(image["bytes"] or b"")


photos.to_parquet("plain.parquet")
whole = photos.with_format("arrow").map(embed_table_storage, batched=True).with_format(None)
whole.to_parquet("whole.parquet")
plain, embedded = bytes_in("plain.parquet"), bytes_in("whole.parquet")
size = Path("cars/haas/monza.jpg").stat().st_size
print(f"datasets {version('datasets')}")
print(f"the photo: {size} bytes; to_parquet has {plain}, with embed_table_storage {embedded}")
assert (plain, embedded) == (0, size), "this has changed"
PYTHON
