"""What the demo prints: headings, progress of long work, tables. Colours only for people at a terminal."""

import os
import re
import subprocess
import sys
import threading
import time

TTY = sys.stdout.isatty()
COLOUR = TTY and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
PLAIN_PROGRESS_SECONDS = 20


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def bold(text):
    return paint("1", text)


def dim(text):
    return paint("2", text)


def good(text):
    return paint("32", text)


def bad(text):
    return paint("31", text)


def heading(text):
    print(f"\n{bold(text)}", flush=True)


def say(text):
    print(f"  {text}", flush=True)


def command(words):
    """Shows a command as one would type it."""
    say(dim("$ ") + " ".join(words))


class Failure(Exception):
    """Something was not right; the text is for the person at the terminal."""


class progress:
    """Tells that work goes on: a running clock at a terminal, a line now and then elsewhere."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        self.began, self.done = time.monotonic(), threading.Event()
        self.thread = threading.Thread(target=self._tick, daemon=True)
        self.thread.start()
        return self

    def _tick(self):
        while not self.done.wait(0.5 if TTY else PLAIN_PROGRESS_SECONDS):
            line = f"  {self.what} … {self.seconds:.0f} s"
            print(f"\r{line}" if TTY else line, end="" if TTY else "\n", flush=True)

    @property
    def seconds(self):
        return time.monotonic() - self.began

    def __exit__(self, kind, *_):
        self.done.set()
        self.thread.join()
        if TTY:
            print("\r\033[K", end="")
        if kind is None:
            say(f"{self.what}: {self.seconds:.1f} s")


def run(words, *, seconds, env=None, what=None, cwd=None):
    """Runs a command to its end, within a time, and gives its output; a failing one is told with its last lines."""
    try:
        done = subprocess.run(words, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Failure(f"{what or words[0]}: not done within {seconds} s") from None
    if done.returncode != 0:
        tail = "\n".join(f"    {line}" for line in done.stdout.strip().splitlines()[-15:])
        raise Failure(f"{what or ' '.join(words)}: exit status {done.returncode}\n{tail}")
    return done.stdout


def table(header, rows):
    """Columns as wide as they must be; numbers to the right."""
    cells = [header, *[[str(cell) for cell in row] for row in rows]]
    width = [max(len(_bare(row[i])) for row in cells) for i in range(len(header))]
    for number, row in enumerate(cells):
        texts = []
        for i, cell in enumerate(row):
            pad = " " * (width[i] - len(_bare(cell)))
            texts.append(pad + cell if re.match(r"^[\d.,]+( \w+)?$", _bare(cells[1][i])) else cell + pad)
        line = "  ".join(texts).rstrip()
        say(bold(line) if number == 0 else line)


def _bare(text):
    return re.sub(r"\033\[\d*m", "", text)
