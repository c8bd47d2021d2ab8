"""disk-fails.py BINARIES WORK RETURNS: the ext4 under a journal fails while the gateway runs, as after a
hardware error: it turns read-only and loses what it had not written.

The gateway goes on in memory, loudly, and lets go of the disk. RETURNS is 1: the disk is repaired and mounted
again, and taken back without a hand. RETURNS is 0: it never is, and the gateway is stopped in that state.
Either way polling goes on and every loss is told. Prints {"skipped": why} where nothing can be mounted.
"""
import os
import signal
import sys

from loop_disk import LoopDisk
from site_tools import Site, Watch, until, verdict

binaries, work, returns = sys.argv[1], sys.argv[2], sys.argv[3] == "1"
disk = LoopDisk(work, 20)
site = None
try:
    # 4 MiB of memory are full within half a minute.
    site = Site(binaries, work, units=8, every="50ms", points=100, spool="disk/spool")
    site.run()
    until("the gateway answers", lambda: site.status() is not None)
    watch = Watch(site)
    watch.wait(2)
    os.kill(site.broker.pid, signal.SIGSTOP)
    watch.wait(2)
    disk.abort()
    if not watch.wait(30, lambda status: status["spool"]["memoryOnly"]):
        site.problems.append("the disk was read-only and the journal did not say so")
    if not watch.wait(90, lambda status: status["spool"]["lost"]["memory"] > 500):
        site.problems.append("the memory was never full")
    if returns:
        until("the gateway lets go", disk.unmount, 60)
        disk.mount()
        if not watch.wait(120, lambda status: not status["spool"]["memoryOnly"]):
            site.problems.append("the disk was there again and the journal stayed in memory")
    os.kill(site.broker.pid, signal.SIGCONT)
    site.drain(90, watch)
    lost = site.status()["spool"]["lost"]
    site.terminate()
    site.account()
    if returns and site.spool_tool("verify").returncode != 0:
        site.problems.append("verify: " + site.spool_tool("verify").stdout)
    verdict(site, lost=lost, told=site.told(), arrived=len(site.arrived), slowest=watch.slowest, repeats=site.repeats)
finally:
    if site:
        site.close()
    disk.close()
