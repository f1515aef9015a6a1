//! Random calls of functions, the same for the same seed.

use serde_json::{Value as Json, json};

use super::{Snippet, latin1};

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

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// What a parameter wants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Any,
    Text,
    /// A small Go `int`, since some functions make as much as they are told.
    Int,
    Number,
    Bool,
    List,
    /// A list whose capacity is its length, since Go lets `slice` go up to the capacity.
    Exact,
    Map,
    /// A map that nobody else has, so that it cannot be made to contain itself.
    Fresh,
    Regex,
    Replacement,
    Json,
    Yaml,
    Toml,
    Base64,
}

use Kind::{
    Any, Base64, Bool, Exact, Fresh, Int, Json as JsonText, List, Map, Number, Regex, Replacement, Text,
    Toml, Yaml,
};

/// The functions with what they want. The last parameter of those in the second list may come several times.
const FIXED: &[(&str, &[Kind])] = &[
    ("atoi", &[Text]),
    ("int", &[Number]),
    ("int64", &[Any]),
    ("float64", &[Number]),
    ("toDecimal", &[Any]),
    ("toString", &[Any]),
    ("toStrings", &[Any]),
    ("empty", &[Any]),
    ("ternary", &[Any, Any, Bool]),
    ("typeOf", &[Any]),
    ("kindOf", &[Any]),
    ("typeIs", &[Text, Any]),
    ("deepEqual", &[Any, Any]),
    ("get", &[Map, Text]),
    ("set", &[Fresh, Text, Any]),
    ("unset", &[Fresh, Text]),
    ("hasKey", &[Map, Text]),
    ("deepCopy", &[Any]),
    ("append", &[List, Any]),
    ("prepend", &[List, Any]),
    ("chunk", &[Int, List]),
    ("first", &[List]),
    ("last", &[List]),
    ("rest", &[List]),
    ("initial", &[List]),
    ("compact", &[List]),
    ("uniq", &[List]),
    ("reverse", &[List]),
    ("sortAlpha", &[List]),
    ("has", &[Any, List]),
    ("join", &[Text, List]),
    ("slice", &[Exact, Int]),
    ("slice", &[Exact, Int, Int]),
    ("upper", &[Text]),
    ("lower", &[Text]),
    ("title", &[Text]),
    ("untitle", &[Text]),
    ("swapcase", &[Text]),
    ("camelcase", &[Text]),
    ("snakecase", &[Text]),
    ("kebabcase", &[Text]),
    ("initials", &[Text]),
    ("nospace", &[Text]),
    ("trim", &[Text]),
    ("trimAll", &[Text, Text]),
    ("trimPrefix", &[Text, Text]),
    ("trimSuffix", &[Text, Text]),
    ("trunc", &[Int, Text]),
    ("substr", &[Int, Int, Text]),
    ("abbrev", &[Int, Text]),
    ("abbrevboth", &[Int, Int, Text]),
    ("wrap", &[Int, Text]),
    ("wrapWith", &[Int, Text, Text]),
    ("repeat", &[Int, Text]),
    ("replace", &[Text, Text, Text]),
    ("indent", &[Int, Text]),
    ("nindent", &[Int, Text]),
    ("plural", &[Text, Text, Int]),
    ("contains", &[Text, Text]),
    ("hasPrefix", &[Text, Text]),
    ("hasSuffix", &[Text, Text]),
    ("splitList", &[Text, Text]),
    ("split", &[Text, Text]),
    ("splitn", &[Text, Int, Text]),
    ("b64enc", &[Text]),
    ("b64dec", &[Base64]),
    ("b32enc", &[Text]),
    ("b32dec", &[Base64]),
    ("sha1sum", &[Text]),
    ("sha256sum", &[Text]),
    ("sha512sum", &[Text]),
    ("adler32sum", &[Text]),
    ("add1", &[Number]),
    ("sub", &[Number, Number]),
    ("div", &[Number, Number]),
    ("mod", &[Number, Number]),
    ("add1f", &[Number]),
    ("floor", &[Number]),
    ("ceil", &[Number]),
    ("round", &[Number, Int]),
    ("until", &[Int]),
    ("untilStep", &[Int, Int, Int]),
    ("regexMatch", &[Regex, Text]),
    ("mustRegexMatch", &[Regex, Text]),
    ("regexFind", &[Regex, Text]),
    ("mustRegexFind", &[Regex, Text]),
    ("regexFindAll", &[Regex, Text, Int]),
    ("mustRegexFindAll", &[Regex, Text, Int]),
    ("regexSplit", &[Regex, Text, Int]),
    ("regexReplaceAll", &[Regex, Text, Replacement]),
    ("mustRegexReplaceAll", &[Regex, Text, Replacement]),
    ("regexReplaceAllLiteral", &[Regex, Text, Text]),
    ("regexQuoteMeta", &[Text]),
    ("toJson", &[Any]),
    ("toRawJson", &[Any]),
    ("toPrettyJson", &[Any]),
    ("fromJson", &[JsonText]),
    ("fromJsonArray", &[JsonText]),
    ("mustFromJson", &[JsonText]),
    ("toYaml", &[Any]),
    ("mustToYaml", &[Any]),
    ("fromYaml", &[Yaml]),
    ("fromYamlArray", &[Yaml]),
    ("toToml", &[Any]),
    ("mustToToml", &[Map]),
    ("fromToml", &[Toml]),
];

