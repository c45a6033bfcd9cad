"""The live view as a person sees it: on a terminal of its own, read back by an emulator."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path

import pyte
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SEEDS = (7, 42, 101, 202)
# Eight states on four seeds, of which one job fails; it waits for a key before every third.
PROGRAM = """
import logging, sys
from types import SimpleNamespace
from scripts.view import Planned, View

view = View(sys.stderr, progress=True)
rules = [f"s{n}_state" for n in range(1, 9)]
jobs = {n: Planned(rules[n // 4], str((7, 42, 101, 202)[n % 4]), "") for n in range(32)}

def event(kind, **said):
    record = logging.LogRecord("snakemake.logging", logging.INFO, "", 0, "", (), None)
    record.event = SimpleNamespace(value=kind)
    record.__dict__.update(said)
    view.emit(record)

view.begin(jobs)
try:
    for number in range(32):
        if number == 13:
            event("job_error", rule_name="s4_state", jobid=number, log=[])
        else:
            event("job_finished", job_id=number)
        if number == 15:
            sys.stdin.readline()
    sys.stdin.readline()
except KeyboardInterrupt:
    pass
finally:
    view.end()
print("certify failed: mine")
"""
COLOUR = re.compile(rb"\x1b\[[0-9;]*m")


@dataclass
class Terminal:
    """A program on a terminal, and the screen that it drew."""

    columns: int
    rows: int = 24

    def start(self, environment):
        """Run the program."""
        self.screen = pyte.Screen(self.columns, self.rows)
        self.stream, self.raw = pyte.ByteStream(self.screen), b""
        self.process, self.file = pty.fork()
        if self.process == 0:
            os.chdir(REPOSITORY)
            given = {"TERM": "xterm-256color", "PATH": os.environ["PATH"], **environment}
            os.execve(sys.executable, [sys.executable, "-c", PROGRAM], given)
        self.size(self.columns)
        return self

    def size(self, columns):
        """Give the terminal another width, and tell the program."""
        size = struct.pack("HHHH", self.rows, columns, 0, 0)
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, size)
        self.screen.resize(self.rows, columns)
        self.columns = columns

    def until(self, text, patience=20.0):
        """Lines on the screen once one of them holds a text."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            lines = [line.rstrip() for line in self.screen.display]
            if any(text in line for line in lines):
                return lines
            if select.select([self.file], [], [], 0.1)[0]:
                self.read()
        raise AssertionError(f"{text!r} is not on the screen: {self.screen.display}")

    def read(self):
        """Take what the program wrote; nothing once it has ended."""
        try:
            said = os.read(self.file, 65536)
        except OSError:
            return b""
        self.raw += said
        self.stream.feed(said)
        return said

    def press(self, key=b"\n"):
        """Press a key."""
        os.write(self.file, key)

    def end(self):
        """Lines on the screen when the program has ended, without empty ones; its status."""
        while self.read():
            pass
        _, status = os.waitpid(self.process, 0)
        lines = [line.rstrip() for line in self.screen.display]
        return [line for line in lines if line], os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("columns", [100, 60, 40])
def test_states_by_seeds_fit_the_terminal_and_go_at_the_end(columns):
    terminal = Terminal(columns).start({})
    lines = terminal.until("15 of 32 jobs")
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("S")}
    assert list(rows) == [f"S{n}" for n in range(1, 9)]
    assert rows["S1"] == ["1/1"] * 4
    assert rows["S4"] == ["1/1", "0/1", "1/1", "1/1"]
    assert rows["S8"] == ["0/1"] * 4
    head = " ".join(lines)
    assert all(str(seed) in head for seed in SEEDS)
    assert "FAIL s4_state seed 42: ended without a word" in "".join(lines)
    terminal.press()
    terminal.until("31 of 32 jobs")
    terminal.press()
    left, status = terminal.end()
    assert status == 0
    assert [line for line in left if line.startswith("S")] == []
    assert left[-1] == "certify failed: mine"
    assert sum("FAIL s4_state" in line for line in left) == 1


def test_seeds_that_do_not_fit_side_by_side_are_counted_together():
    terminal = Terminal(30).start({})
    lines = terminal.until("15 of 32 jobs")
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("S")}
    assert rows["S1"] == ["4/4"]
    assert rows["S4"] == ["3/4"]
    assert any(line.strip() == "all seeds" for line in lines)
    terminal.press()
    terminal.press()
    assert terminal.end()[0][-1] == "certify failed: mine"


def test_a_narrower_terminal_keeps_the_table_whole():
    terminal = Terminal(100).start({})
    terminal.until("15 of 32 jobs")
    terminal.size(50)
    os.kill(terminal.process, signal.SIGWINCH)
    terminal.press()
    lines = terminal.until("31 of 32 jobs")
    last = [line for line in lines if line.startswith("S8")]
    assert last[-1].split() == ["S8", *["1/1"] * 4]
    terminal.press()
    assert terminal.end()[0][-1] == "certify failed: mine"


def test_an_interrupt_takes_the_table_away_and_gives_the_cursor_back():
    terminal = Terminal(80).start({})
    terminal.until("15 of 32 jobs")
    terminal.press(b"\x03")
    left, _ = terminal.end()
    assert not any(re.match(r"S\d ", line) for line in left)
    assert left[-1] == "certify failed: mine"
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l") > -1


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_none_is_wanted(environment):
    terminal = Terminal(80).start(environment)
    terminal.until("FAIL s4_state")
    terminal.press()
    terminal.press()
    left, status = terminal.end()
    assert status == 0
    assert not COLOUR.search(terminal.raw)
    if environment.get("TERM") == "dumb":
        assert b"\x1b" not in terminal.raw
        assert any(line.startswith("32 jobs to run") for line in left)
