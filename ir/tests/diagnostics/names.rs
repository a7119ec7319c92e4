//! Names that mean nothing, or two things: `RF02xx`; and how far one mistake reaches.

use super::Case;

pub const CASES: &[Case] = &[
    Case {
        about: "RF0201 duplicate names",
        source: r#"route 1
graph @g {
  dim T
  dim T
  input %ids : i32[T, 8]
  input %ids : i32[]
  %y = copy %ids
  %y = neg %ids
  output out = %y
  output out = %ids
  output ids = %ids
}
"#,
        expected: r#"4:7 RF0201: the dim `T` is declared twice
  help: it is first declared on line 3
6:9 RF0201: two values have the name `%ids`
  help: the first is defined on line 5
8:3 RF0201: two values have the name `%y`
  help: the first is defined on line 7
10:3 RF0201: two outputs have the name `out`
11:3 RF0201: `ids` is the name of an input and of an output
  help: arguments are bound by name; an output in the input's memory has an alias, as in `in_place(x)`"#,
    },
    Case {
        about: "RF0202 undefined values",
        source: r#"route 1
graph @g {
  dim T
  input %ids : i32[T, 8]
  %y = add %idz, %later
  %later = copy %ids
  %w = neg %nothing_like_it
  output out = %y
}
"#,
        expected: r#"5:12 RF0202: the value `%idz` is not defined
  help: did you mean `%ids`?
5:18 RF0202: the value `%later` is used before it is defined
  help: move its definition above this line
7:12 RF0202: the value `%nothing_like_it` is not defined
  help: define it above, as an `input` or by an operation"#,
    },
    Case {
        about: "RF0203 undefined dims",
        source: r#"route 1
graph @g {
  dim T
  input %x : i32[S, 8]
  input %n : i32[]
  %y = broadcast %n {shape = [Tokens, 8]}
  output out = %y
}
"#,
        expected: r#"4:18 RF0203: the dim `S` is not declared
  help: declare it by `dim S` above
6:31 RF0203: the dim `Tokens` is not declared
  help: declare it by `dim Tokens` above"#,
    },
    Case {
        about: "RF0204 cycles",
        source: r#"route 1
graph @g {
  input %x : i32[8]
  %a = add %b, %x
  %b = neg %c
  %c = neg %a
  %d = add %d, %x
  %e = neg %d
  output out = %c
  output e = %e
}
"#,
        expected: r#"4:3 RF0204: these values depend on themselves: %a, %b, %c
  help: an operation may only use values that are defined before it
7:3 RF0204: these values depend on themselves: %d
  help: an operation may only use values that are defined before it"#,
    },
    Case {
        about: "RF0205 aliases of what is no input",
        source: r#"route 1
graph @g {
  dim T
  input %ids : i32[T, 8]
  %y = neg %ids
  output out = %y in_place(y)
  output b = %y donates(idz)
}
"#,
        expected: r#"6:28 RF0205: `in_place` names `y`, which is no input
  help: only a declared input has memory to share
7:25 RF0205: `donates` names `idz`, which is no input
  help: did you mean `ids`?"#,
    },
    Case {
        about: "RF0206 dims of no argument, those that nothing needs aside",
        source: r#"route 1
graph @g {
  dim T
  dim N
  dim M
  input %x : f32[8]
  %n = rows {dtype = i64, shape = [T]}
  %m = rows {dtype = i64, shape = [T, 4]}
  %i = iota {dtype = i32, shape = [N, 8], axis = 1}
  %k = rows {dtype = i32, shape = [N]}
  %dead = rows {dtype = i32, shape = [M]}
  output n = %n
  output m = %m
  output i = %i
  output k = %k
  output y = %x
}
"#,
        expected: r#"7:3 RF0206: no input and no output has the dim `T`, so no argument gives its extent
  in: %n = rows
  help: give an input of shape `[T]` or `[T, …]`, or take the rows of one"#,
    },
    Case {
        about: "RF0207 bounds of dims that no launch could check, which leave the dim declared",
        source: r#"route 1
graph @g {
  dim T
  dim C >= T - C
  dim J >= floor(T / 0)
  input %x : i32[T]
  %y = iota {dtype = i32, shape = [J], axis = 0}
  output y = %y
  output z = %x
}
"#,
        expected: r#"4:16 RF0207: a bound takes one dim, and here are `T` and `C`
  help: a bound is as in `dim C >= 64 * min(8 * T, floor((8 * T + 16065) / 64))`: of constants and one dim, with spaces around `+` and `-`
5:3 RF0207: nothing can be divided by 0
  help: a bound is as in `dim C >= 64 * min(8 * T, floor((8 * T + 16065) / 64))`: of constants and one dim, with spaces around `+` and `-`"#,
    },
    Case {
        about: "one mistake is one error, and the rest is still checked",
        source: r#"route 1
graph @g {
  dim T
  input %ids : i32[T, 8]
  input %w : f31[T, 8]
  %a = mul %w, %w
  %b = add %a, %ids
  %c = neg %ids : i64[T, 8]
  %d = concat %ids %ids
  %e = copy %d
  output out = %b in_place(w)
  output e = %e
  output c = %c
}
"#,
        expected: r#"5:14 RF0111: unknown dtype `f31`
  help: did you mean `f32`?
8:3 RF0310: `%c` is declared as i64[T, 8] but `neg` gives i32[T, 8]
  in: %c = neg %ids
  help: write `: i32[T, 8]`, or leave the type out
9:20 RF0102: expected `,`, `{`, `:` or the end of the line, found `%ids`
  help: as in `%y = gather %map, %ids {out_of_range = pass} : i32[T, 8]`"#,
    },
];
