//! Rules in CEL (`x-kubernetes-validations`).
//!
//! The API server has accepted the definition, so a rule is known to be well-formed and to have bounded cost there. Here
//! each object has a budget, and each definition a time; a rule that passes them, or calls what is not known here, is
//! named as not checked.
//!
//! Deviations: lists that are sets or maps compare item by item here, and not as sets.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr};
use cel::objects::Key;
use cel::{Context, Env, ExecutionError, IdedExpr, Value as Cel};
use serde_json::{Map, Value};

use super::functions;
use super::schema::{Kind, List, Schema};
use super::validate::{Findings, child};
use super::{Problem, formats};
use crate::cel::{parse, within};

/// What the evaluation of the rules of one object may cost.
const BUDGET: u64 = 500_000;
/// Longest rule, in bytes.
const LONGEST: usize = 16 * 1024;
/// Longest part of a rule that a message quotes, in characters.
const QUOTED: usize = 200;

static ENVIRONMENT: LazyLock<Result<Arc<Env>, String>> = LazyLock::new(functions::environment);

/// A rule, parsed.
pub(super) struct Rule {
    source: String,
    /// Or why it cannot be evaluated here.
    expression: Result<IdedExpr, String>,
    message: Option<String>,
    message_expression: Option<IdedExpr>,
    field_path: String,
    reason: Option<String>,
    uses_old: bool,
    optional_old: bool,
}

impl Rule {
    /// The rules of a schema.
    pub(super) fn all(schema: &Value) -> Vec<Self> {
        let rules = schema.get("x-kubernetes-validations").and_then(Value::as_array);
        rules.into_iter().flatten().filter_map(Self::new).collect()
    }

    fn new(rule: &Value) -> Option<Self> {
        let text = |key: &str| rule.get(key).and_then(Value::as_str).filter(|it| !it.trim().is_empty());
        let source = text("rule")?.to_owned();
        let expression = compile(&source);
        let mut names = BTreeSet::new();
        if let Ok(tree) = &expression {
            variables(tree, &mut names);
        }
        Some(Self {
            uses_old: names.contains("oldSelf"),
            expression,
            message: text("message").map(|it| it.trim().to_owned()),
            message_expression: text("messageExpression").and_then(|it| compile(it).ok()),
            field_path: text("fieldPath").unwrap_or_default().trim_start_matches('.').to_owned(),
            reason: text("reason").map(str::to_owned),
            optional_old: rule.get("optionalOldSelf").and_then(Value::as_bool).unwrap_or_default(),
            source,
        })
    }

    fn default_message(&self) -> String {
        let rule: String =
            self.source.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(QUOTED).collect();
        self.message.clone().unwrap_or_else(|| format!("failed rule: {rule}"))
    }
}

/// Parses what calls nothing that is not known.
fn compile(source: &str) -> Result<IdedExpr, String> {
    if source.len() > LONGEST {
        return Err(format!("it has more than {LONGEST} bytes"));
    }
    let environment = ENVIRONMENT.as_ref().map_err(Clone::clone)?;
    let mut called = BTreeSet::new();
    let plain = parse(environment, source)?;
    functions_of(&plain, &mut called);
    match called.iter().find(|name| !name.starts_with('@') && !functions::is_known(name)) {
        Some(unknown) => Err(format!("it calls {unknown}, which is not known here")),
        None => Ok(plain),
    }
}

