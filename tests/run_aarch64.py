"""Runs host kernels of aarch64 in `qemu-aarch64`, on the processor that the argument names, with the requests and answers of `emulate.py`.

One request a line: {"hsaco": library, "kernel": entry, "rows": n, "args": [...]}; the rest says nothing. One answer a
line: {"ok": true} or {"error": text}.
"""
import json, os, subprocess, sys, tempfile

here = os.path.dirname(os.path.abspath(__file__))
folder = tempfile.TemporaryDirectory()
program = os.path.join(folder.name, "run_aarch64")
subprocess.run(["aarch64-linux-gnu-gcc", "-O1", "-o", program, os.path.join(here, "run_aarch64.c")], check=True)
child = None


def start():
    command = ["qemu-aarch64", "-cpu", sys.argv[1], "-L", "/usr/aarch64-linux-gnu", program]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def slot(argument):
    if "i64" in argument:
        return f"v {argument['i64']}"
    if "same" in argument:
        return f"s {argument['same']} {argument['offset']}"
    return f"b {argument['buffer']} {argument['offset']} {int(argument['out'])}"


for line in sys.stdin:
    request = json.loads(line)
    child = child or start()
    arguments = "\n".join(slot(a) for a in request["args"])
    text = f"run {request['hsaco']} {request['kernel']} {request['rows']} {len(request['args'])}\n{arguments}\n"
    try:
        child.stdin.write(text)
        child.stdin.flush()
        answer = child.stdout.readline()
    except BrokenPipeError:
        answer = ""
    if answer == "ok\n":
        reply = {"ok": True}
    else:
        _, said = child.communicate()
        reply = {"ok": False, "error": f"it ended with {child.returncode}: {said.strip()}"}
        child = None
    print(json.dumps(reply), flush=True)
