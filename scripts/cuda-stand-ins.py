"""Stand-ins for the NVIDIA libraries that torch's wheels are linked to, in this Python's torch: it then runs on a processor alone.

The libraries have to load, with every symbol that torch names, and are never called: torch initialises CUDA when it is first
asked for, and there is none. Each stand-in has the names and the versions of the symbols, and one function behind all of them that
returns an error. Needs gcc, readelf and nm."""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sysconfig
import tempfile

LIBRARY = os.path.join(sysconfig.get_paths()["purelib"], "torch", "lib")
#: Installed as they are, 13 MB; the driver itself is loaded late.
REAL = ("libcudart.", "libcupti.", "libcuda.")
#: Symbols of libraries that give theirs no version; they stand in for all in one.
WITHOUT_VERSION = re.compile(r"(nccl|cuFile|cusparseLt|cu[A-Z])\w+")


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def make(name: str, undefined: set[str], folder: str) -> None:
    version = "NVSHMEM" if "nvshmem" in name else name
    names = {symbol.split("@")[0] for symbol in undefined if symbol.endswith("@" + version)}
    plain = "nccl" in name
    if plain:
        names |= {symbol for symbol in undefined if WITHOUT_VERSION.fullmatch(symbol)}
    code = "".join(f".globl {n}\n.type {n},@function\n{n}:\n" for n in sorted(names))
    code += "mov $999,%eax\nret\n.section .note.GNU-stack\n"
    options = []
    if names and not plain:
        script = os.path.join(folder, "versions")
        with open(script, "w") as file:
            file.write(f"{version} {{ global: {' '.join(n + ';' for n in sorted(names))} }};\n")
        options = [f"-Wl,--version-script,{script}"]
    target = os.path.join(LIBRARY, name)
    command = ["gcc", "-shared", "-nostdlib", "-x", "assembler", "-", "-o", target, f"-Wl,-soname,{name}", *options]
    subprocess.run(command, input=code, text=True, check=True)


def main() -> None:
    foreign = ("libcu", "libnv", "libnccl", "libgfortran")
    own = [f for f in glob.glob(LIBRARY + "/lib*.so") if not os.path.basename(f).startswith(foreign)]
    needed = {n for f in own for n in re.findall(r"NEEDED.*\[(lib(?:cu|nv|nccl)[^\]]*)\]", output("readelf", "-d", f))}
    symbols = [output("nm", "-D", "--undefined-only", "--with-symbol-versions", f) for f in own]
    undefined = {line.split()[-1] for text in symbols for line in text.splitlines() if line.strip()}
    with tempfile.TemporaryDirectory() as folder:
        for name in sorted(needed):
            if not name.startswith(REAL):
                make(name, undefined, folder)


if __name__ == "__main__":
    main()
