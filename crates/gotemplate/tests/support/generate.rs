//! Random templates and values from a grammar, the same for the same seed.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::Case;

/// A small generator of random numbers (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }
}

const KEYS: &[&str] = &["a", "b", "c", "list", "map", "name", "no", "Values", "x1"];
const WORDS: &[&str] =
    &["", "a", "b", "hello", "two words", "<b>&'\"", "日本", "a\nb", "%d", "1", "\u{7f}\t", "é"];

/// How large integers may be: `range` over a large one takes for ever.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Integers {
    Small,
    Any,
}

/// Any value.
pub fn value(random: &mut Random, depth: usize, integers: Integers) -> Json {
    let simple = depth == 0;
    match random.below(if simple { 20 } else { 30 }) {
        0 => Json::Null,
        1 => json!(true),
        2 => json!(false),
        3 => json!(0),
        4 => json!(random.below(2000) as f64 - 1000.0),
        5 => json!((random.next() >> 12) as f64 / 4096.0),
        6 => {
            let float = f64::from_bits(random.next());
            if float.is_finite() { json!(float) } else { json!(1e21) }
        }
        7 => json!({"$int": random.below(20)}),
        8 => json!({"$int64": integer(random, integers) as i64}),
        9 => json!({"$uint8": random.below(256)}),
        10 => json!({"$uint64": integer(random, integers)}),
        11 => json!({"$float32": random.below(1000) as f64 / 8.0}),
        12 => json!({"$complex": [random.below(5), random.below(5)]}),
        13 => json!({"$level": random.below(5)}),
        14 => json!({"$duration": 0}),
        15 => json!({"$bytes": random.pick(&["", "abc", "\u{ff}\u{0}"])}),
        16 => json!({"$latin1": random.pick(&["\u{ff}", "a\u{e2}\u{82}", "\u{c3}\u{28}"])}),
        17 => json!({"$nil": random.pick(&["map", "strings", "list", "bytes"])}),
        18 | 19 => json!(random.pick(WORDS)),
        20 => json!({"$strings": (0..random.below(4)).map(|_| random.pick(WORDS)).collect::<Vec<_>>()}),
        21 => json!({"$ints": (0..random.below(4)).map(|_| random.below(9)).collect::<Vec<_>>()}),
        22 => json!({"$names": (0..random.below(3)).map(|_| random.pick(KEYS)).collect::<Vec<_>>()}),
        23 => json!({"$stringmap": {random.pick(KEYS): random.pick(WORDS)}}),
        24 => json!({"$values": map(random, depth - 1, integers)}),
        25 | 26 => (0..random.below(4)).map(|_| value(random, depth - 1, integers)).collect(),
        _ => map(random, depth - 1, integers),
    }
}

fn integer(random: &mut Random, integers: Integers) -> u64 {
    match integers {
        Integers::Small => random.below(50) as u64,
        Integers::Any => random.next(),
    }
}

fn map(random: &mut Random, depth: usize, integers: Integers) -> Json {
    let mut map = serde_json::Map::new();
    for _ in 0..random.below(5) {
        map.insert(random.pick(KEYS).to_owned(), value(random, depth, integers));
    }
    Json::Object(map)
}

/// A template of a few statements, mostly sensible.
pub struct Writer<'r> {
    random: &'r mut Random,
    out: String,
    variables: Vec<String>,
    in_range: bool,
    /// Whether only such calls are made as every value fits.
    fitting: bool,
}