/// Calls `look` with every part of an expression.
fn walk<'a>(expression: &'a IdedExpr, look: &mut dyn FnMut(&'a Expr)) {
    look(&expression.expr);
    match &expression.expr {
        Expr::Call(call) => {
            call.target.iter().for_each(|it| walk(it, look));
            call.args.iter().for_each(|it| walk(it, look));
        }
        Expr::Comprehension(it) => {
            for part in [&it.iter_range, &it.accu_init, &it.loop_cond, &it.loop_step, &it.result] {
                walk(part, look);
            }
        }
        Expr::Select(select) => walk(&select.operand, look),
        Expr::List(list) => list.elements.iter().for_each(|it| walk(it, look)),
        Expr::Map(map) => map.entries.iter().for_each(|it| walk_entry(&it.expr, look)),
        Expr::Struct(it) => it.entries.iter().for_each(|it| walk_entry(&it.expr, look)),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

fn walk_entry<'a>(entry: &'a EntryExpr, look: &mut dyn FnMut(&'a Expr)) {
    match entry {
        EntryExpr::StructField(field) => walk(&field.value, look),
        EntryExpr::MapEntry(entry) => {
            walk(&entry.key, look);
            walk(&entry.value, look);
        }
    }
}

fn functions_of<'a>(expression: &'a IdedExpr, found: &mut BTreeSet<&'a str>) {
    walk(expression, &mut |it| {
        if let Expr::Call(call) = it {
            found.insert(&call.func_name);
        }
    });
}

fn variables<'a>(expression: &'a IdedExpr, found: &mut BTreeSet<&'a str>) {
    walk(expression, &mut |it| {
        if let Expr::Ident(name) = it {
            found.insert(name);
        }
    });
}

/// Evaluates all rules of an object.
pub(super) fn evaluate(schema: &Schema, object: &Value, old: Option<&Value>, findings: &mut Findings) {
    if !has_rules(schema) {
        return;
    }
    let mut found = Findings::default();
    let run = || look(schema, object, old, "", true, &mut found);
    if within(BUDGET, run).is_none() {
        found.problems.clear();
        found.unverified.insert("its rules cost too much for an object like this".to_owned());
    }
    findings.problems.append(&mut found.problems);
    findings.unverified.append(&mut found.unverified);
}

fn has_rules(schema: &Schema) -> bool {
    let additional = match &schema.additional {
        super::schema::Additional::Of(schema) => has_rules(schema),
        super::schema::Additional::Unsaid | super::schema::Additional::Allowed(_) => false,
    };
    !schema.rules.is_empty()
        || additional
        || schema.items.as_deref().is_some_and(has_rules)
        || schema.properties.values().any(has_rules)
        || schema.all_of.iter().any(has_rules)
}

fn look(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    path: &str,
    is_root: bool,
    findings: &mut Findings,
) {
    if value.is_null() {
        return;
    }
    let old = old.filter(|it| !it.is_null());
    if !schema.rules.is_empty() {
        apply(schema, value, old, path, is_root, findings);
    }
    for part in &schema.all_of {
        look(part, value, old, path, false, findings);
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if let Some(below) = schema.field(name).filter(|it| has_rules(it)) {
                    let old = old.and_then(|it| it.get(name));
                    look(below, field, old, &child(path, name), false, findings);
                }
            }
        }
        Value::Array(items) => {
            let Some(below) = schema.items.as_deref().filter(|it| has_rules(it)) else { return };
            for (place, item) in items.iter().enumerate() {
                let old = old.and_then(|it| same_item(&schema.list, item, it));
                look(below, item, old, &format!("{path}[{place}]"), false, findings);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Null => {}
    }
}

/// The item that an item of a list took the place of: lists that are maps know.
fn same_item<'a>(list: &List, item: &Value, old: &'a Value) -> Option<&'a Value> {
    let List::Map(keys) = list else { return None };
    old.as_array()?.iter().find(|it| keys.iter().all(|key| it.get(key) == item.get(key)))
}

