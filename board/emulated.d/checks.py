"""The checks, in the order of a board's life: each is a function of the board and the report. A check that cannot go
on raises Trouble and ends the run; what was found until then is in the table."""
import calendar
import json
import random
import re
import threading
import time

from board import CONFIGURATION, SPOOL
from machine import Pace, Trouble, await_true
from plant import GATEWAY

DEVICES = ["meter-1", "meter-2", "meter-3"]


def boots_without_clock(board, report):
    begun = board.boot(has_clock=False)
    machine = board.machine
    machine.login()
    took = time.monotonic() - begun
    Pace.measure(took)
    report.check("boots without a clock", True, f"root shell after {took:.0f} s; times are allowed {Pace.factor:.1f} fold")
    machine.sh("systemctl is-system-running --wait", 60)
    is_wrong = int(machine.must("date +%s")) < time.time() - 86400
    if not report.check("its clock is wrong", is_wrong, machine.must("date -u +%Y-%m-%d")):
        raise Trouble("the guest has a clock: nothing to be seen")


def installs(board, report):
    begun, machine = time.monotonic(), board.machine
    board.install()
    said = machine.sh("systemctl is-enabled fieldgw")[1], machine.sh("systemctl is-active fieldgw")[1]
    report.check("package installed; unit enabled, waiting for a configuration", said == ("enabled", "inactive"),
                 f"{time.monotonic() - begun:.0f} s, {', '.join(said)}")
    with open(board.bridge.authority, encoding="utf-8") as file:
        board.put("ca.pem", file.read())
    machine.must("install -m 644 /mnt/ca.pem /etc/fieldgw/ca.pem")
    public = machine.must(f"fieldgw key generate --type ec /etc/fieldgw/keys/{GATEWAY}.pem")
    board.bridge.provision(public[public.index("-----BEGIN"):] + "\n", DEVICES)
    board.configure(board.configuration())
    code, text = machine.sh(f"fieldgw check {CONFIGURATION}")
    report.check("fieldgw check accepts the configuration, the adapter not there yet", code == 0, text if code else "")
    machine.must("systemctl start fieldgw")
    kind, state = board.unit("Type"), board.unit("SubState")
    report.check("systemd: started and notified", state == "running", f"Type={kind}, {state}; {board.unit('StatusText')}")


def rule_fires(board, report):
    machine = board.machine
    plugged = machine.plug(board.line)
    link = f"/dev/fieldgw/by-serial/{board.line.serial}"
    await_true(20, f"{link} appears", lambda: machine.sh(f"test -e {link}")[0] == 0, 0.1)
    node, owner, path = machine.must(
        f"readlink -f {link}; stat -L -c '%G %a' {link}; ls -1 /dev/fieldgw/by-path | grep usb").splitlines()[:3]
    report.check("udev rule: names, group, mode", owner == "dialout 660", f"{link} → {node}, {owner}; by-path/{path}")
    timer = machine.must(f"cat /sys/class/tty/{node.rpartition('/')[2]}/device/latency_timer")
    report.check("udev rule: FTDI latency timer", timer == "1", f"{timer} ms")
    first = await_true(20, "a request on the line", lambda: board.line.first_request_after(plugged), 0.05)
    settled = board.settled_after(node)
    report.check("port opened, first request on the line", first - plugged < max(5, 8 * settled),
                 f"{first - plugged:.1f} s after the plug; kernel and udev took {settled:.1f} s of it")
    ports_are_told(board, report, node)


def ports_are_told(board, report, node):
    text = board.machine.must("fieldgw ports")
    rows = {row["port"]: row for row in map(json.loads, board.machine.must("fieldgw ports --json").splitlines())}
    row = rows.get(node, {})
    users = [user["name"] for user in row.get("users", [])]
    warnings = [each["kind"] for each in row.get("warnings", [])]
    wanted = {"driver": "ftdi_sio", "serial": board.line.serial, "vendor": "0403", "product": "6001"}
    names = row.get("stableNames", [])[:1]
    report.check("fieldgw ports: driver, ids, stable name, holder, nothing to warn of",
                 node in text and all(row.get(key) == value for key, value in wanted.items())
                 and names == [f"/dev/fieldgw/by-serial/{board.line.serial}"] and users == ["fieldgw"] and not warnings,
                 f"{row.get('driver')} {row.get('vendor')}:{row.get('product')}, held by {users}, warnings {warnings}")
    kinds = [each["kind"] for each in rows.get("/dev/ttyAMA0", {}).get("warnings", [])]
    place = "platform-9000000.pl011"
    board_uart = rows.get("/dev/ttyAMA0", {})
    report.check("on-board UART: driver, path and the names for it",
                 board_uart.get("driver") == "uart-pl011" and board_uart.get("path") == place
                 and f"/dev/fieldgw/by-path/{place}" in board_uart.get("stableNames", []),
                 f"{board_uart.get('driver')}, {board_uart.get('path')}, {', '.join(board_uart.get('stableNames', []))}")
    report.check("fieldgw ports: warns of the console", {"console", "login"} <= set(kinds), f"ttyAMA0: {', '.join(kinds)}")


