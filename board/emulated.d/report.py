"""What was checked, as it happens and as a table at the end."""
import sys
import time


class Report:
    def __init__(self):
        self.rows = []
        self._begun = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self._begun

    def say(self, words):
        print(f"{self.seconds:6.1f} s  {words}", flush=True)

    def check(self, what, is_good, detail=""):
        """One row of the table; gives `is_good` back."""
        self.rows.append((bool(is_good), what, detail))
        self.say(f"{'ok    ' if is_good else 'FAILED'}  {what}{': ' if detail else ''}{detail}")
        return bool(is_good)

    def table(self):
        failed = [row for row in self.rows if not row[0]]
        width = max([len(row[1]) for row in self.rows] or [0])
        print()
        for is_good, what, detail in self.rows:
            print(f"{'ok    ' if is_good else 'FAILED'}  {what:{width}}  {detail}".rstrip())
        print(f"\n{len(self.rows) - len(failed)} of {len(self.rows)} checks passed in {self.seconds:.0f} s")
        sys.stdout.flush()
        return not failed and bool(self.rows)