fn apply(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    path: &str,
    is_root: bool,
    findings: &mut Findings,
) {
    let made = context(schema, value, old, is_root);
    for rule in schema.rules.iter().filter(|it| !it.uses_old || old.is_some() || it.optional_old) {
        let verdict = match (&made, &rule.expression) {
            (Err(why), _) | (_, Err(why)) => Err(why.clone()),
            (Ok(_), Ok(_)) if rule.optional_old => Err("its oldSelf is optional".to_owned()),
            (Ok(context), Ok(expression)) => holds(context, expression),
        };
        match (verdict, &made) {
            (Ok(Verdict::Holds), _) | (Ok(Verdict::Fails), Err(_)) => {}
            (Ok(Verdict::Fails), Ok(context)) => {
                findings.problem(problem(schema, rule, value, path, context));
            }
            (Ok(Verdict::Breaks(why)), _) => {
                let message = format!("Invalid value: {why} evaluating rule: {}", rule.default_message());
                findings.problem(Problem::of_rule(path, message));
            }
            (Err(why), _) => {
                let at = if path.is_empty() { "the object".to_owned() } else { path.to_owned() };
                let rule: String = rule.source.chars().take(QUOTED).collect();
                findings.unverified.insert(format!("the rule `{rule}` of {at}: {why}"));
            }
        }
    }
}

/// What a rule says.
enum Verdict {
    Holds,
    Fails,
    /// It cannot be evaluated, in an API server neither: it refuses the object.
    Breaks(String),
}

fn holds(context: &Context<'_, '_>, expression: &IdedExpr) -> Result<Verdict, String> {
    match context.resolve(expression) {
        Ok(Cel::Bool(true)) => Ok(Verdict::Holds),
        Ok(Cel::Bool(false)) => Ok(Verdict::Fails),
        Ok(_) => Err("it gives neither true nor false".to_owned()),
        Err(ExecutionError::NoSuchKey(key)) => Ok(Verdict::Breaks(format!("no such key: {key}"))),
        Err(ExecutionError::IndexOutOfBounds(_)) => Ok(Verdict::Breaks("index out of bounds".to_owned())),
        Err(ExecutionError::DivisionByZero(_)) => Ok(Verdict::Breaks("division by zero".to_owned())),
        Err(ExecutionError::RemainderByZero(_)) => Ok(Verdict::Breaks("modulus by zero".to_owned())),
        Err(ExecutionError::Overflow(..)) => Ok(Verdict::Breaks("integer overflow".to_owned())),
        Err(ExecutionError::FunctionError { function, message }) => {
            Ok(Verdict::Breaks(format!("{function}: {message}")))
        }
        Err(error) => Err(error.to_string().chars().take(QUOTED).collect()),
    }
}

fn problem(schema: &Schema, rule: &Rule, value: &Value, path: &str, context: &Context<'_, '_>) -> Problem {
    let told = rule.message_expression.as_ref().and_then(|it| match context.resolve(it) {
        Ok(Cel::String(text)) if !text.trim().is_empty() && !text.contains('\n') => {
            Some(text.trim().to_owned())
        }
        _ => None,
    });
    let detail = told.unwrap_or_else(|| rule.default_message());
    let path = if rule.field_path.is_empty() { path.to_owned() } else { child(path, &rule.field_path) };
    let is_large = matches!(schema.kind, Some(Kind::Object | Kind::Array));
    let message = match (rule.reason.as_deref(), is_large) {
        (Some("FieldValueForbidden"), _) => format!("Forbidden: {detail}"),
        (Some("FieldValueRequired"), _) => format!("Required value: {detail}"),
        (Some("FieldValueDuplicate"), false) => format!("Duplicate value: {value}: {detail}"),
        (Some("FieldValueDuplicate"), true) => format!("Duplicate value: {detail}"),
        (_, false) => format!("Invalid value: {value}: {detail}"),
        (_, true) => format!("Invalid value: {detail}"),
    };
    Problem::of_rule(&path, message)
}

fn context<'a>(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    is_root: bool,
) -> Result<Context<'a, 'a>, String> {
    let environment = ENVIRONMENT.as_ref().map_err(Clone::clone)?;
    let mut context = Context::with_env(Arc::clone(environment));
    functions::add_to(&mut context)?;
    context.add_variable_from_value("self", value_of(value, Some(schema), is_root));
    if let Some(old) = old {
        context.add_variable_from_value("oldSelf", value_of(old, Some(schema), is_root));
    }
    Ok(context)
}

