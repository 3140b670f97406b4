//! What can go wrong, as values: in schema text, in a bundle, while encoding, decoding, unpacking, and in RPC messages.

use std::fmt::Display;

use thiserror::Error;

/// A schema that cannot be used: the operator's mistake, found at start-up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Schema text is wrong.
    #[error("line {line}: {problem}")]
    Text {
        /// Line of the text, counted from 1.
        line: usize,
        /// What is wrong there and how to mend it.
        problem: TextProblem,
    },
    /// A binary schema (bundle) is not a valid sproto struct.
    #[error("schema bundle: {0}; rebuild it with skynet's sprotoparser or `Schema::to_bundle`")]
    Bytes(#[from] DecodeError),
    /// A binary schema is a valid struct with contents that make no schema.
    #[error("schema bundle: {0}; rebuild it with skynet's sprotoparser or `Schema::to_bundle`")]
    Bundle(BundleProblem),
}

/// What is wrong in a schema text, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TextProblem {
    /// The text is longer than [`MAX_OBJECT`](super::MAX_OBJECT).
    #[error("the text has {0} bytes, more than 16 MiB; split the schema")]
    TextTooLong(usize),
    /// Another token was needed.
    #[error("found {found}, expected {expected}")]
    Syntax {
        /// What stands there.
        found: String,
        /// What could stand there.
        expected: &'static str,
    },
    /// Types nested deeper than 64.
    #[error("types are nested deeper than 64; move `{0}` to the top level")]
    TooDeep(String),
    /// More types than a bundle can number.
    #[error("{0} types, but a schema can have 32767; split the schema")]
    TooManyTypes(usize),
    /// A tag that does not fit the wire.
    #[error("tag {tag} of `{name}` is too large; use one from 0 to 32766")]
    TagTooLarge {
        /// Field or protocol.
        name: String,
        /// The tag as written.
        tag: String,
    },
    /// Two types of one full name.
    #[error("type `{0}` is defined twice; rename or remove one of them")]
    DuplicateType(String),
    /// Two fields of one name.
    #[error("field `{field}` is defined twice in type `{ty}`; rename or remove one of them")]
    DuplicateField {
        /// Full name of the type.
        ty: String,
        /// The field.
        field: String,
    },
    /// Two fields with one tag.
    #[error("fields `{first}` and `{second}` of type `{ty}` share tag {tag}; give one of them another tag")]
    DuplicateTag {
        /// Full name of the type.
        ty: String,
        /// The field that stands first.
        first: String,
        /// The field that repeats the tag.
        second: String,
        /// The tag of both.
        tag: u16,
    },
    /// Two protocols of one name.
    #[error("protocol `{0}` is defined twice; rename or remove one of them")]
    DuplicateProtocol(String),
    /// Two protocols with one tag.
    #[error("protocols `{first}` and `{second}` share tag {tag}; give one of them another tag")]
    DuplicateProtocolTag {
        /// The protocol that stands first.
        first: String,
        /// The protocol that repeats the tag.
        second: String,
        /// The tag of both.
        tag: u16,
    },
    /// `request` or `response` twice in one protocol.
    #[error("protocol `{protocol}` has two parts `{part}`; remove one of them")]
    DuplicatePart {
        /// The protocol.
        protocol: String,
        /// `request` or `response`.
        part: &'static str,
    },
    /// A field of a type that is nowhere defined.
    #[error(
        "type `{name}` of field `{field}` is not known from inside `{ty}`; define `.{name}`, or use integer, boolean, string, binary or double"
    )]
    UnknownType {
        /// Full name of the type the field stands in.
        ty: String,
        /// The field.
        field: String,
        /// The type name as written.
        name: String,
    },
    /// A request or response that names no defined type.
    #[error(
        "{part} type `{name}` of protocol `{protocol}` is not defined; define `.{name}` or write the struct inline as `{part} {{ … }}`"
    )]
    UnknownBody {
        /// The protocol.
        protocol: String,
        /// `request` or `response`.
        part: &'static str,
        /// The type name as written.
        name: String,
    },
    /// `integer(n)` with an n that cannot be used.
    #[error("`{field}` has {digits} decimal digits, but integer(n) takes n from 0 to 9")]
    Digits {
        /// The field.
        field: String,
        /// What stands between the parentheses.
        digits: String,
    },
    /// Parentheses after a type that takes none.
    #[error(
        "`{field}` has a key `({key})`, but only an array of a struct type can have one; write `*Type({key})` or remove the parentheses"
    )]
    KeyMisplaced {
        /// The field.
        field: String,
        /// What stands between the parentheses.
        key: String,
    },
    /// The key of a map is no field of its entries.
    #[error("`{field}` is keyed by `{key}`, which is no field of `{entry}`; name one of its fields")]
    KeyUnknown {
        /// The field.
        field: String,
        /// The key as written.
        key: String,
        /// Full name of the entry type.
        entry: String,
    },
    /// The key of a map is a struct or an array.
    #[error(
        "`{field}` is keyed by `{key}` of `{entry}`, which is a struct or an array; a key must be a single built-in value"
    )]
    KeyNotScalar {
        /// The field.
        field: String,
        /// Name of the key field.
        key: String,
        /// Full name of the entry type.
        entry: String,
    },
    /// `*Type()` of a type that has not two fields.
    #[error(
        "`{field}` is a map `*{entry}()`, but `{entry}` has {fields} fields; it must have two, a key and a value"
    )]
    MapFields {
        /// The field.
        field: String,
        /// Full name of the entry type.
        entry: String,
        /// How many fields it has.
        fields: usize,
    },
}