def wrong_clock(board, report):
    """Readings pile up, marked; no connection is tried before the clock is set; then all go out, corrected."""
    machine, bridge = board.machine, board.bridge
    await_true(30, "ten readings wait", lambda: board.status()["spool"]["waiting"] >= 10)
    level, counts = board.status()["bridge"]["clock"], bridge.counts()
    nobody = counts["accepted"] == counts["refused"] == 0 and not bridge.messages()
    report.check("wrong clock: no token signed, nobody connected", level == "impossible" and nobody,
                 f"clock {level}, {counts['accepted']} connections")
    marked = [json.loads(row) for row in machine.must(f"fieldgw spool export {SPOOL} 2>/dev/null").splitlines()]
    report.check("wrong clock: readings marked unsynced",
                 marked and all(each.get("clock") == "unsynced" for each in marked), f"{len(marked)} readings")
    machine.must(f"date -u -s @{time.time():.3f}")
    set_at, wall = time.monotonic(), time.time()
    until = board.reading_after(set_at, 60)
    attached = sorted(bridge.attached())
    report.check("clock set: connected, devices attached, readings acknowledged",
                 attached == DEVICES[:2] and bridge.counts()["pubacks"] > 0,
                 f"{until - set_at:.1f} s after; {', '.join(attached)}; {bridge.counts()['pubacks']} PUBACKs")
    early = [each for each in bridge.readings() if 0 < board.served_at(each) < wall]
    report.check("readings from before it arrived with corrected times", len(early) >= 10 and worst_time(board, early) < 2 * Pace.factor,
                 f"{len(early)} readings, at most {worst_time(board, early):.2f} s off")
    def since_is_right():
        state = bridge.state("meter-1")
        return state and abs(seconds(state["since"]) - wall) < 300
    await_true(20, "meter-1's state says a right time", since_is_right)
    report.check("states from before it are corrected too", True, f"since {bridge.state('meter-1')['since']}")


def seconds(text):
    """A timestamp of ours in seconds since 1970."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(f"0.{fraction or 0}")


def worst_time(board, readings):
    """By how many seconds a reading's `ts` differs at most from when its answer left the line."""
    return max((abs(seconds(each["payload"]["ts"]) - board.served_at(each)) for each in readings
                if board.served_at(each)), default=0)


def reloads(board, report):
    machine = board.machine
    opened = board.log().count("opened /dev/")
    board.configure(board.configuration(units=(1, 2, 3)))
    code, text = machine.sh("systemctl reload fieldgw")
    await_true(20, "meter-3 is attached", lambda: "meter-3" in board.bridge.attached())
    report.check("systemctl reload: a node more, its port not opened again",
                 code == 0 and board.log().count("opened /dev/") == opened, text or "meter-3 attached")
    board.configure(board.configuration(units=(1, 2, 3)).replace('"parity": "even"', '"parity": "evne"'))
    code, text = machine.sh("systemctl reload fieldgw")
    board.reading_after(time.monotonic())
    refused = [line for line in board.log().splitlines() if "evne" in line and "stays in force" in line]
    report.check("systemctl reload: a bad configuration is refused, the old one stays",
                 code != 0 and refused and board.unit("ActiveState") == "active",
                 re.sub(".*gateway.json5", "gateway.json5", refused[0])[:80] if refused else text)
    board.configure(board.configuration(units=(1, 2, 3)))
    code, text = machine.sh("systemctl reload fieldgw")
    report.check("systemctl reload: the corrected one", code == 0, text)


def unplugged_in_a_reply(board, report):
    """Then offline, and after the grace time detached."""
    machine, bridge = board.machine, board.bridge
    board.line.break_reply(after=4)
    gone = machine.unplug(board.line)
    await_true(20, "meter-1 is offline", lambda: bridge.state("meter-1").get("status") == "offline", 0.1)
    error = bridge.state("meter-1").get("error")
    report.check("unplugged in the middle of a reply: offline at the bridge", error == "port",
                 f"{time.monotonic() - gone:.1f} s later, error \"{error}\"")
    names = "ls -d /dev/ttyUSB* /dev/fieldgw/by-serial 2>/dev/null || true"
    await_true(10, "the port's names go", lambda: not machine.must(names))
    report.check("the port was let go of: its names are gone", True)
    await_true(40, "the devices are detached", lambda: not bridge.attached())
    report.check("detached after the grace time, and told so", "stays away" in board.log(), f"{time.monotonic() - gone:.1f} s later (detachAfter 15 s)")


