//! Fields, keys and methods.

use crate::exec::Operand;
use crate::exec::eval::Given;
use crate::exec::walk::{Exec, Failure, Result};
use crate::fmt::quote;
use crate::node::{Field, Place, Run};
use crate::set::MissingKey;
use crate::value::{Kind, Map, Type, Value};

impl Exec<'_, '_, '_> {
    /// Evaluates `.a.b.c` on a value. The arguments go to the last field, which must then be a method.
    pub(super) fn fields(
        &mut self,
        dot: &Operand,
        receiver: &Operand,
        node: u32,
        fields: Run,
        given: Given,
    ) -> Result<Operand> {
        let unit = self.unit;
        match fields.of(&unit.fields) {
            [] => Ok(receiver.clone()),
            [only] => self.field(dot, receiver, only, node, given),
            [first, inner @ .., end] => {
                let mut current = self.field(dot, receiver, first, node, Given::NOTHING)?;
                for field in inner {
                    current = self.field(dot, &current, field, node, Given::NOTHING)?;
                }
                self.field(dot, &current, end, node, given)
            }
        }
    }

    #[inline]
    fn field(
        &mut self,
        dot: &Operand,
        receiver: &Operand,
        field: &Field,
        node: u32,
        given: Given,
    ) -> Result<Operand> {
        let has_arguments = given.count() > 0;
        if let Value::Map(map) = &receiver.value {
            return self.key(map, field, has_arguments);
        }
        let name = self.unit.slice(field.name);
        match &receiver.value {
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
                    return self.method(dot, native, name, signature, Place::Expr(node), given);
                }
                if let Some(Value::Map(map)) = native.underlying() {
                    return self.key(&map, field, has_arguments);
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
                Kind::Map => self.key(&Map::with_type(typ), field, has_arguments),
                Kind::Pointer => {
                    let typ = receiver.type_name();
                    Err(self.failure(format!("nil pointer evaluating {typ}.{}", lossy(name))))
                }
                _ => Err(self.no_field(receiver, name)),
            },
            _ => Err(self.no_field(receiver, name)),
        }
    }

    fn no_field(&self, receiver: &Operand, name: &[u8]) -> Failure {
        self.failure(format!("can't evaluate field {} in type {}", lossy(name), receiver.type_name()))
    }

    /// The value of a map's key.
    #[inline]
    fn key(&mut self, map: &Map, field: &Field, has_arguments: bool) -> Result<Operand> {
        let name = self.unit.slice(field.name);
        if has_arguments {
            return Err(self.failure(format!("{} is not a method but has arguments", lossy(name))));
        }
        let element_type: &'static Type = map.element_type();
        let found = match &field.key {
            Some(key) => map.get_key(key),
            None => map.get(name),
        };
        if let Some(value) = found {
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
