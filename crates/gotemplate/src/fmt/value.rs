//! Values of every kind under a verb.

use std::borrow::Borrow;

use crate::exec::with_stack;
use crate::fmt::number::Integer;
use crate::fmt::quote::append_char;
use crate::fmt::{MAX_NESTING, Printer};
use crate::limits::Limit;
use crate::value::{Kind, List, Map, Native, Type, Value};

impl Printer {
    /// Prints an argument of `printf` and the like.
    pub(crate) fn arg(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::Nil, 'T' | 'v') => self.pad(b"<nil>"),
            (Value::Nil, _) => self.bad_verb(value, verb),
            (_, 'T') => self.plain(value.type_name().as_bytes()),
            (_, 'p') => self.pointer(value, 'p'),
            (Value::TypedNil(typ), _) if **typ == Type::BYTES => {
                if self.flags.sharp_v && matches!(verb, 'v' | 'd') {
                    self.write(b"[]byte(nil)");
                } else {
                    self.value(value, verb, 0);
                }
            }
            (Value::Bytes(bytes), _) => {
                if !self.bytes(bytes, verb, "[]byte") {
                    self.value(value, verb, 0);
                }
            }
            (Value::Native(native), _) => {
                if !self.method(&**native, value, verb) {
                    self.value(value, verb, 0);
                }
            }
            // No value of this kind is an error, so `%w` never fits one with methods or elements.
            (Value::List(_) | Value::Map(_) | Value::TypedNil(_) | Value::Func(_), 'w') => {
                self.bad_verb(value, verb);
            }
            _ => self.value(value, verb, 0),
        }
    }

    /// Prints a native pointer by its own text or by what it points to.
    pub(super) fn pointee(&mut self, native: &dyn Native, value: &Value) {
        if !self.method(native, value, 'v') {
            self.fields(native, 'v', 0);
        }
    }

    /// Prints a value by its own text, if it has one that fits the verb.
    fn method(&mut self, native: &dyn Native, value: &Value, verb: char) -> bool {
        if self.erroring {
            return false;
        }
        if verb == 'w' {
            self.bad_verb(value, verb);
            return true;
        }
        if self.flags.sharp_v || !matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') {
            return false;
        }
        match native.to_text() {
            Some(text) => self.string(&text, verb),
            None => false,
        }
    }

    fn bad_verb(&mut self, value: &Value, verb: char) {
        let outer = std::mem::replace(&mut self.erroring, true);
        self.write(b"%!");
        append_char(&mut self.out, verb);
        if matches!(value, Value::Nil) {
            self.write(b"(<nil>)");
        } else {
            self.write(b"(");
            self.write(value.type_name().as_bytes());
            self.write(b"=");
            self.value(value, 'v', 0);
            self.write(b")");
        }
        self.erroring = outer;
    }

    /// Prints a value inside others: `depth` of them.
    fn value(&mut self, value: &Value, verb: char, depth: u32) {
        if self.is_full() {
            return;
        }
        let fits = match value {
            Value::Nil => {
                self.nil_element();
                true
            }
            Value::Bool(truth) if matches!(verb, 't' | 'v') => {
                self.pad(if *truth { b"true" } else { b"false" });
                true
            }
            Value::Bool(_) => false,
            Value::Int(_, number) => {
                self.integer(Integer { bits: number.cast_unsigned(), signed: true }, verb)
            }
            Value::Uint(_, number) => self.integer(Integer { bits: *number, signed: false }, verb),
            Value::Float(typ, number) => self.float(*number, *typ, verb),
            Value::Complex(real, imaginary) => self.complex(*real, *imaginary, verb),
            Value::String(text) => self.string(text, verb),
            Value::Bytes(bytes) if matches!(verb, 's' | 'q' | 'x' | 'X') => {
                self.bytes(bytes, verb, "[]uint8")
            }
            Value::Bytes(bytes) => {
                self.elements(bytes.iter().map(|byte| Value::from(*byte)), &Type::BYTES, verb, depth);
                true
            }
            Value::List(list) => {
                self.list(list, list.type_of(), verb, depth);
                true
            }
            Value::Map(map) => {
                self.map(map, map.type_of(), verb, depth);
                true
            }
            Value::Native(native) => return self.native(&**native, value, verb, depth),
            Value::TypedNil(typ) => return self.typed_nil(typ, value, verb),
            Value::Func(_) => return self.pointer(value, verb),
        };
        if !fits {
            self.bad_verb(value, verb);
        }
    }

    /// A nil in a list or map of `interface {}`.
    fn nil_element(&mut self) {
        self.write(if self.flags.sharp_v { b"interface {}(nil)" } else { b"<nil>" });
    }

    fn typed_nil(&mut self, typ: &'static Type, value: &Value, verb: char) {
        match typ.kind() {
            Kind::Map | Kind::Slice if self.flags.sharp_v => {
                self.write(typ.to_string().as_bytes());
                self.write(b"(nil)");
            }
            Kind::Map => self.map(&Map::with_type(typ), typ, verb, 0),
            Kind::Slice if typ.element() == Some(&Type::BYTE) && matches!(verb, 's' | 'q' | 'x' | 'X') => {
                self.bytes(b"", verb, "[]uint8");
            }
            Kind::Slice => self.list(&List::with_type(typ, Vec::new()), typ, verb, 0),
            _ => self.pointer(value, verb),
        }
    }

    /// Elements between brackets, inside one more level.
    fn enclosed(&mut self, open: &[u8], close: &[u8], depth: u32, inner: impl FnOnce(&mut Self)) {
        if depth >= MAX_NESTING {
            self.failed.get_or_insert(Limit::Nesting(MAX_NESTING));
            return;
        }
        self.write(open);
        with_stack(|| inner(self));
        self.write(close);
    }

    fn element(&mut self, value: &Value, verb: char, depth: u32) {
        if let Value::Native(native) = value
            && self.method(&**native, value, verb)
        {
            return;
        }
        self.value(value, verb, depth);
    }

    fn separator(&mut self, index: usize) {
        if index > 0 {
            self.write(if self.flags.sharp_v { b", " } else { b" " });
        }
    }

    fn list(&mut self, list: &List, typ: &Type, verb: char, depth: u32) {
        if typ.element() == Some(&Type::BYTE) && matches!(verb, 's' | 'q' | 'x' | 'X') {
            let bytes: Vec<u8> = list
                .iter()
                .map(
                    |item| if let Value::Uint(_, byte) = item { u8::try_from(*byte).unwrap_or(0) } else { 0 },
                )
                .collect();
            self.bytes(&bytes, verb, "[]uint8");
            return;
        }
        self.elements(list.iter(), typ, verb, depth);
    }

    fn elements<V: Borrow<Value>>(
        &mut self,
        items: impl Iterator<Item = V>,
        typ: &Type,
        verb: char,
        depth: u32,
    ) {
        let (open, close): (&[u8], &[u8]) = if self.flags.sharp_v {
            self.write(typ.to_string().as_bytes());
            (b"{", b"}")
        } else {
            (b"[", b"]")
        };
        self.enclosed(open, close, depth, |printer| {
            for (index, item) in items.enumerate() {
                if printer.is_full() {
                    break;
                }
                printer.separator(index);
                printer.element(item.borrow(), verb, depth + 1);
            }
        });
    }

    fn map(&mut self, map: &Map, typ: &Type, verb: char, depth: u32) {
        let (open, close): (&[u8], &[u8]) = if self.flags.sharp_v {
            self.write(typ.to_string().as_bytes());
            (b"{", b"}")
        } else {
            (b"map[", b"]")
        };
        self.enclosed(open, close, depth, |printer| {
            let mut index = 0;
            map.for_each(|key, value| {
                if printer.is_full() {
                    return;
                }
                printer.separator(index);
                printer.value(&Value::String(key.clone()), verb, depth + 1);
                printer.write(b":");
                printer.element(value, verb, depth + 1);
                index += 1;
            });
        });
    }

    fn native(&mut self, native: &dyn Native, value: &Value, verb: char, depth: u32) {
        match native.underlying() {
            Some(Value::Map(map)) => self.map(&map, native.type_of(), verb, depth),
            Some(Value::List(list)) => self.list(&list, native.type_of(), verb, depth),
            Some(plain) => {
                if !self.plain_native(&plain, verb, depth) {
                    self.bad_verb(value, verb);
                }
            }
            None if native.type_of().kind() == Kind::Pointer => {
                if depth > 0 {
                    return self.pointer(value, verb);
                }
                self.write(b"&");
                self.fields(native, verb, depth + 1);
            }
            None => self.fields(native, verb, depth),
        }
    }

    /// A native value of a simple kind; `false` if the verb does not fit.
    fn plain_native(&mut self, plain: &Value, verb: char, depth: u32) -> bool {
        match plain {
            Value::Int(_, number) => {
                self.integer(Integer { bits: number.cast_unsigned(), signed: true }, verb)
            }
            Value::Uint(_, number) => self.integer(Integer { bits: *number, signed: false }, verb),
            Value::Float(typ, number) => self.float(*number, *typ, verb),
            Value::String(text) => self.string(text, verb),
            Value::Bool(_) if !matches!(verb, 't' | 'v') => false,
            other => {
                self.value(other, verb, depth);
                true
            }
        }
    }

    fn fields(&mut self, native: &dyn Native, verb: char, depth: u32) {
        if self.flags.sharp_v {
            let typ = native.type_of();
            self.write(typ.element().unwrap_or(typ).to_string().as_bytes());
        }
        let named = self.flags.plus_v || self.flags.sharp_v;
        self.enclosed(b"{", b"}", depth, |printer| {
            for (index, (name, value)) in native.fields().into_iter().enumerate() {
                printer.separator(index);
                if named {
                    printer.write(name.as_bytes());
                    printer.write(b":");
                }
                printer.element(&value, verb, depth + 1);
            }
        });
    }

    /// Prints bytes; `false` if they are to be printed as a list of numbers with this verb.
    fn bytes(&mut self, bytes: &[u8], verb: char, type_name: &str) -> bool {
        match verb {
            'v' | 'd' => {
                let sharp = self.flags.sharp_v;
                if sharp {
                    self.write(type_name.as_bytes());
                }
                self.write(if sharp { b"{" } else { b"[" });
                for (index, byte) in bytes.iter().enumerate() {
                    self.separator(index);
                    if sharp {
                        self.hex_with_prefix(u64::from(*byte), true);
                    } else {
                        self.integer(Integer { bits: u64::from(*byte), signed: false }, 'd');
                    }
                }
                self.write(if sharp { b"}" } else { b"]" });
            }
            's' => self.plain(bytes),
            'x' | 'X' => self.hex_bytes(bytes, verb),
            'q' => self.quoted(bytes),
            _ => return false,
        }
        true
    }

    /// Prints the address of a value that has one. Addresses differ from Go's, as they do from run to run.
    fn pointer(&mut self, value: &Value, verb: char) {
        let address = match value {
            Value::Map(map) => map.address(),
            Value::List(list) => list.as_slice().as_ptr().addr(),
            Value::Bytes(bytes) => bytes.as_ptr().addr(),
            Value::Func(function) => std::sync::Arc::as_ptr(function).addr(),
            Value::Native(native) if native.type_of().kind() == Kind::Pointer => {
                std::rc::Rc::as_ptr(native).cast::<()>().addr()
            }
            Value::TypedNil(_) => 0,
            _ => return self.bad_verb(value, verb),
        };
        let address = address as u64;
        match verb {
            'v' if self.flags.sharp_v => {
                self.write(b"(");
                self.write(value.type_name().as_bytes());
                self.write(b")(");
                if address == 0 {
                    self.write(b"nil");
                } else {
                    self.hex_with_prefix(address, true);
                }
                self.write(b")");
            }
            'v' if address == 0 => self.pad(b"<nil>"),
            'v' | 'p' => self.hex_with_prefix(address, !self.flags.sharp),
            'b' | 'o' | 'd' | 'x' | 'X' => {
                self.integer(Integer { bits: address, signed: false }, verb);
            }
            _ => self.bad_verb(value, verb),
        }
    }
}
