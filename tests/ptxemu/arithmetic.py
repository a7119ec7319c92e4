"""What instructions of PTX make of numbers. Words are unsigned, whatever an instruction takes them for."""

import numpy as np

U32, U64, F32 = np.uint32, np.uint64, np.float32
# What arithmetic gives in place of a NaN.
NAN, NAN_BF16 = 0x7FFFFFFF, 0x7FFF
INTEGERS, FLOATS = {}, {}
np.seterr(all="ignore")


class Unimplemented(Exception):
    pass


def named(kind, op):
    if op[0] not in kind:
        raise Unimplemented(".".join(op))
    return kind[op[0]]


def of(kind, *names):
    def add(function):
        for name in names:
            kind[name] = function
        return function

    return add


def signed(x):
    return x.view(np.int64 if x.dtype == U64 else np.int32)


def floats_of(x):
    return x.astype(U32).view(F32)


def bits_of(x):
    bits = np.asarray(x, dtype=F32).view(U32).copy()
    bits[np.isnan(x)] = NAN
    return bits


def widened(x, source, to):
    """An integer of one width as one of another."""
    width, kind = int(source[1:]), U64 if "64" in to else U32
    x = x.astype(U64) & U64((1 << width) - 1)
    if source[0] == "s":
        sign = U64(1 << (width - 1))
        x = (x ^ sign) - sign
    return (x & U64((1 << int(to[1:])) - 1)).astype(kind)


def of_its_width(op, x):
    """A word whose bits above 16 are those that the type says, where an instruction has 16."""
    signless = op[-1].replace("b", "u")
    return widened(x, signless, signless[0] + "32") if signless[1:] == "16" else x


def fused(x, y, z):
    """x · y + z, rounded once: the product is exact in 53 bits, and a sum that lies between two of these is made odd before it is rounded."""
    x, y, z = (v.astype(np.float64) for v in (x, y, z))
    product = x * y
    total = product + z
    part = total - product
    error = (product - (total - part)) + (z - part)
    between = (error != 0) & np.isfinite(total) & ((total.view(U64) & U64(1)) == 0)
    away = (error > 0) == (total > 0)
    bits = total.view(np.int64)
    return np.where(between, np.where(away, bits + 1, bits - 1), bits).view(np.float64).astype(F32)


def lanewise(op, values, function):
    """A function of floats over one of them, two of 32 bits or two of 16."""
    if op[-1] == "f32":
        return bits_of(function(*map(floats_of, values)))
    if op[-1] not in ("f32x2", "bf16x2"):
        raise Unimplemented(".".join(op))
    halves = 32 if op[-1] == "f32x2" else 16
    found = np.zeros(len(values[0]), U64)
    for shift in (0, halves):
        parts = [((v.astype(U64) >> U64(shift)) & U64((1 << halves) - 1)).astype(U32) for v in values]
        if halves == 32:
            bits = bits_of(function(*map(floats_of, parts)))
        else:
            exact = np.asarray(function(*(floats_of(part << U32(16)) for part in parts)), dtype=F32)
            assert ((exact.view(U32) & U32(0xFFFF))[~np.isnan(exact)] == 0).all(), "a bf16 that has to be rounded"
            bits = np.where(np.isnan(exact), U32(NAN_BF16), exact.view(U32) >> U32(16))
        found |= bits.astype(U64) << U64(shift)
    return found.astype(U64 if halves == 32 else U32)


@of(FLOATS, "fma")
def fma(op, *values):
    def one(x, y, z):
        total = fused(x, y, z)
        if "sat" not in op:
            return total
        return np.where(np.isnan(total) | (total <= 0), F32(0), np.minimum(total, F32(1)))

    return lanewise(op, values, one)


@of(FLOATS, "add", "sub", "mul", "div")
def sums(op, *values):
    functions = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}
    return lanewise(op, values, functions[op[0]])


@of(FLOATS, "min", "max")
def extremes(op, *values):
    larger = op[0] == "max"
    with_nan = (np.maximum if larger else np.minimum) if "NaN" in op else (np.fmax if larger else np.fmin)

    def one(x, y):
        zeros = (x == 0) & (y == 0)
        signs = x.view(U32) & y.view(U32) if larger else x.view(U32) | y.view(U32)
        return np.where(zeros, signs.view(F32), with_nan(x, y)).astype(F32)

    return lanewise(op, values, one)