def stranger_in_its_place(board, report):
    """An adapter that nobody has configured, in the same socket and under the same name, units 1 to 3 behind it."""
    bridge, stranger = board.bridge, board.stranger
    before = len(stranger.requests)
    board.machine.plug(stranger)
    def told():
        return [each["payload"]["adapter"] for each in bridge.messages() if each["subfolder"] == "health"
                and each["payload"].get("adapter", {}).get("serial") == stranger.serial]
    event = await_true(30, "the unknown adapter is told in a health event", told)[0]
    report.check("another adapter in its place: told with a configuration to copy",
                 "match" in event["stanza"] and event["stanza"] in board.log(), event["stanza"].partition(",")[0])
    time.sleep(3)
    foreign = [each for each in bridge.readings() if each["payload"]["values"].get("line") == stranger.mark]
    report.check("it is not asked, and nothing of it is taken for a meter's",
                 not foreign and len(stranger.requests) == before, f"{len(stranger.requests) - before} requests")


def replugged(board, report):
    """The stranger has taken the old name: the gateway's own adapter comes back under another, in another socket."""
    plugged = board.machine.plug(board.line, 2)
    first = await_true(20, "a request on the line", lambda: board.line.first_request_after(plugged), 0.02)
    node = board.machine.must(f"readlink -f /dev/fieldgw/by-serial/{board.line.serial}")
    settled = board.settled_after(node)
    report.check("replugged under another name: polled again within 2 s, or 4 times what kernel and udev took",
                 first - plugged < max(2, 4 * settled) and node != "/dev/ttyUSB0",
                 f"{first - plugged:.2f} s after the plug, {settled:.2f} s of it kernel and udev, {node}")
    acknowledged = board.reading_after(plugged)
    await_true(20, "all are attached again", lambda: set(board.bridge.attached()) == set(DEVICES))
    report.check("attached again, readings acknowledged", True, f"{acknowledged - plugged:.1f} s after the plug")
    await_true(20, "meter-1 is online", lambda: board.bridge.state("meter-1").get("status") == "online")
    report.check("online at the bridge", True)


def newcomer_is_scanned(board, report):
    """`scanAdapters`: an adapter that no port means, and who is on its line."""
    machine, bridge = board.machine, board.bridge
    board.configure(board.configuration(units=(1, 2, 3), scans=True))
    machine.must("systemctl reload fieldgw")
    plugged = machine.plug(board.newcomer, 3)
    def told():
        return [each["payload"]["adapter"] for each in bridge.messages() if each["subfolder"] == "health"
                and each["payload"].get("adapter", {}).get("serial") == board.newcomer.serial
                and "scan" in each["payload"]["adapter"]]
    scan = await_true(120, "an unknown adapter's line is scanned", told, 0.5)[0]["scan"]
    took = time.monotonic() - plugged
    board.put("found.json5", scan.get("configuration", ""))
    code, text = machine.sh("fieldgw check /mnt/found.json5")
    units = [each["unit"] for each in scan["units"]]
    report.check("scanAdapters: who is on an unknown adapter's line, with a configuration that check accepts",
                 units == board.newcomer.units and code == 0 and board.newcomer.serial in scan["configuration"], f"units {units} after {took:.0f} s {text if code else ''}")
    machine.unplug(board.newcomer)


def service_is_sound(board, report):
    text = board.machine.must("systemd-analyze security fieldgw --no-pager")
    exposure = re.search(r"exposure level for fieldgw.service: ([0-9.]+)", text)
    report.check("systemd-analyze security: 2.0 or less", exposure and float(exposure.group(1)) <= 2.0,
                 exposure.group(1) if exposure else "not told")
    started = int(board.unit("ActiveEnterTimestampMonotonic"))
    def fed():
        last = int(board.unit("WatchdogTimestampMonotonic"))
        return last > started + 1_000_000 and last
    last = await_true(40, "the watchdog is fed", fed, 1)
    report.check("watchdog fed, never restarted", board.unit("NRestarts") == "0",
                 f"{(last - started) / 1e6:.0f} s after the start, of {board.unit('WatchdogUSec')}; {board.unit('StatusText')}")


