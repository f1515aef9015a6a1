//! TOML to values: int64, float64, and lists of tables as lists of maps.

use gotemplate::{List, Map, Type, Value};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::super::dates::from_toml;

const TABLES: Type = Type::Slice(&Type::ANY_MAP);

/// The map that a text means, or what is wrong with it. The messages are not Go's.
pub(super) fn read(text: &[u8]) -> Result<Map, String> {
    let text = std::str::from_utf8(text).map_err(|error| {
        let byte = text.get(error.valid_up_to()).copied().unwrap_or(0);
        format!("toml: invalid UTF-8 byte: 0x{byte:02x}")
    })?;
    let reader = Reader { text };
    let table = DeTable::parse(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        reader.problem(start, error.message())
    })?;
    reader.map(table.get_ref())
}

struct Reader<'t> {
    text: &'t str,
}

impl Reader<'_> {
    fn problem(&self, at: usize, message: &str) -> String {
        let line = self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        format!("toml: line {line}: {message}")
    }

    fn map(&self, table: &DeTable<'_>) -> Result<Map, String> {
        table.iter().map(|(key, value)| Ok((key.get_ref().as_ref(), self.value(value)?))).collect()
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Result<Value, String> {
        Ok(match value.get_ref() {
            DeValue::String(text) => Value::from(text.as_ref()),
            DeValue::Integer(integer) => Value::int64(self.integer(value, integer)?),
            DeValue::Float(float) => Value::float64(float.as_str().parse().unwrap_or(0.0)),
            DeValue::Boolean(boolean) => Value::Bool(*boolean),
            DeValue::Datetime(time) => from_toml(time),
            DeValue::Array(items) => {
                let values = items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?;
                let typ =
                    if items.iter().any(|item| self.has_header(item)) { &TABLES } else { &Type::ANY_LIST };
                Value::List(List::with_type(typ, values))
            }
            DeValue::Table(table) => Value::Map(self.map(table)?),
        })
    }

    /// Whether an element of a list is a table below its `[[header]]`.
    fn has_header(&self, item: &Spanned<DeValue<'_>>) -> bool {
        let is_header = self.text.as_bytes().get(item.span().start) == Some(&b'[');
        is_header && matches!(item.get_ref(), DeValue::Table(_))
    }

    fn integer(&self, value: &Spanned<DeValue<'_>>, integer: &DeInteger<'_>) -> Result<i64, String> {
        i64::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| {
            let message = format!("{} is out of range for int64", integer.as_str());
            self.problem(value.span().start, &message)
        })
    }
}