const VARIADIC: &[(&str, &[Kind])] = &[
    ("default", &[Any, Any]),
    ("coalesce", &[Any]),
    ("all", &[Any]),
    ("any", &[Any]),
    ("list", &[Any]),
    ("concat", &[List]),
    ("without", &[List, Any]),
    ("pluck", &[Text, Map]),
    ("pick", &[Map, Text]),
    ("omit", &[Map, Text]),
    ("merge", &[Fresh, Fresh]),
    ("mergeOverwrite", &[Fresh, Fresh]),
    ("mustMerge", &[Fresh, Fresh]),
    ("quote", &[Any]),
    ("squote", &[Any]),
    ("cat", &[Any]),
    ("add", &[Number]),
    ("mul", &[Number, Number]),
    ("max", &[Number, Number]),
    ("min", &[Number, Number]),
    ("addf", &[Number]),
    ("subf", &[Number, Number]),
    ("mulf", &[Number, Number]),
    ("divf", &[Number, Number]),
    ("maxf", &[Number, Number]),
    ("minf", &[Number, Number]),
    ("seq", &[Int]),
    ("print", &[Any]),
    ("dig", &[Text, Any, Any, Fresh]),
];

const TEXTS: &[&str] = &[
    "",
    "a",
    "b",
    " ",
    "hello world",
    "Foo_Bar-baz QUX",
    "HTTPServer2xx",
    "a,b,,c",
    "  pad  ",
    "l1\nl2\n",
    "é日😀",
    "x\u{7f}\t\r",
    "\"q'\\",
    "yes",
    "1e3",
    "0x1F",
    "007",
    "-5",
    "1.50",
    "~",
    "- a",
    "a: b",
    "<&>",
    "\u{2028}",
    "Ünï ß",
    "aaa",
    "key",
    "k",
    "12",
    "$1",
    "${2}",
    "word word word word word word word word word word word word word word word word word",
];

const REGEXES: &[&str] = &[
    "a",
    "a*",
    "a+?",
    "[a-z]+",
    "[^a]",
    ".",
    "^",
    "$",
    "(a)(b)?",
    "(?i)H",
    r"\w+",
    r"\s",
    r"\bB",
    "x{2,3}",
    "a|b|",
    "",
    "(",
    "[",
    "a**",
    "(?P<n>.)",
    "[[:upper:]]",
    r"\p{Lu}",
    r"\d*",
    "[,.]",
    "(?m)^l",
    "(?s).+",
    r"\.",
    "é",
    "{",
    "[a&&b]",
];

const JSONS: &[&str] = &[
    "{}",
    "[]",
    "null",
    "1",
    r#"{"a":1,"b":[true,null,"x"]}"#,
    "[1.5,{\"k\":\"v\"}]",
    "{",
    "[1,",
    "tru",
    "\"s\"",
    "",
    " {\"a\": -0.0e1} ",
    "{\"a\":1}x",
    "[01]",
    "\"\\u00e9\"",
    "{\"a\":1e999}",
    "{'a':1}",
    "[\"\\ud83d\"]",
];