@of(FLOATS, "abs", "neg")
def signs(op, x):
    sign = U32(0x80008000 if op[-1] == "bf16x2" else 0x80000000)
    return x & ~sign if op[0] == "abs" else x ^ sign


@of(FLOATS, "copysign")
def copysign(op, x, y):
    return (y & U32(0x7FFFFFFF)) | (x & U32(0x80000000))


@of(FLOATS, "sqrt")
def sqrt(op, x):
    return bits_of(np.sqrt(floats_of(x)))


@of(FLOATS, "rcp", "rsqrt")
def approximate(op, x):
    """The nearest float, which a GPU is within a unit of unless it is asked to be rounded."""
    x = floats_of(x)
    if "rn" in op:
        return bits_of(F32(1) / x)
    if op[1:] != ["approx", "ftz", "f32"]:
        raise Unimplemented(".".join(op))
    x = np.where(np.abs(x) < F32(2.0**-126), x * F32(0), x).astype(np.float64)
    y = (1 / x if op[0] == "rcp" else 1 / np.sqrt(x)).astype(F32)
    return bits_of(np.where(np.abs(y) < F32(2.0**-126), y * F32(0), y))


@of(FLOATS, "setp")
def compare_floats(op, x, y):
    if op[-1] == "f16":
        x, y = (v.astype(np.uint16).view(np.float16) for v in (x, y))
    else:
        x, y = floats_of(x), floats_of(y)
    unordered = np.isnan(x) | np.isnan(y)
    ordered = {"lt": x < y, "le": x <= y, "gt": x > y, "ge": x >= y, "eq": x == y, "ne": (x != y) & ~unordered}
    if op[1] in ordered:
        return ordered[op[1]]
    if op[1] in ("nan", "num"):
        return unordered if op[1] == "nan" else ~unordered
    return (x != y) | unordered if op[1] == "neu" else ordered[op[1][:-1]] | unordered


@of(INTEGERS, "setp")
def compare(op, x, y):
    x, y = (of_its_width(op, v) for v in (x, y))
    if op[-1][0] == "s":
        x, y = signed(x), signed(y)
    return {"lt": x < y, "le": x <= y, "gt": x > y, "ge": x >= y, "eq": x == y, "ne": x != y}[op[1]]


@of(INTEGERS, "add", "sub", "and", "or", "xor", "min", "max")
def two(op, x, y):
    if op[-1] in ("u16x2", "s16x2"):
        kind = np.uint16 if op[-1][0] == "u" else np.int16
        x, y = (v.astype(U32).view(kind).reshape(-1, 2) for v in (x, y))
    elif op[0] in ("min", "max"):
        x, y = (of_its_width(op, v) for v in (x, y))
        x, y = (signed(x), signed(y)) if op[-1][0] == "s" else (x, y)
    functions = {
        "add": np.add,
        "sub": np.subtract,
        "and": np.bitwise_and,
        "or": np.bitwise_or,
        "xor": np.bitwise_xor,
        "min": np.minimum,
        "max": np.maximum,
    }
    found = functions[op[0]](x, y)
    if "relu" in op:
        found = np.maximum(found, 0).astype(found.dtype)
    return np.ascontiguousarray(found).reshape(-1).view(U64 if "64" in op[-1] else U32)


@of(INTEGERS, "not", "neg", "abs")
def one(op, x):
    if op[0] == "abs":
        return np.abs(signed(of_its_width(op, x))).view(x.dtype)
    return ~x if op[0] == "not" else ~x + x.dtype.type(1)


@of(INTEGERS, "mul", "mad")
def product(op, x, y, z=None):
    if "wide" in op:
        x, y = (widened(v, op[-1], "s64" if op[-1][0] == "s" else "u64") for v in (x, y))
    elif "hi" in op and x.dtype == U32:
        return ((x.astype(U64) * y.astype(U64)) >> U64(32)).astype(U32)
    elif "hi" in op:
        return np.array([int(a) * int(b) >> 64 for a, b in zip(x, y)], U64)
    found = x * y
    if z is not None:
        found = found + z.astype(found.dtype)
    return found