/// What makes the contents of a bundle no schema.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BundleProblem {
    /// More types than can be numbered.
    #[error("{0} types, but a schema can have 32767")]
    TooManyTypes(usize),
    /// A type without a name, or two of one name.
    #[error("type {0} has no name, or the name of another")]
    TypeName(usize),
    /// Fields of a type are not in ascending order of tags, or a tag is out of range.
    #[error("tags of type `{0}` are out of order or out of range")]
    FieldTags(String),
    /// A field has neither a built-in type nor a type of the bundle, or both, or a name used twice.
    #[error("field `{field}` of type `{ty}` is not understood")]
    Field {
        /// Full name of the type.
        ty: String,
        /// The field.
        field: String,
    },
    /// The key of a map does not fit its entry type.
    #[error("the map key of field `{field}` of type `{ty}` does not fit its entries")]
    Key {
        /// Full name of the type.
        ty: String,
        /// The field.
        field: String,
    },
    /// A protocol is out of order, out of range, not unique, or refers to a type that is not there.
    #[error("protocol `{0}` is out of order, not unique, or refers to no type")]
    Protocol(String),
}

/// A value that cannot be encoded: the sender's mistake.
///
/// `field` is `Type.field`, or the type's name alone for the outermost struct.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The id belongs to another schema.
    #[error("type id {0} does not belong to this schema")]
    UnknownType(u32),
    /// The value has a field the schema does not know.
    #[error("type `{ty}` of the schema has no field `{field}`; add it to the schema or skip it in the value")]
    UnknownField {
        /// Full name of the type.
        ty: Box<str>,
        /// The field of the value.
        field: Box<str>,
    },
    /// The value has one field twice.
    #[error("`{field}` is given twice")]
    DuplicateField {
        /// Where.
        field: Box<str>,
    },
    /// The value is of another kind than the schema says.
    #[error("`{field}` is {expected} in the schema, the value is {found}")]
    WrongKind {
        /// Where.
        field: Box<str>,
        /// What the schema says.
        expected: &'static str,
        /// What the value is.
        found: &'static str,
    },
    /// A number outside what the field can hold: 64 bits with sign, or one byte in a string.
    #[error("`{field}`: the number is out of range")]
    Range {
        /// Where.
        field: Box<str>,
    },
    /// Nothing (`None`, `()`) where a value is needed: as a whole struct, in an array or in a map.
    #[error("`{field}`: nothing is given where a value is needed")]
    Nil {
        /// Where.
        field: Box<str>,
    },
    /// An entry of a map without its key (or, in `*Type()`, without its value).
    #[error("`{field}`: a map entry lacks its key or value, so nobody could decode it")]
    MissingKey {
        /// The entry type.
        field: Box<str>,
    },
    /// Deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("structs are nested deeper than 64")]
    TooDeep,
    /// Longer than [`MAX_OBJECT`](super::MAX_OBJECT).
    #[error("the encoded object is larger than 16 MiB")]
    TooLarge,
    /// Said by the value's own `Serialize`.
    #[error("{0}")]
    Message(Box<str>),
}

