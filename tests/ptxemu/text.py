"""Reads the text of PTX with one kernel, as LLVM writes it: a statement a line, and a line for each piece of assembly."""

import re
from dataclasses import dataclass, field


@dataclass
class Instruction:
    text: str
    # The register that decides whether it is executed, and whether that is to be false.
    predicate: str | None
    negated: bool
    # Its name without the dots.
    op: list[str]
    operands: list[str]


@dataclass
class Program:
    instructions: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    # Where the variables of shared memory lie, and how many bytes are declared. What a launch adds lies behind them.
    shared: dict[str, int] = field(default_factory=dict)
    shared_bytes: int = 0


def operands(text):
    """The operands of an instruction: a vector in braces and an address in brackets are one each."""
    found, depth, current = [], 0, ""
    for character in text:
        depth += (character in "{[") - (character in "}]")
        if character == "," and depth == 0:
            found.append(current.strip())
            current = ""
        else:
            current += character
    return found + [current.strip()] if current.strip() else found


def instruction(text):
    match = re.match(r"@(!?)(\S+)\s+(.*)", text)
    negated, predicate, rest = (match[1] == "!", match[2], match[3]) if match else (False, None, text)
    name, *tail = rest.split(None, 1)
    return Instruction(text, predicate, negated, name.split("."), operands(tail[0]) if tail else [])


def assembly(line, number):
    """The instructions of a piece of assembly, whose registers are its own."""
    own, found = set(), []
    for statement in filter(None, (part.strip() for part in line.strip("{} \t").split(";"))):
        if statement.startswith(".reg"):
            own.update(name.strip() for name in statement.split(None, 2)[2].split(","))
            continue
        for name in own:
            statement = re.sub(rf"(?<![\w%.]){re.escape(name)}(?![\w.])", f"%own{number}_{name}", statement)
        found.append(instruction(statement))
    return found


def parse(text):
    program = Program()
    for align, name, size in re.findall(r"\.shared\s+\.align\s+(\d+)\s+\.b8\s+(\w+)\[(\d*)\]", text):
        program.shared_bytes = -(-program.shared_bytes // int(align)) * int(align)
        program.shared[name] = program.shared_bytes
        program.shared_bytes += int(size or 0)
    body = text[re.search(r"^\{", text[text.index(".entry") :], re.M).end() + text.index(".entry") :]
    for number, line in enumerate(body.splitlines()):
        line = line.split("//")[0].strip()
        if label := re.fullmatch(r"(\$\S+):", line):
            program.labels[label[1]] = len(program.instructions)
        elif line.startswith("{"):
            program.instructions += assembly(line, number)
        elif line and line != "}" and not line.startswith("."):
            program.instructions += [instruction(part.strip()) for part in line.split(";") if part.strip()]
    return program