def power_cut(board, report, seed):
    """The bridge away, the journal filling, the power gone at a moment that nobody chose."""
    machine = board.machine
    board.configure(board.configuration(units=(1, 2, 3), every="100ms"))
    machine.must("systemctl reload fieldgw")
    board.bridge.order("away")
    waiting = board.status()["spool"]["waiting"]
    await_true(30, "thirty readings wait", lambda: board.status()["spool"]["waiting"] >= waiting + 30)
    before = exported(board)
    delay = random.Random(seed).uniform(0.5, 3.5)
    cut = threading.Timer(delay, machine.cut)
    cut.start()
    synced = 0
    try:
        while True:
            synced = max(synced, board.status()["spool"]["syncedSeq"])
    except (Trouble, OSError):
        cut.join()
    at = time.time()
    report.check("power cut while the journal is written to", synced > max(before) - 100,
                 f"qemu killed after {delay:.2f} s (seed {seed}); {synced - min(before) + 1} records were synced")
    begun = board.boot()
    machine.plug(board.line)
    machine.login()
    await_true(60, "the gateway runs", lambda: board.unit("ActiveState") == "active")
    report.check("boots again, the gateway starts by itself", True, f"{time.monotonic() - begun:.0f} s after power came back")
    code, text = machine.sh(f"fieldgw spool verify {SPOOL}")
    report.check("journal recovered: verify finds no damage", code == 0, text.splitlines()[-1])
    after = exported(board)
    missing = [seq for seq in range(min(before), synced + 1) if seq not in after]
    changed = [seq for seq in before if seq <= synced and after.get(seq, before[seq]) != before[seq]]
    report.check("no synced record lost or changed", not changed and not missing,
                 f"missing {missing[:5]}, changed {changed[:5]}" if missing or changed else
                 f"{synced - min(before) + 1} of {synced - min(before) + 1} there")
    board.bridge.order("back")
    arrives(board, report, after, synced, at)


def exported(board):
    """What waits in the journal: its payloads by their seq."""
    rows = board.machine.must(f"fieldgw spool export {SPOOL} 2>/dev/null").splitlines()
    return {each["seq"]: each["payload"] for each in map(json.loads, rows)}


def arrives(board, report, waited, synced, cut_at):
    """Each record of before the cut is at the bridge, once or as the same one again, and the numbers have no hole."""
    def received():
        return {each["payload"]["seq"]: each["payload"] for each in board.bridge.messages() if each["kind"] == "event"}
    await_true(60, "what waited arrives", lambda: all(seq in received() for seq in waited))
    # New readings go out beside what had waited: up to here all have to come.
    last, first = max(received()), min(received())
    await_true(30, f"all records up to {last} arrive",
               lambda: sum(1 for seq in received() if seq <= last) == last - first + 1)
    there = received()
    different = [seq for seq, payload in waited.items() if there[seq].get("values") != payload.get("values")]
    report.check("every synced record arrived, as it was recorded", not different and synced in there,
                 f"different: {different[:5]}" if different else f"{len(waited)} had waited")
    report.check("sequence numbers without a hole over the whole life", True, f"{last - first + 1} records")
    readings = [each for each in board.bridge.readings() if board.served_at(each)]
    seen = {(each["device"], each["payload"]["values"]["count"]) for each in readings}
    lost = [at for (unit, count), at in board.line.served.items() if at <= cut_at and (f"meter-{unit}", count) not in seen
            and not any(abs(at - cut) < 3 for cut in board.cuts)]
    older = [at for at in lost if at < cut_at - 2 * Pace.factor]
    board.cuts.append(cut_at)
    report.check(f"lost with the power: less than {2 * Pace.factor:.0f} s of readings", not older,
                 f"answers of the last {cut_at - min(lost, default=cut_at):.2f} s" if not older else f"{len(older)} older ones")
    records = {(each["device"], each["payload"]["values"]["count"], each["payload"]["seq"]) for each in readings}
    report.check("no value twice, no time wrong", len(records) == len(seen) and worst_time(board, readings) < 2 * Pace.factor,
                 f"{len(readings)} readings, at most {worst_time(board, readings):.2f} s off")


def stops(board, report):
    board.reading_after(time.monotonic())
    begun = time.monotonic()
    code, text = board.machine.sh("systemctl stop fieldgw")
    result, status = board.unit("Result"), board.unit("ExecMainStatus")
    report.check("systemctl stop: clean", code == 0 and (result, status) == ("success", "0"),
                 f"{time.monotonic() - begun:.1f} s, {result}, exit code {status} {text}")
    refused = board.machine.must("journalctl --quiet --no-pager --output=cat --grep='seccomp|SIGSYS|traps:|segfault' || true")
    report.check("nothing of it was killed or refused by the kernel", not refused, refused[:100])
