"""A child process that holds a lock in its folder until it is ended, like one that works long."""

import fcntl
import sys
import time
from pathlib import Path

from webapp.inference.models.publish import end_with_parent

if __name__ == "__main__":
    folder, _seconds, _gigabytes, parent = sys.argv[1:]
    end_with_parent(int(parent))
    with (Path(folder) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (Path(folder) / "begun").touch()
        time.sleep(60)
