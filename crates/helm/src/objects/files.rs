//! `.Files`: what lies in a chart and has no other meaning.

use std::any::Any;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gotemplate::{Args, Context, FunctionError, List, Map, Native, Signature, Str, Type, Value};
use tiphys_manifest::yaml::{self, Node};

use crate::chart::File;
use crate::glob::Glob;

/// Files by their path.
#[derive(Debug)]
pub(crate) struct Files {
    files: BTreeMap<Arc<str>, Arc<[u8]>>,
    /// The same as a map of templates, made when one goes over it.
    map: OnceCell<Map>,
}

const TYPE: Type = Type::Named("engine.files", &Type::Map(&Type::BYTES));

const TO_STRING: Signature = Signature::fixed(&[Type::String], Type::String);
const TO_BYTES: Signature = Signature::fixed(&[Type::String], Type::BYTES);
const TO_LINES: Signature = Signature::fixed(&[Type::String], Type::STRING_LIST);
const TO_FILES: Signature = Signature::fixed(&[Type::String], TYPE);
const AS_TEXT: Signature = Signature::fixed(&[], Type::String);

impl Files {
    /// Of several files with one path the last one counts.
    pub(crate) fn new(files: &[File]) -> Self {
        Self::from_map(files.iter().map(|file| (Arc::clone(&file.path), Arc::clone(&file.data))).collect())
    }

    fn from_map(files: BTreeMap<Arc<str>, Arc<[u8]>>) -> Self {
        Self { files, map: OnceCell::new() }
    }

    fn get(&self, path: &Str) -> Option<&Arc<[u8]>> {
        self.files.get(path.as_str()?)
    }

    fn glob(&self, pattern: &Str) -> Self {
        let pattern = Glob::of(&pattern.to_string_lossy());
        let fitting = self.files.iter().filter(|(path, _)| pattern.is_match(path));
        Self::from_map(fitting.map(|(path, data)| (Arc::clone(path), Arc::clone(data))).collect())
    }

    fn lines(&self, path: &Str) -> List {
        let data = self.get(path).map(|data| &**data).unwrap_or_default();
        if data.is_empty() {
            return List::of_strings(Vec::<Str>::new());
        }
        let data = data.strip_suffix(b"\n").unwrap_or(data);
        List::of_strings(data.split(|byte| *byte == b'\n').map(Str::new))
    }

    /// A map from the last part of each path to what `text` makes of the file, as YAML.
    fn as_yaml(&self, text: impl Fn(&[u8]) -> String) -> Str {
        let named: BTreeMap<&str, String> =
            self.files.iter().map(|(path, data)| (base_name(path), text(data))).collect();
        let entries = named.into_iter().map(|(name, text)| (name.into(), Node::String(text.into())));
        let text = yaml::to_yaml(Node::Mapping(entries.collect())).unwrap_or_default();
        Str::from(text.strip_suffix('\n').unwrap_or(&text))
    }
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl Native for Files {
    fn type_of(&self) -> &'static Type {
        &TYPE
    }

    fn underlying(&self) -> Option<Value> {
        let map = self.map.get_or_init(|| {
            let map = Map::with_type(&Type::Map(&Type::BYTES));
            for (path, data) in &self.files {
                map.insert(&**path, Value::Bytes(Rc::from(&**data)));
            }
            map
        });
        Some(Value::Map(map.clone()))
    }

    fn method(&self, name: &[u8]) -> Option<&'static Signature> {
        Some(match name {
            b"Get" => &TO_STRING,
            b"GetBytes" => &TO_BYTES,
            b"Glob" => &TO_FILES,
            b"Lines" => &TO_LINES,
            b"AsConfig" | b"AsSecrets" => &AS_TEXT,
            _ => return None,
        })
    }

    fn call(&self, name: &[u8], ctx: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
        let path = args.str(0);
        Ok(match name {
            b"Get" => Value::String(self.get(path).map(Str::shared).unwrap_or_default()),
            b"GetBytes" => Value::Bytes(self.get(path).map_or(Rc::from([]), |data| Rc::from(&**data))),
            b"Glob" => {
                ctx.step(self.files.len() as u64)?;
                Value::Native(Rc::new(self.glob(path)))
            }
            b"Lines" => Value::List(self.lines(path)),
            _ => {
                let bytes = self.files.values().map(|data| data.len()).sum::<usize>();
                ctx.allocate(bytes.saturating_mul(2))?;
                Value::String(match name {
                    b"AsConfig" => self.as_yaml(|data| String::from_utf8_lossy(data).into_owned()),
                    _ => self.as_yaml(|data| STANDARD.encode(data)),
                })
            }
        })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
