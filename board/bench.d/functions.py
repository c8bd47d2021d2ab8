"""The measuring half of board/bench functions: see there.

Arguments, three for each program: the folder it is in, the folder of its Swift libraries, its root folder.
"""
import bisect
import glob
import os
import re
import subprocess
import sys
import tempfile
import time
import types

HERE = os.path.dirname(os.path.abspath(__file__))
SETTLED, SECONDS = 12, 75   # a minute and more: the health event is one of those things that come every minute


def bench_bus():
    """board/bench bus, which has the workload, as a module."""
    module = types.ModuleType("bus")
    module.__file__ = os.path.join(HERE, "bus")
    with open(module.__file__) as file:
        exec(compile(file.read(), module.__file__, "exec"), module.__dict__)
    return module


def text_of_one_piece(libraries):
    """Functions of the libraries that share one section of more than a megabyte."""
    found, section = set(), None
    for library in glob.glob(os.path.join(libraries, "libswift*.a")):
        listing = subprocess.run(["readelf", "-SsW", library], capture_output=True, text=True).stdout
        for line in listing.splitlines():
            if line.startswith("File:"):
                section = None
            elif match := re.match(r"\s*\[\s*(\d+)\] \.text +PROGBITS", line):
                section = match.group(1)
            else:
                word = line.split()
                if len(word) == 8 and word[3] == "FUNC" and word[6] == section:
                    found.add(word[7])
    return found


def symbols(program):
    """Address: (size, its names)."""
    found = {}
    for line in subprocess.run(["nm", "-S", program], capture_output=True, text=True).stdout.splitlines():
        word = line.split()
        if len(word) == 4 and word[2] in "tTwW":
            found.setdefault(int(word[0], 16), (int(word[1], 16), []))[1].append(word[3])
    return found


def run_functions(dump, program):
    """Names of the functions of which callgrind saw an instruction, one for each."""
    table = symbols(program)
    starts = sorted(table)
    found, place = set(), None
    with open(dump) as file:
        for line in file:
            if line.startswith("ob="):
                place = line[3:].strip()
            elif line.startswith("0x") and place == program:
                address = int(line.split()[0], 16)
                start = starts[bisect.bisect_right(starts, address) - 1]
                if start <= address < start + table[start][0]:
                    found.add(start)
    return {min(table[start][1], key=lambda name: (len(name), name)) for start in found}


def profile(bus, folder, binaries, root):
    """The functions that fieldgw of this folder runs once it has settled, with one unit of eight dead, and when it is
    asked for its status."""
    program = os.path.join(folder, "program")
    subprocess.run(["objcopy", "--strip-debug", os.path.join(binaries, "fieldgw"), program], check=True)
    libraries = os.path.join(root, "usr/lib/x86_64-linux-gnu")
    loader = [] if root == "/" else [
        os.path.join(root, "lib64/ld-linux-x86-64.so.2"), "--library-path", libraries]
    dump = os.path.join(folder, "dump")
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={dump}", "--dump-instr=yes", "--dump-line=no",
                "--compress-strings=no", "--compress-pos=no"]
    wrapper = os.path.join(folder, "fieldgw")
    with open(wrapper, "w") as file:
        plain = " ".join(loader + [program])
        file.write(f"#!/bin/sh\n[ \"$1\" != run ] || exec {' '.join(valgrind)} {plain} \"$@\"\nexec {plain} \"$@\"\n")
    os.chmod(wrapper, 0o755)

    os.environ["FIELDGW_BINARIES"] = sys.argv[1]
    broker, port, _ = bus.mosquitto(folder)
    with broker:
        shell, link = bus.bus(folder, 115200, "none", dead=(7,))
        os.environ["FIELDGW_BINARIES"] = folder
        path = bus.configuration(
            folder, link, 115200, "none", "1s",
            f"host: \"localhost\", port: {port}, ca: \"{folder}/ca.pem\", gateway: \"gw-1\"", timeout="500ms")
        with shell, bus.gateway(folder, path, needs_bridge=True) as gateway:
            control = ["callgrind_control", str(gateway.child.pid)]
            time.sleep(SETTLED)
            subprocess.run(control + ["--zero"], check=True, stdout=sys.stderr)
            time.sleep(SECONDS)
            bus.status(folder)
            subprocess.run(control + ["--dump"], check=True, stdout=sys.stderr)
            time.sleep(1)
    return run_functions(dump + ".1", program)


def main():
    bus = bench_bus()
    names, last = set(), set()
    for index in range(1, len(sys.argv), 3):
        binaries, libraries, root = sys.argv[index:index + 3]
        bus.say(f"{binaries}: a minute and a half under valgrind")
        with tempfile.TemporaryDirectory() as folder:
            names |= profile(bus, folder, binaries, root)
            last |= text_of_one_piece(libraries)
    print("# The functions that a settled gateway runs: made by board/bench functions, read by the linker.")
    # That section would come to where the first of its functions is named, in the midst of the others.
    print("\n".join(sorted(names - last) + sorted(names & last)))


main()
