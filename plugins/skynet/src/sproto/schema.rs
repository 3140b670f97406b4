//! A schema in memory: types, fields, protocols, and how to find them.

use super::{MAX_DIGITS, SchemaError};

/// Types and protocols of one schema, immutable once made.
///
/// Made by [`Schema::parse`] from text or by [`Schema::from_bundle`] from skynet's binary form. Look names up once, keep the
/// [`TypeId`]s and [`ProtocolId`]s, and use those for each message. An id belongs to the schema it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// In the order of the bundle: by full name when made from text.
    types: Vec<Type>,
    /// Ascending by tag.
    protocols: Vec<Protocol>,
    /// Indices of `types` ascending by name.
    type_names: Vec<u32>,
    /// Indices of `protocols` ascending by name.
    protocol_names: Vec<u16>,
}

/// A type of a schema, found by [`Schema::type_`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub(super) u32);

/// A protocol of a schema, found by [`Schema::protocol_named`] or [`Schema::protocol_tagged`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolId(pub(super) u16);

impl ProtocolId {
    /// Position of the protocol among all of its schema, ascending by tag and without gaps: an index for a table of handlers.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A struct type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type {
    pub(super) name: Box<str>,
    /// Ascending by tag.
    pub(super) fields: Box<[Field]>,
    /// Most header words an encoded struct can need: one a field and one a gap between tags.
    pub(super) words: usize,
    /// Indices of `fields` ascending by name.
    names: Box<[u16]>,
}

/// A field of a [`Type`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub(super) name: Box<str>,
    pub(super) tag: u16,
    pub(super) kind: Kind,
    pub(super) repeat: Repeat,
}

/// What one value of a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `integer`: 64 bits with sign.
    Integer,
    /// `integer(n)`: a number times 10ⁿ, stored as an integer; n is 0 to 9.
    Fixed(u8),
    /// `boolean`.
    Boolean,
    /// `string`: bytes, meant as text; the wire does not ask for UTF-8.
    String,
    /// `binary`: bytes.
    Binary,
    /// `double`: IEEE 754, 64 bits.
    Double,
    /// A struct type of the same schema.
    Struct(TypeId),
}

/// How many values a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// One value.
    One,
    /// `*Type`: a list.
    Array,
    /// `*Type(field)`: structs keyed by one of their fields; the number is the key field's position in the entry type.
    Keyed(u16),
    /// `*Type()`: structs of two fields, key and value.
    Pairs,
}

/// A request with its answer, or a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    pub(super) name: Box<str>,
    pub(super) tag: u16,
    pub(super) request: Option<TypeId>,
    pub(super) response: Option<TypeId>,
    pub(super) confirm: bool,
}

impl Schema {
    /// Reads a schema in sproto's text language (skynet, sproto wire protocol: `sprotoparser`).
    ///
    /// Whitespace is free and `#` starts a comment. A `.Type { name tag : type … }` is a struct, types nested in it get the full
    /// name `Type.Inner` and are found from the innermost scope outwards. `name tag { request … response … }` is a protocol.
    ///
    /// # Errors
    /// [`SchemaError::Text`] with the line, what is wrong and how to mend it. The text may have 16 MiB, types may be nested
    /// 64 deep, tags go up to 32766.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        super::resolve::schema(super::parse::text(text)?)
    }

    /// The type of this full name.
    #[must_use]
    pub fn type_(&self, name: &str) -> Option<TypeId> {
        let found =
            self.type_names.binary_search_by(|&i| self.type_at(TypeId(i)).map_or("", Type::name).cmp(name));
        self.type_names.get(found.ok()?).copied().map(TypeId)
    }

    /// The type behind an id; `None` if the id is of another, larger schema.
    #[must_use]
    pub fn type_at(&self, id: TypeId) -> Option<&Type> {
        self.types.get(usize::try_from(id.0).ok()?)
    }

    /// All types, in the order of their indices in a bundle.
    pub fn types(&self) -> impl ExactSizeIterator<Item = &Type> {
        self.types.iter()
    }

    /// The protocol of this name.
    #[must_use]
    pub fn protocol_named(&self, name: &str) -> Option<ProtocolId> {
        let found = self
            .protocol_names
            .binary_search_by(|&i| self.protocol_at(ProtocolId(i)).map_or("", Protocol::name).cmp(name));
        self.protocol_names.get(found.ok()?).copied().map(ProtocolId)
    }

    /// The protocol of this tag, as it stands in the `type` of a request's header.
    #[must_use]
    pub fn protocol_tagged(&self, tag: i64) -> Option<ProtocolId> {
        let tag = u16::try_from(tag).ok()?;
        let index = self.protocols.binary_search_by_key(&tag, |protocol| protocol.tag).ok()?;
        u16::try_from(index).ok().map(ProtocolId)
    }

    /// The protocol behind an id; `None` if the id is of another, larger schema.
    #[must_use]
    pub fn protocol_at(&self, id: ProtocolId) -> Option<&Protocol> {
        self.protocols.get(usize::from(id.0))
    }

    /// All protocols, ascending by tag.
    pub fn protocols(&self) -> impl ExactSizeIterator<Item = (ProtocolId, &Protocol)> {
        self.protocols.iter().enumerate().map(|(index, protocol)| {
            // Tags are unique and below 32767, so an index always fits.
            (ProtocolId(u16::try_from(index).unwrap_or(u16::MAX)), protocol)
        })
    }

    /// `types` have unique names and valid references, `protocols` unique names and ascending tags.
    pub(super) fn new(types: Vec<Type>, protocols: Vec<Protocol>) -> Self {
        let mut type_names: Vec<u32> = (0..).take(types.len()).collect();
        type_names.sort_by_key(|&i| types.get(i as usize).map(Type::name));
        let mut protocol_names: Vec<u16> = (0..).take(protocols.len()).collect();
        protocol_names.sort_by_key(|&i| protocols.get(usize::from(i)).map(Protocol::name));
        Self { types, protocols, type_names, protocol_names }
    }
}

