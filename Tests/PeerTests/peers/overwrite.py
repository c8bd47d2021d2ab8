"""overwrite.py BINARIES WORK TIMES SEED: random bytes are overwritten in a copy of a journal directory.

Every time it must start, offer no record that was not written, and own up to what it lost; `spool verify`
must end too, and say so.
"""
import json
import os
import random
import shutil
import subprocess
import sys

binaries, work, times, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
chance = random.Random(seed)
original, copy = os.path.join(work, "spool"), os.path.join(work, "copy")
problems = []


def journal(directory, records, *words):
    made = subprocess.run(
        [f"{binaries}/fieldsim", "journal", directory, "--records", str(records), "--size", "120", "--devices", "5",
         "--max-bytes", str(4 << 20), "--announce", *words], capture_output=True, text=True, timeout=60)
    lines = [line.split(" ", 2) for line in made.stdout.splitlines()[:-1]]
    return made.returncode, {(device, int(seq)): body for seq, device, body in lines}


def gaps(found):
    return sum(json.loads("{" + body + "}")["count"] for (device, _), body in found.items() if device == "gw-1")


# Two runs of the process: several segments, and what waits in each of them.
_, written = journal(original, 4000)
_, more = journal(original, 3000)
written |= more
lost_at_all = 0
for index in range(times):
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(original, copy)
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        name = os.path.join(copy, chance.choice([n for n in os.listdir(copy) if n.startswith("seg-")]))
        size = os.path.getsize(name)
        with open(name, "r+b") as file:
            file.seek(chance.randrange(min(size, chance.choice([size, 16384]))))
            file.write(chance.randbytes(chance.choice([1, 8, 100, 1000, 5000])))
    try:
        verify = subprocess.run([f"{binaries}/fieldgw", "spool", "verify", copy], capture_output=True, timeout=60)
        if verify.returncode not in (0, 65):
            problems.append(f"{index}: verify answers {verify.returncode}")
        code, found = journal(copy, 1, "--settle")
    except subprocess.TimeoutExpired:
        problems.append(f"{index}: it hangs")
        continue
    if code != 0:
        problems.append(f"{index}: exit code {code}")
        continue
    readings = {key: body for key, body in found.items() if key[0] != "gw-1"}
    new = [key for key in readings if key not in written]
    if len(new) != 1:
        problems.append(f"{index}: {len(new)} records that were not there before, one was appended")
    for key, body in readings.items():
        if key in written and written[key] != body:
            problems.append(f"{index}: {key} is offered with other content")
    lost, told = len(written) - (len(readings) - len(new)), gaps(found)
    lost_at_all += lost
    # To the record, but where the newest settled page is hit as well as the end of its file.
    if lost > 0 and told == 0 or told < lost * 0.9 or told > lost + 5:
        problems.append(f"{index}: {lost} lost, {told} told")
    if lost > 0 and verify.returncode != 65:
        problems.append(f"{index}: {lost} lost, and verify calls it clean")
print(json.dumps({"times": times, "records": len(written), "lost": lost_at_all, "problems": problems[:20]}))
sys.exit(1 if problems else 0)
