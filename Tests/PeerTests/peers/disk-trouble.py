"""disk-trouble.py BINARIES WORK: a journal on a 20 MiB ext4 that another file fills, that turns read-only,
and that comes back. Polling must go on all the time, the oldest readings go, every loss is told, and
the journal recovers by itself. Needs root; prints {"skipped": why} where it cannot mount.
"""
import json
import os
import signal
import subprocess
import sys
import time

from site_tools import Site, until, verdict

binaries, work = sys.argv[1], sys.argv[2]
image, disk = os.path.join(work, "image"), os.path.join(work, "disk")


def skip(why):
    print(json.dumps({"skipped": why, "problems": []}))
    sys.exit(0)


def call(*command):
    return subprocess.run(command, capture_output=True, text=True)


if os.geteuid() != 0:
    skip("mounting needs root")
os.mkdir(disk)
with open(image, "wb") as file:
    file.truncate(20 << 20)
if call("mkfs.ext4", "-q", "-F", "-m", "0", image).returncode != 0:
    skip("mkfs.ext4 failed")
made = call("mount", "-o", "loop", image, disk)
if made.returncode != 0:
    skip(f"a loop mount is not possible here: {made.stderr.strip()}")

site = None


class Watch:
    """Readings must be made in every second that passes."""

    def __init__(self, site):
        self.site, self.last, self.slowest = site, None, None

    def wait(self, seconds, done=lambda spool: False):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(1)
            status = self.site.status()
            if status is None:
                self.site.problems.append("no status")
                continue
            made = status["tally"]["readings"]
            if self.last is not None:
                self.slowest = min(made - self.last, self.slowest or 1 << 30)
                if made == self.last:
                    self.site.problems.append(f"no reading in a second, at {made}")
            self.last = made
            if done(status["spool"]):
                return True
        return False


try:
    site = Site(binaries, work, units=8, every="50ms", points=100, spool="disk/spool")
    # 9 MiB that wait already, by another process under the same name.
    subprocess.run([f"{binaries}/fieldsim", "journal", os.path.join(disk, "spool"), "--records", "30000",
                    "--size", "250", "--devices", "3"], check=True, capture_output=True)
    os.kill(site.broker.pid, signal.SIGSTOP)
    site.run()
    until("the gateway answers", lambda: site.status() is not None)
    watch = Watch(site)
    watch.wait(2)
    with open(os.path.join(disk, "other"), "wb") as other:
        try:
            while other.write(b"x" * 65536):
                other.flush()
        except OSError:
            pass
    full = watch.wait(60, lambda spool: spool["lost"]["full"] > 0)
    if not full:
        site.problems.append("the disk was full and nothing was dropped")
    watch.wait(5)
    os.remove(os.path.join(disk, "other"))
    watch.wait(3)
    # Read-only: memory only, loudly.
    call("mount", "-o", "remount,abort", disk)
    if not watch.wait(30, lambda spool: spool["memoryOnly"]):
        site.problems.append("the disk was read-only and the journal did not say so")
    watch.wait(2)
    # The gateway lets go of a disk that fails, so that it can be unmounted and repaired.
    until("the gateway lets go", lambda: call("umount", disk).returncode == 0, 60)
    call("mount", "-o", "loop", image, disk)
    if not watch.wait(60, lambda spool: not spool["memoryOnly"]):
        site.problems.append("the disk was there again and the journal stayed in memory")
    os.kill(site.broker.pid, signal.SIGCONT)
    site.drain(240)
    lost = site.status()["spool"]["lost"]
    site.terminate()
    time.sleep(1)
    told = {}
    for gap in site.gaps():
        told[gap["reason"]] = told.get(gap["reason"], 0) + gap["count"]
    if sum(told.values()) < sum(lost.values()):
        site.problems.append(f"lost {lost}, told {told}")
    verdict(site, lost=lost, told=told, arrived=len(site.arrived), slowest=watch.slowest, repeats=site.repeats)
finally:
    if site:
        site.close()
    call("umount", "-l", disk)