/// Up to this many fields a plain search by name is faster than a binary one.
const FEW_FIELDS: usize = 8;

impl Type {
    /// `fields` have unique names and ascending tags.
    pub(super) fn new(name: &str, fields: Vec<Field>) -> Self {
        let mut names: Vec<u16> = (0..).take(fields.len()).collect();
        names.sort_by_key(|&i| fields.get(usize::from(i)).map(Field::name));
        let mut words = fields.len();
        let mut next = 0;
        for field in &fields {
            words += usize::from(field.tag > next);
            next = field.tag + 1;
        }
        Self { name: name.into(), fields: fields.into(), words, names: names.into() }
    }

    /// Full name, with the names of the types it is nested in: `Outer.Inner`, `get.request`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All fields, ascending by tag.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Position of the field of this name. `hint` is where it probably is: values give their fields mostly in the schema's order.
    pub(super) fn find(&self, name: &str, hint: usize) -> Option<usize> {
        if self.fields.get(hint).is_some_and(|field| *field.name == *name) {
            return Some(hint);
        }
        if self.fields.len() <= FEW_FIELDS {
            return self.fields.iter().position(|field| *field.name == *name);
        }
        let field_name = |i: u16| self.fields.get(usize::from(i)).map_or("", Field::name);
        let found = self.names.binary_search_by(|&i| field_name(i).cmp(name)).ok()?;
        self.names.get(found).copied().map(usize::from)
    }

    /// Position of the field of this tag, which is at `from` or after it.
    pub(super) fn find_tag(&self, tag: u32, from: usize) -> Option<usize> {
        let rest = self.fields.get(from..)?;
        if rest.first().is_some_and(|field| u32::from(field.tag) == tag) {
            return Some(from);
        }
        rest.binary_search_by_key(&tag, |field| u32::from(field.tag)).ok().map(|i| from + i)
    }
}

impl Field {
    /// Name, as in a Rust struct or a Lua table.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number on the wire, 0 to 32766.
    #[must_use]
    pub fn tag(&self) -> u16 {
        self.tag
    }

    /// What one value is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How many values there are.
    #[must_use]
    pub fn repeat(&self) -> Repeat {
        self.repeat
    }
}

impl Kind {
    /// 10ⁿ of a fixed-point number, 1 for anything else.
    pub(super) fn scale(self) -> i64 {
        match self {
            Self::Fixed(digits) => 10_i64.pow(u32::from(digits.min(MAX_DIGITS))),
            _ => 1,
        }
    }
}

impl Protocol {
    /// Name, as handlers know it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number on the wire, 0 to 32766; 0 is as good as any.
    #[must_use]
    pub fn tag(&self) -> u16 {
        self.tag
    }

    /// Type of the request's body, if it has one.
    #[must_use]
    pub fn request(&self) -> Option<TypeId> {
        self.request
    }

    /// Type of the answer's body, if it has one.
    #[must_use]
    pub fn response(&self) -> Option<TypeId> {
        self.response
    }

    /// Whether the schema says `response nil`: an answer of a header alone.
    ///
    /// A request with a session is answered by a header alone also when the protocol says nothing about a response.
    #[must_use]
    pub fn confirm(&self) -> bool {
        self.confirm
    }
}
