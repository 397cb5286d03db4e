"""An interrupt that a library swallows ends the run all the same, a little later."""

import subprocess
import sys

SWALLOWED = """
import os, signal
from flows.interrupts import raise_again, remember_interrupts
remember_interrupts()
raise_again()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    pass
try:
    raise_again()
except KeyboardInterrupt:
    print("raised again")
"""


def test_an_interrupt_that_was_swallowed_is_raised_again():
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, check=True)
    assert done.stdout == "raised again\n"