const YAMLS: &[&str] = &[
    "a: 1",
    "- a\n- 2",
    "a:\n- x: y\n  z: ~",
    "{a: b, c: [1]}",
    "",
    "x",
    "a: yes\nb: 0x10\nc: 1_0",
    "a: |\n  t\n  u",
    "&x a: *x",
    "a: [",
    "b: {",
    "1: 2",
    "a: &b [1]\nc: *b",
    "a: 'q'\n# c",
    "---\na: 1\n---\nb: 2",
];

const TOMLS: &[&str] = &[
    "a=1",
    "a=1.5\nb='x'",
    "[a]\nb=[1,2]",
    "[[l]]\nx=1\n[[l]]\ny=true",
    "a={b=\"c\"}",
    "",
    "a=",
    "a.b=1",
    "x=0xF",
];

const BASE64S: &[&str] = &[
    "aGVsbG8=", "aGVsbG8", "YQ==", "Y", "====", "MFRGG===", "MFRGG", "a b", "YWJj\n", "ME======", "/w==", "é",
];

const REPLACEMENTS: &[&str] = &["", "X", "$1", "${1}y", "$1y", "$0$0", "$$", "$n", "${n", "<$2>"];

/// A text as a template writes it.
fn quoted(text: &str) -> String {
    // Escapes of Go's that JSON has as well, since no character here needs others.
    serde_json::to_string(text).unwrap()
}

fn value(random: &mut Random, depth: usize) -> Json {
    match random.below(if depth == 0 { 9 } else { 13 }) {
        0 => Json::Null,
        1 => json!(random.one_in(2)),
        2 => json!(random.below(20)),
        3 => json!(f64::from(u32::try_from(random.next() >> 33).unwrap()) / 1024.0 - 500_000.0),
        4 => json!(random.next() as i64),
        5 => json!(10_f64.powi(i32::try_from(random.below(60)).unwrap() - 30)),
        6..=8 => json!(random.pick(TEXTS)),
        9 | 10 => (0..random.below(4)).map(|_| value(random, depth - 1)).collect(),
        _ => Json::Object(entries(random, depth - 1)),
    }
}

fn entries(random: &mut Random, depth: usize) -> serde_json::Map<String, Json> {
    (0..random.below(4))
        .map(|_| (random.pick(&["a", "b", "key", "k", "10", "9", "é", ""]).to_owned(), value(random, depth)))
        .collect()
}

fn integer(random: &mut Random) -> String {
    let number = i64::try_from(random.below(18)).unwrap() - 4;
    if random.one_in(8) { format!("(int .Values.num{})", random.below(2)) } else { number.to_string() }
}

/// A text of YAML or TOML. What is wrong with it is said in other words here than in Helm, and whoever compares can only
/// pass over the words where they are the output itself, not what another function made of them.
fn readable(text: &str, broken: &[&str], depth: usize) -> String {
    quoted(if depth < DEPTH && broken.contains(&text) { "" } else { text })
}

/// How deep calls stand in one another.
const DEPTH: usize = 2;