/// A value as a rule sees it: by its schema, and without what is not in that.
fn value_of(value: &Value, schema: Option<&Schema>, is_root: bool) -> Cel {
    let kind = schema.and_then(|it| it.kind);
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if kind != Some(Kind::Number) => Cel::Int(whole),
            _ => {
                let value = number.as_f64().unwrap_or(f64::NAN);
                #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
                let whole = (kind == Some(Kind::Integer) && value.abs() < 9.2e18).then_some(value as i64);
                whole.map_or(Cel::Float(value), Cel::Int)
            }
        },
        Value::String(text) => text_of(text, schema),
        Value::Array(items) => {
            let schema = schema.and_then(|it| it.items.as_deref());
            Cel::List(Arc::new(items.iter().map(|item| value_of(item, schema, false)).collect()))
        }
        Value::Object(fields) => map_of(fields, schema, is_root),
    }
}

fn text_of(text: &str, schema: Option<&Schema>) -> Cel {
    let as_text = || Cel::String(Arc::new(text.to_owned()));
    let Some(schema) = schema.filter(|it| !it.int_or_string) else { return as_text() };
    match schema.format.as_deref() {
        Some("date-time" | "date") => functions::nanoseconds(text).map_or_else(as_text, Cel::Int),
        Some("duration") => formats::duration(text).map_or_else(as_text, Cel::Int),
        Some("byte") => {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::STANDARD.decode(text);
            bytes.map_or_else(|_| as_text(), |bytes| Cel::Bytes(Arc::new(bytes)))
        }
        _ => as_text(),
    }
}

fn map_of(fields: &Map<String, Value>, schema: Option<&Schema>, is_root: bool) -> Cel {
    let has_meta = is_root || schema.is_some_and(|it| it.embedded);
    let mut map = HashMap::new();
    for (name, field) in fields {
        if has_meta && matches!(name.as_str(), "apiVersion" | "kind") {
            map.insert(key(name), value_of(field, None, false));
        } else if has_meta && name == "metadata" {
            map.insert(key(name), names_of(field));
        } else if let Some(property) = schema.and_then(|it| it.properties.get(name)) {
            if let Some(name) = escaped(name) {
                map.insert(key(&name), value_of(field, Some(property), false));
            }
        } else if let Some(additional) = schema.and_then(|it| it.field(name)) {
            map.insert(key(name), value_of(field, Some(additional), false));
        }
    }
    Cel::Map(map.into())
}

fn key(name: &str) -> Key {
    Key::String(Arc::new(name.to_owned()))
}

/// Of metadata, rules see the names.
fn names_of(metadata: &Value) -> Cel {
    let names = ["name", "generateName"].into_iter().filter_map(|name| {
        let text = metadata.get(name)?.as_str()?;
        Some((key(name), Cel::String(Arc::new(text.to_owned()))))
    });
    Cel::Map(names.collect::<HashMap<_, _>>().into())
}

/// Words that CEL keeps for itself.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The name of a property as an expression writes it. None: it cannot be written.
fn escaped(name: &str) -> Option<String> {
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let mut out = String::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("__") {
            out.push_str("__underscores__");
            rest = after;
            continue;
        }
        match first {
            '.' => out.push_str("__dot__"),
            '-' => out.push_str("__dash__"),
            '/' => out.push_str("__slash__"),
            it if it == '_' || it.is_ascii_alphanumeric() => out.push(it),
            _ => return None,
        }
        rest = &rest[first.len_utf8()..];
    }
    let can_begin = out.chars().next().is_some_and(|it| it == '_' || it.is_ascii_alphabetic());
    can_begin.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        for (name, expected) in [
            ("size", Some("size")),
            ("namespace", Some("__namespace__")),
            ("max-size", Some("max__dash__size")),
            ("a.b/c", Some("a__dot__b__slash__c")),
            ("a__b", Some("a__underscores__b")),
            ("1a", None),
            ("ä", None),
        ] {
            assert_eq!(escaped(name).as_deref(), expected, "{name}");
        }
    }
}
