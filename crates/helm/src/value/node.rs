//! Values to the nodes that the writer of YAML takes.

use std::borrow::Cow;

use serde_json::Value as Json;
use tiphys_manifest::yaml::Node;

use super::encode::Sink;
use super::json_text;

type Text = Cow<'static, str>;

/// A list or map whose end has not come yet.
enum Open {
    List(Vec<Node<'static>>),
    Map(Vec<(Text, Node<'static>)>, Text),
}

/// Builds a node of what it is given.
#[derive(Default)]
pub(super) struct NodeSink {
    open: Vec<Open>,
    done: Option<Node<'static>>,
}

impl NodeSink {
    /// The node of the value that was given.
    pub(super) fn finish(self) -> Node<'static> {
        self.done.unwrap_or(Node::Null)
    }

    fn add(&mut self, node: Node<'static>) {
        match self.open.last_mut() {
            Some(Open::List(items)) => items.push(node),
            Some(Open::Map(entries, key)) => entries.push((std::mem::take(key), node)),
            None => self.done = Some(node),
        }
    }

    fn close(&mut self) {
        let node = match self.open.pop() {
            Some(Open::List(items)) => Node::Sequence(items),
            Some(Open::Map(entries, _)) => Node::Mapping(entries),
            None => return,
        };
        self.add(node);
    }
}

fn owned(text: &[u8]) -> Text {
    Cow::Owned(json_text(text).into_owned())
}

impl Sink for NodeSink {
    fn null(&mut self) {
        self.add(Node::Null);
    }

    fn boolean(&mut self, boolean: bool) {
        self.add(Node::Boolean(boolean));
    }

    fn integer(&mut self, integer: i64) {
        self.add(Node::Integer(integer));
    }

    fn unsigned(&mut self, unsigned: u64) {
        self.add(i64::try_from(unsigned).map_or(Node::Unsigned(unsigned), Node::Integer));
    }

    fn float(&mut self, float: f64) {
        self.add(Node::Float(float));
    }

    fn text(&mut self, text: &[u8]) {
        self.add(Node::String(owned(text)));
    }

    fn open_list(&mut self) {
        self.open.push(Open::List(Vec::new()));
    }

    fn close_list(&mut self) {
        self.close();
    }

    fn open_map(&mut self) {
        self.open.push(Open::Map(Vec::new(), Text::default()));
    }

    fn key(&mut self, key: &[u8]) {
        if let Some(Open::Map(_, next)) = self.open.last_mut() {
            *next = owned(key);
        }
    }

    fn close_map(&mut self) {
        self.close();
    }
}

/// The JSON value of a node. Infinities and NaN are null.
pub(super) fn json_of(node: Node<'_>) -> Json {
    match node {
        Node::Null => Json::Null,
        Node::Boolean(boolean) => Json::Bool(boolean),
        Node::Integer(integer) => integer.into(),
        Node::Unsigned(unsigned) => unsigned.into(),
        Node::Float(float) => float.into(),
        Node::String(text) => Json::String(text.into_owned()),
        Node::Sequence(items) => Json::Array(items.into_iter().map(json_of).collect()),
        Node::Mapping(entries) => {
            Json::Object(entries.into_iter().map(|(key, value)| (key.into_owned(), json_of(value))).collect())
        }
    }
}