fn expression(random: &mut Random, wanted: Kind, depth: usize) -> String {
    let kind = if random.one_in(25) && wanted != Fresh { Any } else { wanted };
    if depth > 0 && random.one_in(3) && !matches!(kind, Int | Exact | Regex | Fresh) {
        return format!("({})", call(random, depth - 1));
    }
    let text = |random: &mut Random, texts: &[&str]| quoted(random.pick(texts));
    match kind {
        Any => match random.below(16) {
            0 => "nil".to_owned(),
            1 => ".Values".to_owned(),
            2 => ".Values.missing".to_owned(),
            3..=5 => format!(".Values.{}", random.pick(&["any0", "any1", "any2", "list", "map"])),
            6 => expression(random, Fresh, depth),
            7 => expression(random, Exact, depth),
            8 => expression(random, Bool, depth),
            9 => expression(random, Number, depth),
            _ => text(random, TEXTS),
        },
        Text if random.one_in(10) => ".Values.text".to_owned(),
        Text => text(random, TEXTS),
        Int => integer(random),
        Number => match random.below(7) {
            0 => text(random, TEXTS),
            1 => format!("{:?}", random.below(1000) as f64 / 8.0 - 30.0),
            2 => random
                .pick(&["0.1", "1e300", "-2.5", "1e-7", "3.0", "9007199254740993", "1e18", "0"])
                .to_owned(),
            3 => format!(".Values.num{}", random.below(2)),
            4 => "nil".to_owned(),
            _ => integer(random),
        },
        Bool => random.pick(&["true", "false"]).to_owned(),
        List if random.one_in(3) => ".Values.list".to_owned(),
        List | Exact if random.one_in(4) => format!("(splitList \",\" {})", text(random, TEXTS)),
        List | Exact => {
            let items: Vec<String> = (0..random.below(5)).map(|_| expression(random, Any, 0)).collect();
            format!("(list {})", items.join(" ")).replace(" )", ")")
        }
        Map if random.one_in(2) => ".Values.map".to_owned(),
        Map | Fresh => {
            let entry = |random: &mut Random| {
                let key = random.pick(&["a", "b", "key", "k", "10", "x y"]);
                let value = expression(random, Any, depth.min(1));
                let is_shared = [".Values.map", ".Values.any", ".Values ", ".Values)"];
                let is_shared = value == ".Values" || is_shared.iter().any(|part| value.contains(part));
                format!("{} {}", quoted(key), if is_shared { "1".to_owned() } else { value })
            };
            let entries: Vec<String> = (0..random.below(4)).map(|_| entry(random)).collect();
            format!("(dict {})", entries.join(" ")).replace(" )", ")")
        }
        Regex => text(random, REGEXES),
        Replacement => text(random, REPLACEMENTS),
        JsonText => text(random, JSONS),
        Yaml => readable(random.pick(YAMLS), &["&x a: *x", "a: [", "b: {"], depth),
        Toml => readable(random.pick(TOMLS), &["a="], depth),
        Base64 => text(random, BASE64S),
    }
}

/// A call of a random function, now and then with an argument too many or too few.
fn call(random: &mut Random, depth: usize) -> String {
    let (name, params, more) = if random.one_in(4) {
        let (name, params) = random.pick(VARIADIC);
        (name, params, random.below(3))
    } else {
        let (name, params) = random.pick(FIXED);
        (name, params, usize::from(random.one_in(80)))
    };
    let mut wanted = params.to_vec();
    wanted.extend(std::iter::repeat_n(params[params.len() - 1], more));
    if random.one_in(80) {
        wanted.pop();
    }
    let mut arguments: Vec<String> = wanted.into_iter().map(|kind| expression(random, kind, depth)).collect();
    let texts = match name {
        "fromYaml" | "fromYamlArray" => YAMLS,
        "fromToml" => TOMLS,
        _ => &[],
    };
    if depth < DEPTH
        && let (Some(first), [argument, ..]) = (texts.first(), &mut *arguments)
        && !texts.iter().any(|text| quoted(text) == *argument)
    {
        // Nobody knows whether it can be read.
        *argument = quoted(first);
    }
    format!("{name} {}", arguments.join(" ")).trim_end().to_owned()
}

/// A template with a few calls, and values for it.
pub fn snippet(seed: u64) -> Snippet {
    let mut random = Random::new(seed);
    let random = &mut random;
    let call = call(random, DEPTH);
    let text = match random.below(8) {
        0 => format!("{{{{ {call} | toJson }}}}"),
        1 => format!("{{{{ {call} | quote }}}}"),
        2 => format!("{{{{ {call} | typeOf }}}}"),
        3 => format!("{{{{ {call} | toYaml }}}}"),
        4 => format!("{{{{ $x := {call} }}}}{{{{ $x }}}} {{{{ kindOf $x }}}}"),
        _ => format!("{{{{ {call} }}}}"),
    };
    let list: Json = (0..random.below(5)).map(|_| value(random, 1)).collect();
    let values = json!({
        "any0": value(random, 2), "any1": value(random, 2), "any2": value(random, 0), "list": list,
        "map": Json::Object(entries(random, 1)), "text": random.pick(TEXTS),
        "num0": random.below(12), "num1": random.below(1000) as f64 / 16.0,
    });
    Snippet { text: latin1(text.as_bytes()), values, ..Snippet::default() }
}
