"""power-cuts.py BINARIES WORK PUBLISH CUTS RUNS SEED: the power goes at any moment of a real `fieldgw run`.

Its writes, its network and its line are recorded by disk-shim.so, under load, with config documents, commands, a
bridge that hangs and a journal whose files are given back. Then the files are laid out as a power cut leaves them,
at CUTS places: all that was not synced lost, or some of its 512-byte sectors and names, or none (a kill). The real
program reads each of them, and runs on RUNS of them. Nothing that was promised may be missing, nothing invented. With
PUBLISH `live`, readings that the broker had not acknowledged and that were younger than `sync` may be missing.
"""
import hashlib
import os
import random
import signal
import sys

import paho.mqtt.client as mqtt

from disk_record import Disk, Story, build_shim, content, lay_out, read
from site_tools import Site, until, verdict

binaries, work, publish = sys.argv[1:4]
cuts, runs, seed = map(int, sys.argv[4:7])
work = os.path.realpath(work)
chance = random.Random(seed)
CONFIGS = [b'{"every":"300ms"}', b'{"every":"400ms","points":{"p1":{"every":"1s"}}}', b'{"every":"200ms"}']


# `sync`, and the time that the disk, and a busy machine, may take for it.
SYNC = 200
MOST = SYNC + 1000


class Sender:
    """Publishes with QoS 1 and waits until the broker has it."""

    def __init__(self, port):
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def send(self, topic, payload):
        self.client.publish(topic, payload, qos=1).wait_for_publish(10)

    def command(self, number):
        self.send("/devices/node-2/commands", f'{{"id":"c-{number}","write":{{"set":{1000 + number}}},"expires":"1m"}}')

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def recorded(site, folder, log):
    """A run whose writes below `folder` are recorded."""
    site.run(LD_PRELOAD=shim, SHIM_LOG=log, SHIM_DIR=folder)


def results(site, last):
    return {record["id"] for (device, _), record in list(site.arrived.items()) if device == "node-2" and "id" in record} >= {
        f"c-{number}" for number in range(1, last + 1)}


def is_online(site):
    return ((site.status() or {}).get("bridge") or {}).get("online")


def the_first_run(site, log):
    os.makedirs(site.path("disk"))
    recorded(site, site.path("disk"), log)
    until("the gateway is online", lambda: is_online(site))
    sender = Sender(site.port)
    for number, config in enumerate(CONFIGS, 1):
        sender.send("/devices/node-1/config", config)
        sender.command(number)
        until(f"command {number} is answered", lambda: results(site, number))
    # A backlog that fills several files and then goes.
    os.kill(site.broker.pid, signal.SIGSTOP)
    until("a backlog stands", lambda: site.status()["spool"]["waiting"] > 300)
    os.kill(site.broker.pid, signal.SIGCONT)
    until("it is gone", lambda: site.status()["spool"]["waiting"] < 100)
    sender.command(len(CONFIGS) + 1)
    until("the last command is answered", lambda: results(site, len(CONFIGS) + 1))
    site.terminate()
    sender.close()


def must_be_there(events, place, sent, record):
    """Whether a record that left at `sent`, and was not acknowledged, must be on the disk after a cut at `place`."""
    if sent >= place:
        return False
    is_reading = "id" not in record and "reason" not in record
    return publish == "durable" or not is_reading or events[place - 1].time - events[sent].time > MOST


def check_journal(site, events, place, what, story, whole, durable):
    """The journal as it is after the cut; what it still owes. `durable` is what was synced."""
    looked = site.spool_tool("verify", spool="cut/spool")
    # Of a commit that was not synced, sectors behind lost ones may be there: then the loss shows, and is told.
    if looked.returncode not in ((0, 65, 66) if what.endswith("torn") else (0, 66)):
        site.problems.append(f"{what}: verify answers {looked.returncode}: {looked.stdout}{looked.stderr}")
    found = site.exported("cut/spool")
    for key, (sent, record) in story.sent.items():
        if key not in found and not story.acknowledged.get(key, place) < place \
                and must_be_there(events, place, sent, record):
            site.problems.append(f"{what}: {key} was sent and is not on the disk")
    for key, record in durable.items():
        if key not in found and not record["settled"]:
            site.problems.append(f"{what}: {key} was synced and is not on the disk")
    for key, record in found.items():
        known = whole.get(key)
        if known is None:
            site.problems.append(f"{what}: {key} was invented: {record}")
        elif known != record["payload"]:
            site.problems.append(f"{what}: {key} is {record['payload']}, not {known}")
        if record["settled"] and not story.acknowledged.get(key, place) < place:
            site.problems.append(f"{what}: {key} is settled, and the broker had not acknowledged it")
    return {key: record["payload"] for key, record in found.items() if not record["settled"]}


def prove(site, events, story, whole):
    """That these checks find something: where most is under way, on a disk that syncs nothing."""
    def under_way(place):
        return sum(must_be_there(events, place, sent, record) and place <= story.acknowledged.get(key, len(events))
                   for key, (sent, record) in story.sent.items())
    place = max(range(0, len(events), 10), key=under_way)
    disk = Disk()
    for event in events[:place]:
        if event.kind not in "DF":
            disk.apply(event)
    before, site.problems = site.problems, []
    lay_out(disk.after("synced", chance), site.path("disk"), site.path("cut"))
    check_journal(site, events, place, "without syncs", story, whole, {})
    found, site.problems = len(site.problems), before
    if found == 0:
        site.problems.append(f"{under_way(place)} records are under way at {place}, and a disk that syncs nothing is not found out")


