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
             "What the gateway and the bridge say of each fault follows it.\n"
             "Words: sh, plug, unplug, swap, half, cut, boot, bridge, readings, quit; help WORD tells more.")

    def __init__(self, board, report):
        super().__init__()
        self.board, self.report = board, report
        self.cursor, self.states, self.attached = "", {}, ""

    def run(self):
        begun = self.board.boot()
        self.report.say("booting (half a minute)")
        self.board.machine.login()
        checks.installs(self.board, self.report)
        self.board.machine.plug(self.board.line)
        self.board.reading_after(begun)
        self._news()
        self.cmdloop()

    def onecmd(self, line):
        try:
            return super().onecmd(line)
        except (Trouble, ValueError, OSError) as trouble:
            print(trouble)
            return False

    def _what_happens(self, seconds=20, quiet=3):
        """The gateway's new log lines and the devices' states at the bridge, until nothing new has come for a while."""
        begun = heard = time.monotonic()
        while (now := time.monotonic()) < begun + seconds and now < heard + quiet + (2 if heard == begun else 0):
            for line in self._news():
                print(f"{now - begun:5.1f} s  {line}", flush=True)
                heard = now
            time.sleep(0.3)
        if heard == begun:
            print("nothing was said of it")

    def _news(self):
        since = f"--after-cursor='{self.cursor}'" if self.cursor else "--boot"
        log = self.board.log(since, "--show-cursor")
        lines = []
        for line in log.splitlines():
            if line.startswith("-- cursor: "):
                self.cursor = line.partition(": ")[2]
            else:
                lines.append(f"gateway: {line}")
        for device in checks.DEVICES:
            state = self.board.bridge.state(device)
            words = state and " ".join(filter(None, [state["status"], state.get("error") and f"({state['error']})"]))
            if words and self.states.get(device) != words:
                self.states[device] = words
                lines.append(f"bridge: {device} is {words}")
        attached = ", ".join(self.board.bridge.attached()) or "nobody"
        if attached != self.attached:
            self.attached = attached
            lines.append(f"bridge: attached: {attached}")
        return lines

    def emptyline(self):
        return False

    def do_sh(self, line):
        """sh COMMAND: runs it as root on the board"""
        code, text = self.board.machine.sh(line, 300)
        print(text + (f"\nexit code {code}" if code else ""))

    def do_plug(self, line):
        """plug [SOCKET]: the gateway's adapter into USB socket 1 to 4"""
        self.board.machine.plug(self.board.line, int(line or 1))
        self._what_happens()

    def do_unplug(self, line):
        """unplug: the gateway's adapter; unplug stranger: the other one"""
        self.board.machine.unplug(self.board.stranger if line == "stranger" else self.board.line)
        # Devices are detached when they have been gone for a quarter of a minute.
        self._what_happens(*((5, 3) if line == "stranger" else (25, 18)))

    def do_half(self, line):
        """half [BYTES]: unplugs the gateway's adapter after so many bytes of a reply (4)"""
        self.board.line.break_reply(int(line or 4))
        self.board.machine.unplug(self.board.line)
        self._what_happens(15, 8)

    def do_swap(self, line):
        """swap [SOCKET]: plugs in an adapter with another serial number and another line behind it"""
        self.board.machine.plug(self.board.stranger, int(line or 1))
        self._what_happens()

    def do_cut(self, line):
        """cut [SECONDS]: the power, now or in a while"""
        time.sleep(float(line or 0))
        self.board.machine.cut()
        self.cursor = ""
        print("the board is off: boot starts it again")

    def do_boot(self, line):
        """boot [noclock]: power on after a cut, with the gateway's adapter plugged in"""
        self.board.boot(has_clock=line != "noclock")
        self.board.machine.plug(self.board.line)
        self.board.machine.login()
        self._what_happens()

    def do_bridge(self, line):
        """bridge ORDER: away, back, mute 20s, drop-pubacks 50, …: fieldsim bridge --help has them all"""
        self.board.bridge.order(" ".join(shlex.split(line)))
        self._what_happens()

    def do_readings(self, line):
        """readings [N]: the last N (5) that the bridge has, and what it counts"""
        for each in self.board.bridge.readings()[-int(line or 5):]:
            print(each["device"], each["payload"])
        print("attached:", ", ".join(self.board.bridge.attached()), self.board.bridge.counts())

    def do_quit(self, _line):
        """quit: ends the board and everything around it"""
        return True

    do_EOF = do_quit
