"""disk-faults.py BINARIES WORK CASES SEED: the disk of a real `fieldgw run` fails at one of its calls, once or for good,
takes less than it was given, or takes its time. CASES is how many of the table below, 0 for all, or one's name.

Whatever fails, the units are polled on and their readings arrive; a journal that cannot be written says so, and is
used again when it can. Every reading that a unit gave arrives once, or is told as lost.
"""
import os
import random
import re
import signal
import sys

from disk_record import build_shim
from site_tools import Site, until, verdict

binaries, work, count, seed = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
work = os.path.realpath(work)
chance = random.Random(seed)
EIO, ENOSPC, EROFS, EVER = 5, 28, 30, 1000000000

# Name, the faults (disk-shim.c tells their form), and whether the journal must leave the disk.
CASES = [
    ("one sync fails", [f"fdatasync seg- {chance.randrange(1, 4)} 1 {EIO}"], False),
    ("every sync fails", [f"fdatasync * 1 {EVER} {EIO}"], True),
    ("one write fails", [f"write seg- {chance.randrange(1, 4)} 1 {EIO}"], False),
    ("every write fails", [f"write seg- 1 {EVER} {EIO}"], True),
    ("no space for data", [f"write spool/ 1 {EVER} {ENOSPC}", f"fallocate spool/ 1 {EVER} {ENOSPC}"], True),
    ("read-only", [f"change * 1 {EVER} {EROFS}"], True),
    ("short writes", [f"write * 1 {EVER} short"], False),
    ("slow syncs", ["fdatasync * 1 3 delay=700", "fsync * 1 3 delay=700"], False),
    ("no space for documents", [f"open .tmp 1 {EVER} {ENOSPC}"], False),
    ("documents that cannot be renamed", [f"rename state/ 1 {EVER} {EIO}"], False),
    ("files that cannot be removed", [f"unlink * 1 {EVER} {EIO}"], False),
    ("no file can be made", [f"open seg- 1 {EVER} {EIO}", f"write seg- 1 1 {EIO}"], True),
]


def status(site):
    return site.status() or {"spool": {}, "tally": {"readings": -1}, "bridge": {}}


def start(site):
    site.run(LD_PRELOAD=shim, SHIM_DIR=site.path("disk"), SHIM_CONTROL=site.path("faults"))
    until("the gateway is online", lambda: status(site)["bridge"].get("online"))


def goes_on(site, what):
    """Readings are made and arrive, three times in a row."""
    for _ in range(3):
        made, came = status(site)["tally"]["readings"], len(site.arrived)
        until(f"{what}: readings are made", lambda: status(site)["tally"]["readings"] > made, 5)
        until(f"{what}: readings arrive", lambda: len(site.arrived) > came, 10)


def account(site, what):
    """What all runs of the case have journaled has arrived, or was told as lost."""
    def made():
        with open(site.path("log"), errors="replace") as log:
            return sum(int(number) for number in re.findall(r"stopped: (\d+) records? journaled", log.read()))

    def found():
        return len(site.arrived) - len(site.gaps()) + sum(site.told().values())
    try:
        until("the last messages arrive", lambda: found() >= made(), 5)
    except TimeoutError:
        pass
    if found() != made():
        site.problems.append(f"{what}: {made()} records made, {found()} arrived or told as lost: {site.told()}")


def play(site, index, name, faults, leaves):
    site.spool = f"disk/{index}/spool"
    site.configure(state=f"disk/{index}/state")
    site.arrived.clear()
    site.write("log", "")
    site.write("faults", "")
    start(site)
    goes_on(site, name)
    hangs = index % 2 == 1
    if hangs:
        # A bridge that hangs meanwhile: the journal has something to keep.
        os.kill(site.broker.pid, signal.SIGSTOP)
    site.write("faults", "\n".join(faults) + "\n")
    made = status(site)["tally"]["readings"]
    until(f"{name}: polling goes on", lambda: status(site)["tally"]["readings"] > made + 40)
    if leaves:
        until(f"{name}: the journal says so", lambda: status(site)["spool"].get("memoryOnly"))
        with open(site.path("log"), errors="replace") as log:
            if " error spool: " not in log.read():
                site.problems.append(f"{name}: no line of the log tells of it")
    if hangs:
        os.kill(site.broker.pid, signal.SIGCONT)
    goes_on(site, name)
    site.write("faults", "")
    if leaves:
        until(f"{name}: the disk is taken back", lambda: not status(site)["spool"].get("memoryOnly"), 60)
    elif status(site)["spool"].get("memoryOnly"):
        site.problems.append(f"{name}: the journal has left the disk for it")
    goes_on(site, name)
    site.terminate()
    # What it left behind is taken over by the next one.
    start(site)
    site.drain(30)
    site.terminate()
    account(site, name)
    looked = site.spool_tool("verify")
    if looked.returncode not in (0, 66):
        site.problems.append(f"{name}: verify answers {looked.returncode}: {looked.stdout}")


shim = build_shim(work)
site = Site(binaries, work, units=4, every="50ms", points=4, spool="disk/0/spool", options=', sync: "200ms"')
chosen = [(index, case) for index, case in enumerate(CASES) if count in ("0", case[0])]
if count.isdigit() and count != "0":
    chosen = chance.sample(list(enumerate(CASES)), int(count))
os.makedirs(site.path("disk"))
try:
    for index, (name, faults, leaves) in chosen:
        try:
            play(site, index, name, faults, leaves)
        except TimeoutError as late:
            site.problems.append(f"{name}: {late}")
            site.write("faults", "")
            os.kill(site.broker.pid, signal.SIGCONT)
            site.kill()
    site.readings()
    verdict(site, cases=[name for _, (name, _, _) in chosen], repeats=site.repeats)
finally:
    site.close()
