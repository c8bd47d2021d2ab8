"""What udev makes of adapters with our rules, without a daemon or an adapter:
    umockdev-wrapper /usr/bin/python3 udev-rules.py 70-fieldgw.rules FOLDER
Draws each device in a test bed and runs `udevadm test` on it, in a mount namespace in which our rules stand beside
udev's own and nothing of this machine is written. Prints one JSON object: links, group, mode and properties by device."""
import json
import os
import re
import shutil
import subprocess
import sys

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev  # noqa: E402

RULES = "/usr/lib/udev/rules.d"
# Kind: driver, vendor, product, serial, node, interface
USB = {
    "ftdi": ("ftdi_sio", "0403", "6001", "A50285BI", "ttyUSB0", "00"),
    "ftdi-dual": ("ftdi_sio", "0403", "6010", "FT4XYZ", "ttyUSB1", "01"),
    "cp210x": ("cp210x", "10c4", "ea60", "02A7C3F1", "ttyUSB2", "00"),
    "cp210x-clone": ("cp210x", "10c4", "ea60", "0001", "ttyUSB3", "00"),
    "ch340": ("ch341-uart", "1a86", "7523", None, "ttyUSB4", "00"),
    "pl2303": ("pl2303", "067b", "2303", None, "ttyUSB5", "00"),
    "cdc-acm": ("cdc_acm", "2341", "0043", "7543932383", "ttyACM0", "00"),
    "modem": ("option", "12d1", "1001", "M1", "ttyUSB6", "00"),
}
SCRIPT = """
mount -t tmpfs none "$1/dev" && : >"$1/dev/null" && mount --bind /dev/null "$1/dev/null" && mount --rbind "$1/dev" /dev
mount -t tmpfs none /run && mkdir /run/udev
mount --bind "$1/rules" "$2" && [ ! -d /etc/udev/rules.d ] || mount --bind "$1/empty" /etc/udev/rules.d
exec udevadm test --action=add "$3"
"""


def draw(bed):
    """The sysfs paths of every device, the tty first."""
    host = bed.add_device("pci", "0000:00:14.0", None, ["vendor", "0x8086", "device", "0x9d2f"], ["SUBSYSTEM", "pci"])
    hub = bed.add_device("usb", "usb1", host, ["idVendor", "1d6b", "idProduct", "0002"], ["DEVTYPE", "usb_device"])
    places = {}
    for number, (kind, (driver, vendor, product, serial, node, interface)) in enumerate(USB.items(), 1):
        facts = ["idVendor", vendor, "idProduct", product, "manufacturer", "Maker", "product", "Thing", "busnum", "1", "devnum", str(number)]
        device = bed.add_device("usb", f"1-{number}", hub, facts + (["serial", serial] if serial else []), ["DEVTYPE", "usb_device"])
        card = bed.add_device(
            "usb", f"1-{number}:1.{int(interface)}", device,
            ["bInterfaceNumber", interface, "bInterfaceClass", "ff", "bInterfaceSubClass", "ff", "bInterfaceProtocol", "ff"],
            ["DEVTYPE", "usb_interface", "DRIVER", driver])
        port = card
        if node.startswith("ttyUSB"):
            port = bed.add_device("usb-serial", node, card, ["port_number", "0", "latency_timer", "16"], ["DRIVER", driver])
            bed.set_attribute_link(port, "driver", f"../../../../../../bus/usb-serial/drivers/{driver}")
        minor = node[6:]
        tty = bed.add_device("tty", node, port, ["dev", f"188:{minor}"], ["DEVNAME", f"/dev/{node}", "MAJOR", "188", "MINOR", minor])
        places[kind] = (tty, port)
    soc = bed.add_device("platform", "soc", None, [], [])
    for kind, bus, place, node, major in (
            ("pl011", "amba", "fe201000.serial", "ttyAMA0", "204"), ("mini-uart", "platform", "fe215040.serial", "ttyS0", "4"),
            ("pc", "platform", "serial8250", "ttyS1", "4")):
        board = bed.add_device(bus, place, soc, [], [])
        places[kind] = (bed.add_device(
            "tty", node, board, ["dev", f"{major}:64"], ["DEVNAME", f"/dev/{node}", "MAJOR", major, "MINOR", "64"]), board)
    return places


def judge(folder, path):
    namespace = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-rm"]
    ran = subprocess.run(
        namespace + ["--propagation", "private", "sh", "-ec", SCRIPT, "sh", folder, RULES, path],
        capture_output=True, text=True, timeout=30)
    text = ran.stdout + ran.stderr
    ours = "70-fieldgw.rules:[0-9]+ "
    properties = dict(re.findall(r"^([A-Z_]+)=(.*)$", ran.stdout, re.M))
    return {
        "code": ran.returncode,
        "error": ran.stderr[-300:] if ran.returncode else "",
        "links": sorted(set(re.findall(ours + r"LINK '([^']+)'", text))),
        "group": (re.findall(ours + r"GROUP (\d+)", text) + [""])[0],
        "mode": (re.findall(ours + r"MODE (\d+)", text) + [""])[0],
        "writes": sorted(set(re.findall(ours + r"ATTR '[^']*/([a-z_]+)' writing '([^']*)'", text))),
        "tags": properties.get("TAGS", ""),
        "properties": {name: properties[name] for name in properties if name.startswith(("ID_MM_", "ID_PATH", "BRLTTY"))},
        "complaints": [line for line in text.splitlines() if "70-fieldgw.rules" in line and re.search("nvalid|gnoring|nknown", line)],
    }


def main(rules, folder):
    for name in ("rules", "empty", "dev"):
        os.makedirs(f"{folder}/{name}", exist_ok=True)
    for name in ("50-udev-default.rules", "60-serial.rules"):
        shutil.copy(f"{RULES}/{name}", f"{folder}/rules/")
    shutil.copy(rules, f"{folder}/rules/70-fieldgw.rules")
    bed = UMockdev.Testbed.new()
    places = draw(bed)
    result = {kind: judge(folder, tty) for kind, (tty, _) in places.items()}
    result["ftdi-port"] = judge(folder, places["ftdi"][1])
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
