//! Fields, keys and methods.

use crate::exec::Operand;
use crate::exec::eval::Words;
use crate::exec::walk::{Exec, Result};
use crate::fmt::quote;
use crate::node::{Place, Run};
use crate::set::MissingKey;
use crate::value::{Kind, Map, Type, Value};

impl Exec<'_, '_, '_> {
    /// Evaluates `.a.b.c` on a value. The words are the whole command, whose arguments go to the last field, which
    /// must then be a method.
    pub(super) fn fields(
        &mut self,
        dot: &Operand,
        receiver: &Operand,
        node: u32,
        fields: Run,
        words: Words,
        last: Option<Operand>,
    ) -> Result<Operand> {
        let unit = self.unit;
        match fields.of(&unit.fields) {
            [] => Ok(receiver.clone()),
            [only] => self.field(dot, receiver, unit.slice(*only), node, words, last),
            [first, inner @ .., end] => {
                let mut current = self.field(dot, receiver, unit.slice(*first), node, 0..0, None)?;
                for field in inner {
                    current = self.field(dot, &current, unit.slice(*field), node, 0..0, None)?;
                }
                self.field(dot, &current, unit.slice(*end), node, words, last)
            }
        }
    }

    #[inline]
    fn field(
        &mut self,
        dot: &Operand,
        receiver: &Operand,
        name: &[u8],
        node: u32,
        words: Words,
        last: Option<Operand>,
    ) -> Result<Operand> {
        let has_arguments = words.len() > 1 || last.is_some();
        match &receiver.value {
            Value::Map(map) => self.key(map, name, has_arguments),
            Value::Nil if receiver.boxed => {
                Err(self.failure(format!("nil pointer evaluating interface {{}}.{}", lossy(name))))
            }
            Value::Nil => {
                if self.ctx.set.on_missing_key() == MissingKey::Error {
                    return Err(self.failure(format!("nil data; no entry for key {}", quote::quote(name))));
                }
                Ok(Operand::INVALID)
            }
            Value::Native(native) => {
                if let Some(signature) = native.method(name) {
                    let arguments = words.start.saturating_add(1).min(words.end)..words.end;
                    return self.method(dot, native, name, signature, Place::Expr(node), arguments, last);
                }
                if let Some(Value::Map(map)) = native.underlying() {
                    return self.key(&map, name, has_arguments);
                }
                let Some(value) = native.field(name) else {
                    return Err(self.no_field(receiver, name));
                };
                if has_arguments {
                    let name = lossy(name);
                    return Err(
                        self.failure(format!("{name} has arguments but cannot be invoked as function"))
                    );
                }
                let boxed = matches!(value, Value::Nil);
                Ok(Operand { value, boxed })
            }
            Value::TypedNil(typ) => match typ.kind() {
                Kind::Map => self.key(&Map::with_type(typ), name, has_arguments),
                Kind::Pointer => {
                    let typ = receiver.type_name();
                    Err(self.failure(format!("nil pointer evaluating {typ}.{}", lossy(name))))
                }
                _ => Err(self.no_field(receiver, name)),
            },
            _ => Err(self.no_field(receiver, name)),
        }
    }

    fn no_field(&self, receiver: &Operand, name: &[u8]) -> Box<crate::error::ExecError> {
        self.failure(format!("can't evaluate field {} in type {}", lossy(name), receiver.type_name()))
    }

    /// The value of a map's key.
    #[inline]
    fn key(&mut self, map: &Map, name: &[u8], has_arguments: bool) -> Result<Operand> {
        if has_arguments {
            return Err(self.failure(format!("{} is not a method but has arguments", lossy(name))));
        }
        let element_type: &'static Type = map.element_type();
        if let Some(value) = map.get(name) {
            return Ok(Operand::element(value, element_type));
        }
        match self.ctx.set.on_missing_key() {
            MissingKey::Invalid => Ok(Operand::INVALID),
            MissingKey::Zero => Ok(Operand::element(element_type.zero(), element_type)),
            MissingKey::Error => {
                Err(self.failure(format!("map has no entry for key {}", quote::quote(name))))
            }
        }
    }
}

fn lossy(name: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(name)
}