impl Writer<'_> {
    fn statements(&mut self, depth: usize) {
        for _ in 0..=self.random.below(3) {
            self.statement(depth);
        }
    }

    fn open(&mut self) {
        self.out.push_str(self.random.pick(&["{{", "{{", "{{ ", "{{- ", "{{-\n"]));
    }

    fn close(&mut self) {
        self.out.push_str(self.random.pick(&["}}", "}}", " }}", " -}}", "\n}}"]));
    }

    fn statement(&mut self, depth: usize) {
        if depth == 0 || self.random.one_in(3) {
            if self.random.one_in(3) {
                let text = self.random.pick(&["text", " ", "\n", " \n  ", "日本", "}}", "{ {", "a: b\n"]);
                self.out.push_str(text);
            } else {
                self.open();
                self.pipeline(2);
                self.close();
            }
            return;
        }
        match self.random.below(10) {
            0 | 1 => self.branch("if", depth),
            2 => self.branch("with", depth),
            3 | 4 => self.branch("range", depth),
            5 => {
                let name = format!("${}", self.random.pick(&["x", "y", "z"]));
                self.open();
                self.out.push_str(&name);
                self.out.push_str(if !self.fitting && self.random.one_in(3) { " = " } else { " := " });
                self.pipeline(2);
                self.close();
                self.variables.push(name);
            }
            6 => {
                self.open();
                self.out.push_str(self.random.pick(&[
                    "template \"one\" ",
                    "template \"two\" ",
                    if self.fitting { "template \"one\" " } else { "template \"none\" " },
                ]));
                self.pipeline(1);
                self.close();
            }
            7 if self.in_range => {
                self.out.push_str(self.random.pick(&[
                    "{{break}}",
                    "{{continue}}",
                    "{{if .a}}{{break}}{{end}}",
                ]));
            }
            8 => self.out.push_str(self.random.pick(&["{{/* c */}}", " {{- /* c */ -}} ", "{{/*\n*/}}"])),
            _ => {
                self.open();
                self.pipeline(3);
                self.close();
            }
        }
    }

    fn branch(&mut self, keyword: &str, depth: usize) {
        self.open();
        self.out.push_str(keyword);
        self.out.push(' ');
        let known = self.variables.len();
        if self.random.one_in(3) {
            if keyword == "range" && self.random.one_in(2) {
                self.out.push_str("$i, ");
                self.variables.push("$i".to_owned());
            }
            self.out.push_str("$v := ");
            self.variables.push("$v".to_owned());
        }
        if keyword == "range" {
            self.ranged();
        } else {
            self.pipeline(2);
        }
        self.close();
        let outer = self.in_range;
        self.in_range |= keyword == "range";
        self.statements(depth - 1);
        self.in_range = outer;
        while keyword != "range" && self.random.one_in(5) {
            self.open();
            self.out.push_str("else ");
            self.out.push_str(keyword);
            self.out.push(' ');
            self.pipeline(1);
            self.close();
            self.statements(depth - 1);
        }
        if self.random.one_in(3) {
            self.out.push_str("{{else}}");
            self.statements(depth - 1);
        }
        self.open();
        self.out.push_str("end");
        self.close();
        self.variables.truncate(known);
    }

    /// Something that is not endless to range over.
    fn ranged(&mut self) {
        if self.fitting {
            let ranged = self.random.pick(&[
                "3",
                "0",
                "(list .a .b)",
                "(list . 1 `x`)",
                "(dict `k` .c)",
                "(list)",
                "nothing",
            ]);
            self.out.push_str(ranged);
            return;
        }
        match self.random.below(4) {
            0 => self.out.push_str(self.random.pick(&[
                "3",
                "0",
                "(list 1 `a` nil)",
                "(dict `k` 1 `j` nil)",
                "`str`",
            ])),
            _ => self.field(),
        }
    }

    fn field(&mut self) {
        let chain = if self.fitting { 0 } else { self.random.below(3) };
        let start = self.random.below(8);
        if start == 0 {
            self.out.push('$');
        } else if start == 1 && !self.variables.is_empty() {
            let index = self.random.below(self.variables.len());
            let name = self.variables[index].clone();
            self.out.push_str(&name);
            if chain == 0 {
                return;
            }
        }
        for _ in 0..=chain {
            self.out.push('.');
            self.out.push_str(self.random.pick(KEYS));
        }
    }

    fn pipeline(&mut self, depth: usize) {
        if self.fitting && self.random.one_in(3) {
            return self.field();
        }
        if !self.fitting && self.random.one_in(6) {
            self.operand(depth);
        } else {
            self.command(depth, false);
        }
        while self.random.one_in(4) {
            self.out.push_str(" | ");
            self.command(depth.min(1), true);
        }
    }

    /// A call of a function that takes anything, with as many arguments as it wants.
    fn fitting_command(&mut self, depth: usize, piped: bool) {
        const FUNCTIONS: &[(&str, usize, usize)] = &[
            ("print", 0, 3),
            ("println", 0, 3),
            ("printf `%v|%s|%d|%q`", 0, 5),
            ("printf `%T %+v %#v %x`", 2, 4),
            ("printf `%5v|%-8v|%08v|%.2v`", 4, 4),
            ("html", 0, 2),
            ("js", 0, 2),
            ("urlquery", 0, 2),
            ("not", 1, 1),
            ("and", 1, 3),
            ("or", 1, 3),
            ("list", 0, 3),
            ("dict `a`", 1, 1),
            ("dict `b` 1 `a`", 1, 1),
            ("any", 1, 1),
            ("typed", 1, 1),
            ("include `one`", 1, 1),
            ("include `two`", 1, 1),
            ("tpl `<{{.}}{{template \"one\" .}}>`", 1, 1),
        ];
        let (function, least, most) = FUNCTIONS[self.random.below(FUNCTIONS.len())];
        self.out.push_str(function);
        let count = least + self.random.below(most - least + 1);
        for _ in usize::from(piped && count > 0)..count {
            self.out.push(' ');
            self.operand(depth);
        }
    }

    fn command(&mut self, depth: usize, piped: bool) {
        if self.fitting {
            return self.fitting_command(depth, piped);
        }
        if self.random.one_in(3) {
            return self.operand(depth);
        }
        let function = self.random.pick(&[
            "print",
            "printf \"%v\"",
            "printf \"%s-%d\"",
            "printf \"%q %T\"",
            "println",
            "len",
            "index",
            "slice",
            "not",
            "and",
            "or",
            "eq",
            "ne",
            "lt",
            "le",
            "gt",
            "ge",
            "html",
            "js",
            "urlquery",
            "add",
            "upper",
            "list",
            "dict",
            "any",
            "typed",
            // On a map of its own: a map that contains itself ends the Go program when it is printed.
            "set (dict)",
            "size",
            "count",
            "strs",
            "sum",
            "half",
            "one",
            "nothing",
            "include \"one\"",
            "tpl \"<{{.}}>\"",
            "isBool",
            "byte",
            "opt",
            "fail",
            "call",
            "toInt64",
            "index .list",
            "index .map",
            "slice .list",
            "eq .a",
            "and .a",
            "or .no",
        ]);
        self.out.push_str(function);
        for _ in 0..self.random.below(4) {
            self.out.push(' ');
            self.operand(depth);
        }
    }

    fn operand(&mut self, depth: usize) {
        match self.random.below(12) {
            0..=3 => self.field(),
            4 => self.out.push('.'),
            5 => self.out.push_str(self.random.pick(&["nil", "true", "false", "$"])),
            6 => self.out.push_str(
                self.random.pick(&["0", "1", "2", "-1", "1.5", "0x10", "'a'", "1e3", "010", "2i", "1_0"]),
            ),
            7 | 8 => {
                let text = self
                    .random
                    .pick(&["`raw`", "\"\"", "\"a\"", "\"k\"", "\"a\\n\"", "\"<&>\"", "`name`", "\"%d\""]);
                self.out.push_str(text);
            }
            _ if depth > 0 => {
                self.out.push('(');
                self.pipeline(depth - 1);
                self.out.push(')');
                if !self.fitting && self.random.one_in(4) {
                    self.out.push('.');
                    self.out.push_str(self.random.pick(KEYS));
                }
            }
            _ => self.field(),
        }
    }
}

