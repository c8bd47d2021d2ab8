"""board/emulated --shell: the same board, and its faults by hand."""
import cmd
import shlex
import time

import checks
from machine import Trouble


class Prompt(cmd.Cmd):
    """Each method is a word to type; its documentation is what `help` says."""

    prompt = "board> "
    intro = ("The gateway is installed and polls units 1 and 2 of a simulated line.\n"
             "Words: sh, plug, unplug, swap, half, cut, boot, bridge, readings, quit; help WORD tells more.")

    def __init__(self, board, report):
        super().__init__()
        self.board, self.report = board, report

    def run(self):
        begun = self.board.boot()
        self.report.say("booting (half a minute)")
        self.board.machine.login()
        checks.installs(self.board, self.report)
        self.board.machine.plug(self.board.line)
        self.board.reading_after(begun)
        self.cmdloop()

    def onecmd(self, line):
        try:
            return super().onecmd(line)
        except (Trouble, ValueError, OSError) as trouble:
            print(trouble)
            return False

    def emptyline(self):
        return False

    def do_sh(self, line):
        """sh COMMAND: runs it as root on the board"""
        code, text = self.board.machine.sh(line, 300)
        print(text + (f"\nexit code {code}" if code else ""))

    def do_plug(self, line):
        """plug [SOCKET]: the gateway's adapter into USB socket 1 to 4"""
        self.board.machine.plug(self.board.line, int(line or 1))

    def do_unplug(self, line):
        """unplug: the gateway's adapter; unplug stranger: the other one"""
        self.board.machine.unplug(self.board.stranger if line == "stranger" else self.board.line)

    def do_half(self, line):
        """half [BYTES]: unplugs the gateway's adapter after so many bytes of a reply (4)"""
        self.board.line.break_reply(int(line or 4))
        self.board.machine.unplug(self.board.line)

    def do_swap(self, line):
        """swap [SOCKET]: plugs in an adapter with another serial number and another line behind it"""
        self.board.machine.plug(self.board.stranger, int(line or 1))

    def do_cut(self, line):
        """cut [SECONDS]: the power, now or in a while"""
        time.sleep(float(line or 0))
        self.board.machine.cut()

    def do_boot(self, line):
        """boot [noclock]: power on after a cut, with the gateway's adapter plugged in"""
        self.board.boot(has_clock=line != "noclock")
        self.board.machine.plug(self.board.line)
        self.board.machine.login()

    def do_bridge(self, line):
        """bridge ORDER: away, back, mute 20s, drop-pubacks 50, …: fieldsim bridge --help has them all"""
        self.board.bridge.order(" ".join(shlex.split(line)))

    def do_readings(self, line):
        """readings [N]: the last N (5) that the bridge has, and what it counts"""
        for each in self.board.bridge.readings()[-int(line or 5):]:
            print(each["device"], each["payload"])
        print("attached:", ", ".join(self.board.bridge.attached()), self.board.bridge.counts())

    def do_quit(self, _line):
        """quit: ends the board and everything around it"""
        return True

    do_EOF = do_quit