def config_promises(site, place, what, story):
    """Documents that may be in force after the cut: the last one acknowledged, or one that came after it."""
    promised = [payload for _, payload, came, told in story.configs if came < place]
    acknowledged = [index for index, (_, _, came, told) in enumerate(story.configs) if told is not None and told < place]
    allowed = promised[acknowledged[-1]:] if acknowledged else promised + [b""]
    path = site.path("cut/state/config-node-1.doc")
    kept = open(path, "rb").read() if os.path.exists(path) else b""
    if not any(payload in kept if payload else not kept for payload in allowed):
        site.problems.append(f"{what}: the config document is {kept}, and {allowed} is promised")
    return allowed


def run_on(site, place, what, story, owed, allowed):
    """The real program goes on from there."""
    log = site.path("cut.log")
    if os.path.exists(log):
        os.remove(log)
    site.spool = "cut/spool"
    site.configure(state="cut/state")
    recorded(site, site.path("cut"), log)
    until(f"{what}: the gateway is online", lambda: is_online(site))
    sender = Sender(site.port)
    ids = [number for number in range(1, len(CONFIGS) + 2)]
    for number in ids:
        sender.command(number)

    def is_done():
        status = site.status() or {}
        seen = status.get("commands", {})
        return seen.get("accepted", 0) + seen.get("repeated", 0) >= len(ids) and status["spool"]["waiting"] < 40
    until(f"{what}: what waited is gone", is_done)
    site.terminate()
    sender.close()
    after = Story(read(log))
    site.problems += [f"{what}: {problem}" for problem in after.problems]
    for key, payload in owed.items():
        if key not in after.sent:
            site.problems.append(f"{what}: {key} waited on the disk and was never sent")
        elif {name: after.sent[key][1].get(name) for name in payload} != payload:
            site.problems.append(f"{what}: {key} waited as {payload} and was sent as {after.sent[key][1]}")
    for key, (sent, record) in story.sent.items():
        if sent < place and key in after.sent and after.sent[key][1] != record:
            site.problems.append(f"{what}: {key} was {record} and is now {after.sent[key][1]}")
    for name, known in story.results.items():
        told = [record for at, record in known if at < place]
        if not told:
            continue
        if any(value == 1000 + int(name[2:]) for _, value in after.written(500)):
            site.problems.append(f"{what}: {name} had its result and was carried out again")
        for _, record in after.results.get(name, []):
            if record != told[0]:
                site.problems.append(f"{what}: {name} was answered with {told[0]}, and now with {record}")
    hashes = {hashlib.sha256(payload).hexdigest()[:16] if payload else None for payload in allowed}
    states = [document.get("config") for _, device, document in after.states if device == "node-1"]
    if states and states[-1] not in hashes:
        site.problems.append(f"{what}: the config in force is {states[-1]}, not one of {hashes}")


shim = build_shim(work)
site = Site(binaries, work, units=6, every="50ms", points=40, spool="disk/spool", writable=True,
            options=f', sync: "{SYNC}ms", maxBytes: "1MiB", publish: "{publish}"')
site.configure(state="disk/state")
try:
    the_first_run(site, site.path("events.log"))
    events = read(site.path("events.log"))
    # What is sent after a cut is judged by the records: a number that had not left before it may be another's.
    site.take = lambda device, record: None
    story = Story(events)
    site.problems += story.problems
    whole = {key: {name: value for name, value in record.items()} for key, (_, record) in story.sent.items()}
    for key, record in site.exported().items():
        whole.setdefault(key, record["payload"])
    if site.gaps():
        site.problems.append(f"the run itself has lost something: {site.gaps()[:3]}")
    syncs = [place for place, event in enumerate(events) if event.kind in "DFdRU"]
    # Half of the cuts are around commands and config documents.
    orders = [place for _, _, came, told in story.configs for place in (came, told) if place is not None]
    orders += list(story.commands.values()) + [place for known in story.results.values() for place, _ in known]
    places = sorted(chance.choice([0, 0, 1, chance.randrange(-3, 6)]) + chance.choice(orders if index % 2 else syncs)
                    for index in range(cuts))
    with_run = set(chance.sample(range(cuts), min(runs, cuts)))
    prove(site, events, story, whole)
    disk, done = Disk(), 0
    for index, place in enumerate(places):
        place = min(max(place, 1), len(events))
        while done < place:
            disk.apply(events[done])
            done += 1
        end = chance.choice(["synced", "torn", "torn", "killed"])
        what = f"cut {index} after event {place} of {len(events)} ({events[place - 1].kind}), {end}"
        lay_out(disk.after("synced", chance), site.path("disk"), site.path("cut"))
        durable = site.exported("cut/spool")
        lay_out(disk.after(end, chance), site.path("disk"), site.path("cut"))
        owed = check_journal(site, events, place, what, story, whole, durable)
        allowed = config_promises(site, place, what, story)
        if index in with_run:
            run_on(site, place, what, story, owed, allowed)
    verdict(site, events=len(events), syncs=len(syncs), cuts=cuts, runs=len(with_run), sent=len(story.sent),
            files=len(disk.files), configs=len(story.configs), results=len(story.results))
finally:
    site.close()