/// A template with data.
pub fn case(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let mut data = map(&mut random, 3, Integers::Small);
    if data.as_object().is_some_and(serde_json::Map::is_empty) {
        data = json!({"a": 1, "list": [1, "x", null], "map": {"a": {"b": "c"}}});
    }
    let fitting = random.one_in(2);
    let modes: &[&str] = if fitting { &["", "zero"] } else { &["", "zero", "error"] };
    let missing_key = random.pick(modes).to_owned();
    let mut writer = Writer {
        random: &mut random,
        out: String::new(),
        variables: vec!["$".to_owned()],
        in_range: false,
        fitting,
    };
    writer.statements(3);
    let mut text = writer.out;
    if !fitting && random.one_in(2) {
        text = mutated(&mut random, &text);
    }
    text.push_str(
        "{{define \"one\"}}[{{.}}]{{end}}{{define \"two\"}}{{with .a}}{{.}}{{else}}{{.}}{{end}}{{end}}",
    );
    Case { name: "t".to_owned(), text: super::latin1(text.as_bytes()), data, missing_key, ..Case::default() }
}

/// The text with a few pieces cut out, doubled or put in.
fn mutated(random: &mut Random, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(2) {
        if characters.is_empty() {
            break;
        }
        let at = random.below(characters.len());
        match random.below(4) {
            0 => {
                characters.remove(at);
            }
            1 => {
                let character = characters[at];
                characters.insert(at, character);
            }
            2 => characters.truncate(at),
            _ => {
                let piece = random.pick(&[
                    "{{", "}}", "(", ")", "|", ".", "\"", "`", "$", ":=", "=", ",", "-", " ", "\n", "end",
                    "{{end}}", "{{else}}", "/*", "*/", "'", "\\", "é", "1", "_", "%", "@",
                ]);
                for (offset, character) in piece.chars().enumerate() {
                    characters.insert(at + offset, character);
                }
            }
        }
    }
    characters.into_iter().collect()
}