@of(INTEGERS, "div", "rem")
def quotient(op, x, y):
    if op[-1][0] == "s":
        # Towards zero.
        x, y = signed(x), signed(y)
        whole = np.abs(x) // np.abs(y) * np.sign(x) * np.sign(y)
        return (whole if op[0] == "div" else x - whole * y).astype(x.dtype).view(U64 if x.dtype == np.int64 else U32)
    return x // y if op[0] == "div" else x % y


@of(INTEGERS, "shl", "shr")
def shift(op, x, by):
    x, width = of_its_width(op, x), 64 if x.dtype == U64 else 32
    by, within = by.astype(np.int64), np.minimum(by.astype(np.int64), width - 1)
    if op[0] == "shr" and op[-1][0] == "s":
        return (signed(x) >> within.astype(signed(x).dtype)).view(x.dtype)
    moved = x << within.astype(x.dtype) if op[0] == "shl" else x >> within.astype(x.dtype)
    return np.where(by < width, moved, x.dtype.type(0)).astype(x.dtype)


@of(INTEGERS, "shf")
def funnel(op, low, high, by):
    if op[1:3] != ["l", "wrap"]:
        raise Unimplemented(".".join(op))
    both = (high.astype(U64) << U64(32)) | low.astype(U64)
    return ((both << (by.astype(U64) & U64(31))) >> U64(32)).astype(U32)


@of(INTEGERS, "bfe")
def field(op, x, at, length):
    width = 64 if x.dtype == U64 else 32
    at, length = int(at[0]), int(length[0])
    x = x.astype(U64) >> U64(at)
    if op[-1][0] == "u":
        return (x & U64((1 << length) - 1)).astype(U64 if width == 64 else U32)
    return widened(x, f"s{length}", f"s{width}")


@of(INTEGERS, "popc")
def ones(op, x):
    return np.array([int(word).bit_count() for word in x], U32)


@of(INTEGERS, "lop3")
def table(op, x, y, z, of_table):
    """A bit for each of the eight combinations of three, the first the most significant of them."""
    found = np.zeros(len(x), U32)
    for combination in range(8):
        if int(of_table[0]) >> combination & 1:
            parts = [v if combination >> (2 - i) & 1 else ~v for i, v in enumerate((x, y, z))]
            found |= parts[0] & parts[1] & parts[2]
    return found


@of(INTEGERS, "prmt")
def permuted(op, x, y, selector):
    """Four of eight bytes, or the signs of four."""
    both = (y.astype(U64) << U64(32)) | x.astype(U64)
    found = np.zeros(len(x), U32)
    for place in range(4):
        choice = (selector >> U32(4 * place)) & U32(15)
        byte = ((both >> (U64(8) * (choice & U32(7)).astype(U64))) & U64(0xFF)).astype(U32)
        sign = np.where(byte & U32(0x80), U32(0xFF), U32(0))
        found |= np.where(choice & U32(8), sign, byte).astype(U32) << U32(8 * place)
    return found


@of(INTEGERS, "cvt")
def converted(op, x):
    """From floats and to floats: integers come and go as words of 32 or 64 bits."""
    to, source = op[-2:]
    if source == "f16":
        return bits_of(x.astype(np.uint16).view(np.float16).astype(F32))
    if to == "f16":
        y = floats_of(x)
        return np.where(np.isnan(y), U32(0x7FFF), y.astype(np.float16).view(np.uint16).astype(U32))
    if to == "f32" and source in ("u16", "s16", "u32", "s32", "u64", "s64"):
        x = of_its_width(op, x)
        return bits_of((signed(x) if source[0] == "s" else x).astype(F32))
    if source == "f32" and "rzi" in op and to in ("u16", "s16", "u32", "s32", "u64", "s64"):
        return towards_zero(floats_of(x), to)
    raise Unimplemented(".".join(op))


def towards_zero(x, to):
    """An integer for each float: the nearest one within its bounds, and 0 for a NaN of 32 bits, or its own first bit of 64."""
    width, least = int(to[1:]), -(1 << (int(to[1:]) - 1)) if to[0] == "s" else 0
    most = least + (1 << width) - 1
    of_nan = 1 << 63 if width == 64 else 0
    whole = [of_nan if np.isnan(v) else max(least, min(most, int(v) if np.isfinite(v) else int(np.sign(v)) << 70)) for v in x]
    return np.array([v & ((1 << width) - 1) for v in whole], U64 if width == 64 else U32)