impl serde::ser::Error for EncodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Message(message.to_string().into())
    }
}

/// Bytes that cannot be decoded: what a peer can cause.
///
/// `field` is `Type.field`, or the type's name alone for the outermost struct.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The id belongs to another schema.
    #[error("type id {0} does not belong to this schema")]
    UnknownType(u32),
    /// The bytes end inside a header, a data item or an array.
    #[error("the data ends early")]
    Short,
    /// An inline number in a field that is not integer or boolean.
    #[error("`{field}`: an inline number in a field that cannot be one")]
    Inline {
        /// Where.
        field: Box<str>,
    },
    /// A data item of a size the field cannot have.
    #[error("`{field}`: a data item of {size} bytes does not fit")]
    ItemSize {
        /// Where.
        field: Box<str>,
        /// Bytes in the item.
        size: usize,
    },
    /// A number array whose elements are not 4 or 8 bytes, or with a ragged end.
    #[error("`{field}`: a number array with a wrong element size or a ragged end")]
    Array {
        /// Where.
        field: Box<str>,
    },
    /// A nested struct that does not use its data item exactly.
    #[error("`{field}`: a nested struct does not fill its data item")]
    Trailing {
        /// The type of the struct.
        field: Box<str>,
    },
    /// An entry of a map without its key (or, in `*Type()`, without its value).
    #[error("`{field}`: a map entry lacks its key or value")]
    MissingKey {
        /// The entry type.
        field: Box<str>,
    },
    /// Text was asked for, and the bytes are not UTF-8.
    #[error("`{field}`: the string is not UTF-8; read it as bytes")]
    Utf8 {
        /// Where.
        field: Box<str>,
    },
    /// An enum was asked for, and the number is negative or above 32 bits.
    #[error("`{field}`: the number names no variant")]
    Variant {
        /// Where.
        field: Box<str>,
    },
    /// Deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("structs are nested deeper than 64")]
    TooDeep,
    /// Said by the value's own `Deserialize`: a missing field, a number out of range.
    #[error("{0}")]
    Message(Box<str>),
}

impl serde::de::Error for DecodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Message(message.to_string().into())
    }
}

/// Bytes that cannot be unpacked: what a peer can cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The data ends inside a word or a run.
    #[error("the packed data ends early")]
    Short,
    /// The result would be longer than the caller's limit.
    #[error("the packed data unpacks to more than {limit} bytes")]
    TooLarge {
        /// The caller's limit in bytes.
        limit: usize,
    },
}

/// Two schemas that cannot serve RPC: the operator's mistake, found at start-up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HostError {
    /// The header type is not in the incoming schema.
    #[error("the incoming schema has no type `{0}`; add `.{0} {{ type 0 : integer  session 1 : integer }}`")]
    NoPackage(String),
    /// The header type has no single integer field of this name.
    #[error("type `{package}` needs a field `{field}` of type integer")]
    Header {
        /// Name of the header type.
        package: String,
        /// `type` or `session`.
        field: &'static str,
    },
}

/// An RPC message that cannot be understood: what a peer can cause.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DispatchError {
    /// The payload is no valid 0-pack.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// The header is no valid struct.
    #[error("header: {0}")]
    Header(DecodeError),
    /// A request for a protocol the schema does not have.
    #[error("unknown protocol tag {tag}")]
    UnknownProtocol {
        /// The `type` of the header.
        tag: i64,
        /// The `session` of the header, for who wants to answer.
        session: Option<i64>,
    },
    /// Neither `type` nor `session` in the header.
    #[error("a message without type and without session")]
    NoSession,
}

/// An RPC message that cannot be encoded: the sender's mistake.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RpcError {
    /// The id belongs to another schema.
    #[error("protocol id {0} does not belong to this schema")]
    UnknownProtocol(u16),
    /// A user datum was given, and the header type has no field `ud`.
    #[error("the header type has no field `ud`; add one or send `&()`")]
    NoUd,
    /// A body was given for a part of a protocol that has none.
    #[error("protocol `{protocol}` has no {part} type; send `&()` as its body")]
    NoBody {
        /// Name of the protocol.
        protocol: Box<str>,
        /// `request` or `response`.
        part: &'static str,
    },
    /// Header or body do not fit the schema.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}