/// A call of `printf` with any verbs, flags and values.
pub fn printf_case(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let mut format = String::new();
    let mut args = Vec::new();
    for _ in 0..=random.below(3) {
        if random.one_in(3) {
            format.push_str(random.pick(&["x", " ", "日", "%%", "|"]));
        }
        if random.one_in(20) {
            format.push_str(
                random.pick(&["%", "%!", "%[", "%[1]", "%[x]d", "%.", "%-", "%*", "%[9]d", "%[1]*", "%["]),
            );
        }
        format.push('%');
        for _ in 0..random.below(3) {
            format.push_str(random.pick(&["+", "-", "#", "0", " "]));
        }
        if random.one_in(12) {
            format.push_str(random.pick(&["[1]", "[2]", "[3]", "[0]"]));
        }
        match random.below(5) {
            0 => format.push_str(random.pick(&["1", "5", "12", "30", "8"])),
            1 if random.one_in(3) => {
                format.push('*');
                args.push(json!({"$int": random.below(20) as i64 - 10}));
            }
            _ => {}
        }
        match random.below(6) {
            0 => format.push_str(random.pick(&[".", ".0", ".1", ".2", ".5", ".17"])),
            1 if random.one_in(4) => {
                format.push_str(".*");
                args.push(json!({"$int": random.below(12) as i64 - 2}));
            }
            _ => {}
        }
        format.push_str(random.pick(&[
            "v", "v", "v", "s", "s", "d", "d", "q", "x", "X", "f", "g", "e", "E", "G", "F", "b", "o", "O",
            "c", "U", "t", "T", "w", "z", "é",
        ]));
        if !random.one_in(10) {
            args.push(value(&mut random, 2, Integers::Any));
        }
    }
    let mut text = String::from("{{printf .f");
    for index in 0..args.len() {
        write!(text, " (index .a {index})").unwrap();
    }
    text.push_str("}}");
    Case { name: "t".to_owned(), text, data: json!({"f": format, "a": args}), ..Case::default() }
}
