use std::fmt;

use serde_json::Value;

/// Where in an object something is. Prints as `spec.containers[name=web].image`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<Segment>);

/// One step into an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Into a mapping.
    Field(String),
    /// Into a list, at a place.
    Index(usize),
    /// Into a list, to the item that has a field with a value, and where that is (in either of two lists that are
    /// compared, the later one first).
    Item {
        /// The field that tells items apart.
        key: String,
        /// Its value, as it prints.
        value: String,
        /// Place in the list.
        index: usize,
    },
}

impl FieldPath {
    /// The steps.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// One step further.
    #[must_use]
    pub fn join(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// One step into a mapping.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        self.join(Segment::Field(name.to_owned()))
    }

    /// One step into a list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.join(Segment::Index(index))
    }

    /// What is there, if there is something.
    pub fn resolve<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(object, |value, segment| segment.resolve(value))
    }

    /// Whether the path is `fields`, or leads below it.
    pub fn starts_with(&self, fields: &[&str]) -> bool {
        fields.len() <= self.0.len()
            && self
                .0
                .iter()
                .zip(fields)
                .all(|(segment, field)| matches!(segment, Segment::Field(name) if name == field))
    }
}

impl FromIterator<Segment> for FieldPath {
    fn from_iter<I: IntoIterator<Item = Segment>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if plain(name) && position == 0 => f.write_str(name)?,
                Segment::Field(name) if plain(name) => write!(f, ".{name}")?,
                Segment::Field(name) => write!(f, "[{name}]")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Item { key, value, .. } => write!(f, "[{key}={value}]")?,
            }
        }
        Ok(())
    }
}

impl Segment {
    /// What one step leads to.
    pub fn resolve<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Field(name) => value.as_object()?.get(name),
            Self::Index(index) | Self::Item { index, .. } => value.as_array()?.get(*index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_print_for_people() {
        let path: FieldPath = [
            Segment::Field("spec".to_owned()),
            Segment::Field("app.kubernetes.io/name".to_owned()),
            Segment::Item { key: "name".to_owned(), value: "web".to_owned(), index: 3 },
            Segment::Field("args".to_owned()),
            Segment::Index(0),
        ]
        .into_iter()
        .collect();
        assert_eq!(path.to_string(), "spec[app.kubernetes.io/name][name=web].args[0]");
    }
}
