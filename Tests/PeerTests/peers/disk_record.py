"""What disk-shim.so has written down of a program: the events in their order, the folder as a power cut leaves it
after any of them, and what was sent to the broker and taken from it until then.
"""
import collections
import json
import os
import shutil
import struct
import subprocess

# `time` in milliseconds.
Event = collections.namedtuple("Event", "kind path value data time")
HEADER = struct.Struct("=B3xIqII")
SECTOR = 512


def build_shim(work):
    """The shim, compiled into `work`."""
    shim = os.path.join(work, "disk-shim.so")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "disk-shim.c")
    subprocess.run(["cc", "-Wall", "-Werror", "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True)
    return shim


def read(log):
    with open(log, "rb") as file:
        text = file.read()
    events, place = [], 0
    while place + HEADER.size <= len(text):
        kind, path, value, data, time = HEADER.unpack_from(text, place)
        place += HEADER.size
        name = text[place:place + path].decode()
        events.append(Event(chr(kind), name, value, text[place + path:place + path + data], time))
        place += path + data
    return events


class File:
    def __init__(self):
        self.durable, self.view, self.dirty = bytearray(), bytearray(), []

    def write(self, offset, data):
        end = offset + len(data)
        if end > len(self.view):
            self.view.extend(bytes(end - len(self.view)))
        self.view[offset:end] = data
        self.dirty.append((offset, end))

    def resize(self, size):
        if size < len(self.view):
            del self.view[size:]
        else:
            self.view.extend(bytes(size - len(self.view)))

    def sync(self):
        self.durable, self.dirty = bytearray(self.view), []

    def after_cut(self, keeps):
        """Each sector that was not synced is there or not, and so is the size."""
        text = bytearray(self.durable)
        if len(self.view) != len(text) and keeps():
            text = text[:len(self.view)] + bytes(max(0, len(self.view) - len(text)))
        for start, end in self.dirty:
            while start < end:
                stop = min((start // SECTOR + 1) * SECTOR, end)
                if keeps():
                    if stop > len(text):
                        text.extend(bytes(stop - len(text)))
                    text[start:stop] = self.view[start:stop].ljust(stop - start, b"\0")
                start = stop
        return bytes(text)


class Disk:
    """Files by number; names as the program sees them, and as they are on the disk for certain."""

    def __init__(self):
        self.files, self.names, self.durable, self.changes = {}, {}, {}, []

    def apply(self, event):
        kind, path = event.kind, event.path
        if kind == "O":
            if path not in self.names:
                number = len(self.files)
                self.files[number] = File()
                self.names[path] = number
                self.changes.append(("add", path, number))
            elif event.value & 2:
                self.files[self.names[path]].resize(0)
        elif kind == "W":
            self.file(path).write(event.value, event.data)
        elif kind == "T":
            self.file(path).resize(event.value)
        elif kind == "A":
            self.file(path).resize(max(event.value, len(self.file(path).view)))
        elif kind in "DF":
            self.file(path).sync()
        elif kind == "R":
            new = event.data.decode()
            self.names[new] = self.names.pop(path)
            self.changes.append(("rename", path, new))
        elif kind == "U":
            self.names.pop(path, None)
            self.changes.append(("remove", path, None))
        elif kind == "d":
            def inside(name):
                return os.path.dirname(name) == path
            self.durable = {name: number for name, number in self.durable.items() if not inside(name)}
            self.durable.update({name: number for name, number in self.names.items() if inside(name)})
            self.changes = [change for change in self.changes if not inside(change[1])]

    def file(self, path):
        return self.files[self.names[path]] if path in self.names else File()

    def after(self, end, chance):
        """name -> bytes. `end` is "killed", "synced" (all else is lost) or "torn" (of the rest, what chance says)."""
        if end == "killed":
            return {name: bytes(self.files[number].view) for name, number in self.names.items()}
        def keeps():
            return end == "torn" and chance.random() < share
        share = chance.random() if end == "torn" else 0
        names = dict(self.durable)
        for what, name, other in self.changes:
            if not keeps():
                continue
            if what == "add":
                names[name] = other
            elif what == "remove":
                names.pop(name, None)
            elif name in names:
                names[other] = names.pop(name)
        return {name: self.files[number].after_cut(keeps) for name, number in names.items()}


def lay_out(files, folder, place):
    """Puts the files of `folder` below `place` instead, which is made anew."""
    shutil.rmtree(place, ignore_errors=True)
    for name, text in files.items():
        path = os.path.join(place, os.path.relpath(name, folder))
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "wb") as file:
            file.write(text)
        os.chmod(path, 0o600)


class Packets:
    """Cuts MQTT packets from one direction of a connection."""

    def __init__(self):
        self.rest = b""

    def take(self, data):
        self.rest += data
        while len(self.rest) >= 2:
            length, shift, place = 0, 0, 1
            while True:
                if place >= len(self.rest):
                    return
                byte = self.rest[place]
                length |= (byte & 0x7F) << shift
                place, shift = place + 1, shift + 7
                if not byte & 0x80:
                    break
            if len(self.rest) < place + length:
                return
            first, body = self.rest[0], self.rest[place:place + length]
            self.rest = self.rest[place + length:]
            yield first >> 4, first & 15, body


def publication(flags, body):
    size = int.from_bytes(body[:2], "big")
    place = 2 + size
    number = None
    if flags & 6:
        number = int.from_bytes(body[place:place + 2], "big")
        place += 2
    return body[2:2 + size].decode(), number, body[place:]


def content(record):
    """A record without what may differ when it comes again."""
    return {name: value for name, value in record.items() if name not in ("ts", "seq", "clock", "backfill")}


class Story:
    """What went over the network and the lines, each with the place of its event."""

    def __init__(self, events):
        self.sent = {}              # (device, seq) -> (place, content), at its first sending
        self.acknowledged = {}      # (device, seq) -> place
        self.results = {}           # command id -> [(place, content)]
        self.states = []            # (place, device, document)
        self.configs = []           # [device, payload, received at, acknowledged at or None]
        self.commands = {}          # id -> place
        self.wire = []              # (place, bytes)
        self.problems = []
        self.place = 0
        for self.place, event in enumerate(events):
            self.take(event, events)

    def take(self, event, events):
        if event.kind == "C":
            self.out, self.into, self.flights, self.deliveries = Packets(), Packets(), {}, {}
        elif event.kind == "S":
            taken = next((later.value for later in events[self.place + 1:self.place + 40] if later.kind == "s"), len(event.data))
            for kind, flags, body in self.out.take(event.data[:max(0, taken)]):
                self.take_sent(kind, flags, body)
        elif event.kind == "r":
            for kind, flags, body in self.into.take(event.data):
                self.take_received(kind, flags, body)
        elif event.kind == "w":
            self.wire.append((self.place, event.data))

    def take_sent(self, kind, flags, body):
        if kind == 4:
            delivery = self.deliveries.pop(int.from_bytes(body[:2], "big"), None)
            if delivery:
                delivery[3] = self.place
        if kind != 3:
            return
        topic, number, payload = publication(flags, body)
        device = topic.split("/")[2]
        if topic.endswith("/state"):
            self.states.append((self.place, device, json.loads(payload)))
            return
        document = json.loads(payload)
        keys = []
        for record in document if isinstance(document, list) else [document]:
            key = (device, record["seq"])
            keys.append(key)
            known = self.sent.setdefault(key, (self.place, content(record)))
            if known[1] != content(record):
                self.problems.append(f"{key} is sent with two contents: {known[1]} and {content(record)}")
            if topic.endswith("/commands"):
                self.results.setdefault(record["id"], []).append((self.place, content(record)))
        self.flights[number] = keys

    def take_received(self, kind, flags, body):
        if kind == 4:
            for key in self.flights.pop(int.from_bytes(body[:2], "big"), []):
                self.acknowledged.setdefault(key, self.place)
        if kind != 3:
            return
        topic, number, payload = publication(flags, body)
        if topic.endswith("/config"):
            self.configs.append([topic.split("/")[2], payload, self.place, None])
            self.deliveries[number] = self.configs[-1]
        elif topic.endswith("/commands"):
            self.commands.setdefault(json.loads(payload)["id"], self.place)

    def written(self, register):
        """Values that went to a holding register by function 6, with the places."""
        return [(place, int.from_bytes(frame[4:6], "big")) for place, frame in self.wire
                if len(frame) == 8 and frame[1] == 6 and int.from_bytes(frame[2:4], "big") == register]
