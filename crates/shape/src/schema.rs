//! What a shape looks like: constant data that protocols, validation and documentation interpret.
//!
//! Schemas are built by `#[derive(Shape)]` as promoted constants. References between them are functions, since shapes
//! may contain themselves.

/// A reference to another schema.
pub type SchemaFn = fn() -> &'static Schema;

/// The schema of one shape.
#[derive(Debug)]
pub struct Schema {
    /// The shape's name in AWS's model.
    pub name: &'static str,
    /// What it is made of.
    pub kind: Kind,
    /// What its values must satisfy wherever it is used.
    pub rules: Rules,
}

/// What a shape is made of. `Copy`, so that a named shape can take over another's kind in a constant.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A 32-bit integer.
    Int,
    /// A 64-bit integer.
    Long,
    /// A 32-bit float.
    Float,
    /// A 64-bit float.
    Double,
    /// Text.
    String,
    /// Text out of a set; unknown values are kept on the way out and refused on the way in.
    Enum(&'static [&'static str]),
    /// Bytes, base64 in text protocols.
    Blob,
    /// An instant.
    Timestamp,
    /// Free-form JSON.
    Document,
    /// A payload that streams unread.
    Body,
    /// An outgoing event stream of this union.
    Events(SchemaFn),
    /// A list of one shape.
    List(SchemaFn),
    /// A map from strings to one shape.
    Map(SchemaFn),
    /// That shape or an explicit null: the items of sparse lists and maps (`Vec<Option<T>>`).
    Nullable(SchemaFn),
    /// Named members, each there or not.
    Struct(&'static [Member]),
    /// Exactly one of several members.
    Union(&'static [Member]),
}

/// One member of a structure or union.
#[derive(Debug)]
pub struct Member {
    /// Its name in AWS's model, which is its key in JSON, CBOR and query bodies.
    pub name: &'static str,
    /// The shape of its value.
    pub schema: SchemaFn,
    /// Absence is a validation error.
    pub required: bool,
    /// Where it travels under an HTTP-binding protocol; others put everything into the body.
    pub place: Place,
    /// Rules beyond those of its shape.
    pub rules: Rules,
    /// How a timestamp is written, if not as the protocol's default.
    pub timestamp: Option<TimestampFormat>,
    /// Its name in XML and query, if another.
    pub xml_name: Option<&'static str>,
    /// The element name of a list's items in XML and query, if not `member`.
    pub item_name: Option<&'static str>,
    /// The element names of a map's keys and values in XML and query, if not `key` and `value`.
    pub entry_names: Option<(&'static str, &'static str)>,
    /// A list or map without its wrapping element in XML and query.
    pub flattened: bool,
    /// Filled with a fresh UUID when absent.
    pub idempotency_token: bool,
    /// Kept out of logs and audit records.
    pub sensitive: bool,
}

/// Where a member travels under restJson1 and restXml.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the document body.
    Body,
    /// In the path template's `{Name}`.
    Label,
    /// In the query string under this key.
    Query(&'static str),
    /// All query parameters not bound otherwise, as a map; constants of the path template (`?mode=import`) included.
    QueryMap,
    /// In this header.
    Header(&'static str),
    /// In all headers with this prefix, as a map.
    PrefixHeaders(&'static str),
    /// It is the whole body.
    Payload,
    /// It is the HTTP status.
    StatusCode,
}

/// How a timestamp is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampFormat {
    /// `1795359124.123` (a number).
    EpochSeconds,
    /// `2026-11-22T16:00:00.123Z`.
    DateTime,
    /// `Sun, 22 Nov 2026 16:00:00 GMT`.
    HttpDate,
}

/// Constraints on a value; checked by [`crate::validate`].
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Least and greatest length: characters of text, bytes of blobs, items of lists and maps.
    pub length: Option<(u64, u64)>,
    /// Least and greatest number.
    pub range: Option<(i64, i64)>,
    /// A regular expression that the whole text must match.
    pub pattern: Option<&'static str>,
}

impl Rules {
    /// No constraint.
    pub const NONE: Rules = Rules { length: None, range: None, pattern: None };
}

impl Schema {
    /// A schema without rules of its own.
    pub const fn new(name: &'static str, kind: Kind) -> Schema {
        Schema { name, kind, rules: Rules::NONE }
    }

    /// The members of a structure or union; none for all else.
    pub const fn members(&self) -> &'static [Member] {
        match self.kind {
            Kind::Struct(members) | Kind::Union(members) => members,
            _ => &[],
        }
    }

    /// True for a shape without parts.
    pub const fn is_scalar(&self) -> bool {
        !matches!(
            self.kind,
            Kind::List(_) | Kind::Map(_) | Kind::Struct(_) | Kind::Union(_) | Kind::Nullable(_) | Kind::Events(_)
        )
    }

    /// The position and declaration of a member by its name.
    pub fn member(&self, name: &str) -> Option<(usize, &'static Member)> {
        self.members().iter().enumerate().find(|(_, m)| m.name == name)
    }

    /// The member that is the whole body, if there is one.
    pub fn payload(&self) -> Option<(usize, &'static Member)> {
        self.members().iter().enumerate().find(|(_, m)| m.place == Place::Payload)
    }
}

impl Member {
    /// The member's schema.
    pub fn target(&self) -> &'static Schema {
        (self.schema)()
    }
}
