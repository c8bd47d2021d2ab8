"""A small ext4 of its own, on a file: filled, aborted, taken away and brought back by a test."""
import json
import os
import subprocess
import sys


def call(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def skip(why):
    print(json.dumps({"skipped": why, "problems": []}))
    sys.exit(0)


class LoopDisk:
    """Mounted at `work`/disk. Skips the whole script where that is not possible."""

    def __init__(self, work, mebibytes):
        self.image, self.path = os.path.join(work, "image"), os.path.join(work, "disk")
        if os.geteuid() != 0:
            skip("mounting needs root")
        os.mkdir(self.path)
        with open(self.image, "wb") as file:
            file.truncate(mebibytes << 20)
        if call("mkfs.ext4", "-q", "-F", "-m", "0", self.image).returncode != 0:
            skip("mkfs.ext4 failed")
        made = self.mount()
        if made.returncode != 0:
            skip(f"a loop mount is not possible here: {made.stderr.strip()}")

    def mount(self):
        return call("mount", "-o", "loop", self.image, self.path)

    def unmount(self):
        """False while somebody holds it."""
        return call("umount", self.path).returncode == 0

    def abort(self):
        """As after a hardware error: from here on it is read-only, and what was not written is gone."""
        return call("mount", "-o", "remount,abort", self.path)

    def fill(self):
        """Another file takes every block that is left."""
        with open(os.path.join(self.path, "other"), "wb", buffering=0) as other:
            for size in (65536, 4096):
                try:
                    while other.write(b"x" * size):
                        pass
                except OSError:
                    pass

    def free(self):
        os.remove(os.path.join(self.path, "other"))

    def close(self):
        call("umount", "-l", self.path)
