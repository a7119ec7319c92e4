"""Runs many specifications of the AMD emulator (one JSON object a line on standard input, in the form of its run.py) in one
process, with one line of JSON for each on standard output. AMDEMU names the emulator's folder."""
import io
import os
import sys

sys.path.insert(0, os.environ["AMDEMU"])
import hsaco  # noqa: E402
import run  # noqa: E402

allocate = hsaco.DevBuf.__init__


def whole_lines(self, size, fill=None, align=256):
    """Kernel arguments (the only allocation aligned to 64) end with their line of 16 bytes: the compiler widens a load of the
    last ones to all of it, which on a device is there."""
    allocate(self, -(-size // 16) * 16 if align == 64 else size, fill, align)


hsaco.DevBuf.__init__ = whole_lines
sys.argv = ["run.py", "-"]
for line in iter(sys.__stdin__.readline, ""):
    sys.stdin = io.StringIO(line)
    run.main()
    sys.stdout.flush()
