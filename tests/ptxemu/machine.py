"""Executes a kernel: all threads of a launch side by side, by numpy. Of the threads, those that are furthest behind in the text go first,
and whoever waits for others (a barrier, a vote, an exchange) goes on when they are there."""

import re

import numpy as np

from arithmetic import FLOATS, INTEGERS, Unimplemented, named, widened

U32, U64 = np.uint32, np.uint64
WARP = 32
# More turns of the text's lines than any kernel of the tests needs.
MOST_STEPS = 4_000_000


class Machine:
    def __init__(self, program, memory, grid, block, arguments, shared):
        self.program, self.memory, self.arguments = program, memory, arguments
        self.grid, self.block, self.count = grid, block, grid * block
        self.thread = np.tile(np.arange(block, dtype=U32), grid)
        self.block_of = np.repeat(np.arange(grid), block)
        self.warp_of = self.block_of * -(-block // WARP) + self.thread // WARP
        self.lane = (self.thread % WARP).astype(np.int64)
        self.shared = np.full((grid, program.shared_bytes + shared), 0xA5, np.uint8)
        self.registers = {}

    # Registers start poisoned: what a branch left unwritten is nothing to compute with.
    def read(self, operand, threads, bits):
        kind = U64 if bits == 64 else U32
        if operand in self.registers:
            return self.registers[operand][threads]
        special = {
            "%tid.x": lambda: self.thread[threads],
            "%ctaid.x": lambda: self.block_of[threads].astype(U32),
            "%ntid.x": lambda: np.full(len(threads), self.block, U32),
            "%ntid.y": lambda: np.ones(len(threads), U32),
            "%nctaid.x": lambda: np.full(len(threads), self.grid, U32),
        }
        if operand in special:
            return special[operand]()
        if operand in self.program.shared:
            return np.full(len(threads), self.program.shared[operand], U64)
        if operand.startswith("0f"):
            return np.full(len(threads), int(operand[2:], 16), U32)
        if re.fullmatch(r"(-?\d+|-?0x[0-9a-fA-F]+)U?", operand):
            return np.full(len(threads), int(operand.rstrip("U"), 0) & ((1 << (64 if bits == 64 else 32)) - 1), kind)
        if operand.startswith("%"):
            return np.full(len(threads), 0xDEADBEEF, kind)
        raise Unimplemented(f"operand {operand}")

    def predicate(self, operand, threads):
        operand, negated = operand.lstrip("!"), operand.startswith("!")
        value = self.registers[operand][threads] if operand in self.registers else np.full(len(threads), operand == "-1" or operand == "1")
        return ~value if negated else value

    def write(self, operand, threads, value):
        if operand == "_":
            return
        if operand not in self.registers:
            kind = bool if value.dtype == bool else U64 if operand.startswith("%rd") else U32
            self.registers[operand] = np.full(self.count, 0 if kind is bool else 0xDEADBEEF, kind)
        self.registers[operand][threads] = value.astype(self.registers[operand].dtype)

    def address(self, operand, threads):
        base, offset = re.fullmatch(r"\[([^+\]]+)(?:\+(-?\d+))?\]", operand).groups()
        return self.read(base, threads, 64).astype(np.int64) + int(offset or 0)

    def run(self):
        at = np.zeros(self.count, np.int64)
        end = len(self.program.instructions)
        for _ in range(MOST_STEPS):
            ready = self.next_threads(at, end)
            if ready is None:
                return
            threads, here = ready
            instruction = self.program.instructions[here]
            at[threads] += 1
            if instruction.predicate:
                holds = self.predicate(instruction.predicate, threads)
                threads = threads[holds != instruction.negated]
            if instruction.op[0] == "bra":
                at[threads] = self.program.labels[instruction.operands[0]]
            elif instruction.op[0] == "ret":
                at[threads] = end
            elif len(threads):
                try:
                    self.execute(instruction, threads)
                except (KeyError, IndexError, ValueError, AssertionError) as error:
                    raise RuntimeError(f"`{instruction.text}`: {error!r}") from error
        raise RuntimeError(f"no end after {MOST_STEPS} steps")

    def next_threads(self, at, end):
        """The threads that go on, and where they are."""
        waiting = np.zeros(self.count, bool)
        while True:
            left = np.flatnonzero((at < end) & ~waiting)
            if not len(left):
                if waiting.any():
                    raise RuntimeError("threads wait for others that never come")
                return None
            here = at[left].min()
            threads = left[at[left] == here]
            group = self.group(self.program.instructions[here])
            if group is None:
                return threads, here
            # All of the group that have not ended are here.
            running = np.bincount(group[at < end], minlength=group.max() + 1)
            if group is self.block_of:
                # Barriers of a block may stand at several places of the text.
                barriers = [i for i, other in enumerate(self.program.instructions) if self.group(other) is self.block_of]
                arrived = np.bincount(group[np.isin(at, barriers)], minlength=len(running))
            else:
                arrived = np.bincount(group[threads], minlength=len(running))
            there = arrived[group[threads]] == running[group[threads]]
            if there.any():
                return threads[there], here
            waiting[threads] = True

    def group(self, instruction):
        """Whom the threads at an instruction wait for: a number of a warp or of a block for each thread."""
        match instruction.op:
            case ["bar", "warp", *_] | ["vote" | "shfl" | "redux", *_]:
                return self.warp_of
            case ["bar" | "barrier", *_]:
                return self.block_of
        return None

    def execute(self, instruction, threads):
        op, operands = instruction.op, instruction.operands
        own = getattr(self, f"do_{op[0]}", None)
        if own:
            return own(op, operands, threads)
        dtype = op[-1]
        bits = 64 if "64" in dtype or dtype == "f32x2" else 32
        kind = FLOATS if dtype[0] == "f" or dtype == "bf16x2" else INTEGERS
        values = [self.read(operand, threads, bits) for operand in operands[1:]]
        self.write(operands[0], threads, named(kind, op)(op, *values))

    # What is no arithmetic.

    def do_griddepcontrol(self, *_):
        pass

    do_bar = do_barrier = do_fence = do_membar = do_griddepcontrol

    def do_mov(self, op, operands, threads):
        to, source = operands
        bits = 64 if "64" in op[-1] else 32
        if source.startswith("{"):
            parts = [self.read(part, threads, bits // 2) for part in source.strip("{}").replace(" ", "").split(",")]
            half = bits // len(parts)
            value = sum((part.astype(U64) & U64((1 << half) - 1)) << U64(half * i) for i, part in enumerate(parts))
            return self.write(to, threads, value.astype(U64 if bits == 64 else U32))
        if op[-1] == "pred":
            return self.write(to, threads, self.predicate(source, threads))
        value = self.read(source, threads, bits)
        if not to.startswith("{"):
            return self.write(to, threads, value)
        parts = to.strip("{}").replace(" ", "").split(",")
        half = bits // len(parts)
        for i, part in enumerate(parts):
            self.write(part, threads, ((value >> value.dtype.type(half * i)) & value.dtype.type((1 << half) - 1)).astype(U32))

    def do_cvta(self, op, operands, threads):
        self.write(operands[0], threads, self.read(operands[1], threads, 64))

    def do_cvt(self, op, operands, threads):
        to, source = op[-2:]
        value = self.read(operands[1], threads, 64 if "64" in source else 32)
        floats = to[0] == "f" or source[0] == "f"
        self.write(operands[0], threads, named(INTEGERS, op)(op, value) if floats else widened(value, source, to))

    def do_ld(self, op, operands, threads):
        if op[1] == "param":
            number = int(re.search(r"param_(\d+)", operands[1])[1])
            return self.write(operands[0], threads, np.full(len(threads), self.arguments[number], U64))
        size, at = int(op[-1][1:]) // 8, self.address(operands[1], threads)
        for i, part in enumerate(operands[0].strip("{}").replace(" ", "").split(",")):
            value = self.load(op[1], at + i * size, size, threads)
            if op[-1][0] == "s":
                value = widened(value, op[-1], "s64")
            self.write(part, threads, value)

    def do_st(self, op, operands, threads):
        size, at = int(op[-1][1:]) // 8, self.address(operands[0], threads)
        for i, part in enumerate(operands[1].strip("{}").replace(" ", "").split(",")):
            value = self.read(part, threads, 64 if size == 8 else 32).astype(U64)
            self.store(op[1], at + i * size, value, size, threads)

    def bytes_at(self, space, at, size, threads, write):
        if space == "shared":
            if (at < 0).any() or (at + size > self.shared.shape[1]).any():
                raise RuntimeError("an access behind the shared memory")
            return self.shared.reshape(-1), self.block_of[threads] * self.shared.shape[1] + at
        return self.memory.bytes, self.memory.places(at, size, write)

    def load(self, space, at, size, threads):
        memory, at = self.bytes_at(space, at, size, threads, False)
        return sum(memory[at + byte].astype(U64) << U64(8 * byte) for byte in range(size))

    def store(self, space, at, value, size, threads):
        memory, at = self.bytes_at(space, at, size, threads, True)
        for byte in range(size):
            memory[at + byte] = ((value >> U64(8 * byte)) & U64(0xFF)).astype(np.uint8)

    def do_atom(self, op, operands, threads):
        if op[-2] != "add" or op[-1] not in ("u32", "u64"):
            raise Unimplemented(".".join(op))
        size = int(op[-1][1:]) // 8
        at, add = self.address(operands[1], threads), self.read(operands[2], threads, 8 * size)
        # One thread after the other.
        for i in range(len(threads)):
            one = threads[i : i + 1]
            before = self.load(op[1], at[i : i + 1], size, one)
            self.write(operands[0], one, before)
            self.store(op[1], at[i : i + 1], before + U64(add[i]), size, one)

    def do_setp(self, op, operands, threads):
        bits = 64 if "64" in op[-1] else 32
        x, y = (self.read(operand, threads, bits) for operand in operands[1:3])
        if op[-1] == "f16x2":
            # An answer for each half.
            for half, to in enumerate(operands[0].split("|")):
                parts = [(v >> U32(16 * half)) & U32(0xFFFF) for v in (x, y)]
                self.write(to, threads, FLOATS["setp"]([*op[:-1], "f16"], *parts))
            return
        if len(operands) > 3 or "|" in operands[0]:
            raise Unimplemented(".".join(op))
        self.write(operands[0], threads, named(FLOATS if op[-1][0] == "f" else INTEGERS, op)(op, x, y))

    def do_selp(self, op, operands, threads):
        bits = 64 if "64" in op[-1] else 32
        x, y = (self.read(operand, threads, bits) for operand in operands[1:3])
        self.write(operands[0], threads, np.where(self.predicate(operands[3], threads), x, y).astype(U64 if bits == 64 else U32))

    def logic(self, op, operands, threads):
        """Of predicates; none of others."""
        if op[-1] != "pred":
            dtype = 64 if "64" in op[-1] else 32
            values = [self.read(operand, threads, dtype) for operand in operands[1:]]
            return self.write(operands[0], threads, named(INTEGERS, op)(op, *values))
        values = [self.predicate(operand, threads) for operand in operands[1:]]
        of = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor, "not": np.logical_not}
        self.write(operands[0], threads, of[op[0]](*values))

    do_and = do_or = do_xor = do_not = logic

    # What lanes tell each other.

    def of_warps(self, threads, value, start, combine):
        """A number that each warp makes of its lanes', on all of them."""
        found = np.full(int(self.warp_of.max()) + 1, start, value.dtype)
        combine.at(found, self.warp_of[threads], value)
        return found[self.warp_of[threads]]

    def do_vote(self, op, operands, threads):
        holds = self.predicate(operands[1], threads)
        bits = np.where(holds, U32(1) << self.lane[threads].astype(U32), U32(0)).astype(U32)
        ballot = self.of_warps(threads, bits, 0, np.bitwise_or)
        if "ballot" in op:
            return self.write(operands[0], threads, ballot)
        if "any" not in op:
            raise Unimplemented(".".join(op))
        self.write(operands[0], threads, ballot != 0)

    def do_redux(self, op, operands, threads):
        value = self.read(operands[1], threads, 32)
        of = {"max": (0, np.maximum), "min": (0xFFFFFFFF, np.minimum), "add": (0, np.add), "or": (0, np.bitwise_or)}
        self.write(operands[0], threads, self.of_warps(threads, value, *of[op[2]]))

    def do_shfl(self, op, operands, threads):
        value = self.read(operands[1], threads, 32)
        by, mask = (self.read(operand, threads, 32).astype(np.int64) for operand in operands[2:4])
        lane, segment = self.lane[threads], (mask >> 8) & 31
        last = (lane & segment) | (mask & 31 & ~segment)
        match op[2]:
            case "bfly":
                source = lane ^ (by & 31)
            case "idx":
                source = (lane & segment) | (by & 31 & ~segment)
            case other:
                raise Unimplemented(f"shfl.{other}")
        of_all = np.zeros(self.count, U32)
        of_all[threads] = value
        source = np.where(source <= last, source, lane)
        self.write(operands[0], threads, of_all[threads - lane + source])
