"""board/emulated's second half: see there."""
import argparse
import os
import random
import shutil
import signal
import sys
import tempfile

import checks
from board import Board
from machine import Trouble
from prompt import Prompt
from report import Report


def life(board, report, seed, cuts):
    """A board's life from the first power-on to the last stop."""
    for step in (checks.boots_without_clock, checks.installs, checks.rule_fires, checks.wrong_clock, checks.reloads,
                 checks.unplugged_in_a_reply, checks.stranger_in_its_place, checks.replugged,
                 checks.newcomer_is_scanned, checks.service_is_sound):
        step(board, report)
    for number in range(cuts):
        checks.power_cut(board, report, seed + number)
    checks.stops(board, report)


def main():
    parser = argparse.ArgumentParser(prog="board/emulated", add_help=False)
    for name in ("image", "package", "fieldsim"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--keep")
    parser.add_argument("--shell", action="store_true")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--cuts", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = options.keep or tempfile.mkdtemp(prefix="fieldgw-board-")
    os.makedirs(folder, exist_ok=True)
    report, board = Report(), None
    try:
        board = Board(options.image, options.package, options.fieldsim, folder)
        if options.shell:
            Prompt(board, report).run()
            return True
        life(board, report, options.seed if options.seed is not None else random.randrange(10_000), options.cuts)
    except Trouble as trouble:
        report.check("went on", False, str(trouble))
        if board:
            print(board.last_words())
    except KeyboardInterrupt:
        report.check("went on", False, "interrupted")
    finally:
        if board:
            board.end()
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    is_good = report.table()
    if options.keep:
        print(f"kept in {folder}: the disk, the consoles, what the bridge and the lines said")
    return is_good


sys.exit(0 if main() else 1)
