//! The binary form of a schema, which is itself a sproto struct (skynet, sproto wire protocol: `sprotoparser`).

use serde::{Deserialize, Serialize};

use super::schema::{Field, Kind, Protocol, Repeat, Schema, Type, TypeId};
use super::{BundleProblem, EncodeError, MAX_DIGITS, MAX_TAG, MAX_TYPES, SchemaError};

/// The schema of schemas.
const BUNDLE: &str = "
.field {
    name 0 : string
    buildin 1 : integer # 0 integer, 1 boolean, 2 string, 3 double
    type 2 : integer    # index of a type; of an integer its decimal digits, of a string 1 for binary
    tag 3 : integer
    array 4 : boolean
    key 5 : integer     # tag of the key field of a map
    map 6 : boolean     # the entries are pairs
}
.type { name 0 : string  fields 1 : *field }
.protocol {
    name 0 : string
    tag 1 : integer
    request 2 : integer
    response 3 : integer
    confirm 4 : boolean
}
.group { type 0 : *type  protocol 1 : *protocol }
.written { type 0 : *type  protocol 1 : *binary }
";

#[derive(Deserialize)]
struct Group {
    r#type: Option<Vec<TypeEntry>>,
    protocol: Option<Vec<ProtocolEntry>>,
}

/// A group whose protocols are encoded already: see [`write_protocol`].
#[derive(Serialize)]
struct Written {
    r#type: Option<Vec<TypeEntry>>,
    protocol: Option<Vec<Vec<u8>>>,
}

#[derive(Serialize, Deserialize)]
struct TypeEntry {
    name: String,
    fields: Option<Vec<FieldEntry>>,
}

#[derive(Serialize, Deserialize)]
struct FieldEntry {
    name: String,
    buildin: Option<i64>,
    r#type: Option<i64>,
    tag: i64,
    array: Option<bool>,
    key: Option<i64>,
    map: Option<bool>,
}

#[derive(Deserialize)]
struct ProtocolEntry {
    name: String,
    tag: i64,
    request: Option<i64>,
    response: Option<i64>,
    confirm: Option<bool>,
}

impl Schema {
    /// Reads the binary form that `sprotoparser` and skynet's `sprotoloader` use.
    ///
    /// # Errors
    /// [`SchemaError::Bytes`] or [`SchemaError::Bundle`] when the bytes are no schema. All references are checked.
    pub fn from_bundle(bytes: &[u8]) -> Result<Self, SchemaError> {
        let (bundle, group) = bundle_type("group")?;
        let group: Group = bundle.decode(group, bytes)?;
        read(&group).map_err(SchemaError::Bundle)
    }

    /// The binary form, byte for byte as `sprotoparser` makes it of the same text.
    ///
    /// (Of a schema with protocols and no type at all, which the original refuses to write, it is the form its loader reads.)
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] when it would exceed 16 MiB.
    pub fn to_bundle(&self) -> Result<Vec<u8>, EncodeError> {
        let (bundle, written) = bundle_type("written").map_err(serde::ser::Error::custom)?;
        bundle.encode(written, &write(self))
    }
}

fn bundle_type(name: &str) -> Result<(Schema, TypeId), SchemaError> {
    let bundle = Schema::parse(BUNDLE)?;
    let ty = bundle.type_(name).unwrap_or(TypeId(u32::MAX));
    Ok((bundle, ty))
}

fn write(schema: &Schema) -> Written {
    let types: Vec<_> = schema.types().map(|ty| write_type(schema, ty)).collect();
    let protocols: Vec<_> = schema.protocols().map(|(_, protocol)| write_protocol(protocol)).collect();
    let empty = types.is_empty() && protocols.is_empty();
    Written { r#type: (!empty).then_some(types), protocol: some_unless_empty(protocols) }
}

/// A protocol, by hand: the original spends one skip word on each absent part and its loader counts words, not tags.
fn write_protocol(protocol: &Protocol) -> Vec<u8> {
    const SKIP: u16 = 1;
    let inline = |number: u16| (number + 1) * 2;
    // A schema has at most 32767 types, so an index always fits.
    let part = |id: Option<TypeId>| id.map_or(SKIP, |id| inline(u16::try_from(id.0).unwrap_or(MAX_TAG)));
    let mut words = vec![0, inline(protocol.tag), part(protocol.request), part(protocol.response)];
    if protocol.confirm {
        words.push(inline(1));
    }
    while words.last() == Some(&SKIP) {
        words.pop();
    }
    let count = u16::try_from(words.len()).unwrap_or_default();
    let size = u32::try_from(protocol.name.len()).unwrap_or(u32::MAX);
    let mut bytes: Vec<u8> = [count].iter().chain(&words).flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend(size.to_le_bytes());
    bytes.extend(protocol.name.as_bytes());
    bytes
}

fn write_type(schema: &Schema, ty: &Type) -> TypeEntry {
    let fields = ty.fields.iter().map(|field| write_field(schema, field)).collect();
    TypeEntry { name: ty.name.to_string(), fields: some_unless_empty(fields) }
}

fn write_field(schema: &Schema, field: &Field) -> FieldEntry {
    let (buildin, r#type) = match field.kind {
        Kind::Integer => (Some(0), None),
        Kind::Fixed(digits) => (Some(0), Some(digits.into())),
        Kind::Boolean => (Some(1), None),
        Kind::String => (Some(2), None),
        Kind::Binary => (Some(2), Some(1)),
        Kind::Double => (Some(3), None),
        Kind::Struct(id) => (None, Some(id.0.into())),
    };
    let key = match (field.repeat, field.kind) {
        (Repeat::Keyed(key), Kind::Struct(entry)) => Some((usize::from(key), entry)),
        (Repeat::Pairs, Kind::Struct(entry)) => Some((0, entry)),
        _ => None,
    };
    FieldEntry {
        name: field.name.to_string(),
        buildin,
        r#type,
        tag: field.tag.into(),
        array: (field.repeat != Repeat::One).then_some(true),
        key: key
            .and_then(|(key, entry)| schema.type_at(entry)?.fields.get(key).map(|field| field.tag.into())),
        map: (field.repeat == Repeat::Pairs).then_some(true),
    }
}

fn some_unless_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn read(group: &Group) -> Result<Schema, BundleProblem> {
    let entries = group.r#type.as_deref().unwrap_or_default();
    if entries.len() > MAX_TYPES {
        return Err(BundleProblem::TooManyTypes(entries.len()));
    }
    let mut names: Vec<_> = entries.iter().enumerate().map(|(index, entry)| (&entry.name, index)).collect();
    names.sort_unstable();
    for pair in names.windows(2) {
        if let [(first, _), (second, index)] = pair
            && first == second
        {
            return Err(BundleProblem::TypeName(*index));
        }
    }
    if let Some((name, index)) = names.first()
        && name.is_empty()
    {
        return Err(BundleProblem::TypeName(*index));
    }
    let types = entries.iter().map(|entry| read_type(entries, entry)).collect::<Result<_, _>>()?;
    Ok(Schema::new(types, read_protocols(entries.len(), group.protocol.as_deref().unwrap_or_default())?))
}

fn read_type(entries: &[TypeEntry], entry: &TypeEntry) -> Result<Type, BundleProblem> {
    let mut fields: Vec<Field> = Vec::new();
    for field in entry.fields.as_deref().unwrap_or_default() {
        let problem = || BundleProblem::Field { ty: entry.name.clone(), field: field.name.clone() };
        let tag = match (tag(field.tag), fields.last()) {
            (Some(tag), Some(last)) if tag > last.tag => tag,
            (Some(tag), None) => tag,
            _ => return Err(BundleProblem::FieldTags(entry.name.clone())),
        };
        if field.name.is_empty() {
            return Err(problem());
        }
        let kind = read_kind(entries.len(), field).ok_or_else(problem)?;
        let repeat = read_repeat(entries, kind, field)
            .ok_or_else(|| BundleProblem::Key { ty: entry.name.clone(), field: field.name.clone() })?;
        fields.push(Field { name: field.name.as_str().into(), tag, kind, repeat });
    }
    let mut names: Vec<_> = fields.iter().map(Field::name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair.first() == pair.last()) {
        Some(pair) => {
            let field = pair.first().copied().unwrap_or_default().to_owned();
            Err(BundleProblem::Field { ty: entry.name.clone(), field })
        }
        None => Ok(Type::new(&entry.name, fields)),
    }
}

fn read_kind(types: usize, field: &FieldEntry) -> Option<Kind> {
    match (field.buildin, field.r#type) {
        (Some(0), None) => Some(Kind::Integer),
        (Some(0), Some(digits)) => u8::try_from(digits).ok().filter(|&n| n <= MAX_DIGITS).map(Kind::Fixed),
        (Some(1), None) => Some(Kind::Boolean),
        (Some(2), None | Some(0)) => Some(Kind::String),
        (Some(2), Some(1)) => Some(Kind::Binary),
        (Some(3), None) => Some(Kind::Double),
        (None, Some(index)) => type_id(types, index).map(Kind::Struct),
        _ => None,
    }
}

fn read_repeat(entries: &[TypeEntry], kind: Kind, field: &FieldEntry) -> Option<Repeat> {
    let array = field.array.unwrap_or(false);
    let Some(key) = field.key else {
        return (!field.map.unwrap_or(false)).then_some(if array { Repeat::Array } else { Repeat::One });
    };
    let Kind::Struct(id) = kind else { return None };
    let entry = entries.get(usize::try_from(id.0).ok()?)?;
    let entry_fields = entry.fields.as_deref().unwrap_or_default();
    let position = entry_fields.iter().position(|f| f.tag == key)?;
    let found = entry_fields.get(position)?;
    let scalar = found.buildin.is_some() && !found.array.unwrap_or(false);
    match field.map.unwrap_or(false) {
        _ if !array || !scalar => None,
        true => (position == 0 && entry_fields.len() == 2).then_some(Repeat::Pairs),
        false => u16::try_from(position).ok().map(Repeat::Keyed),
    }
}

fn read_protocols(types: usize, entries: &[ProtocolEntry]) -> Result<Vec<Protocol>, BundleProblem> {
    let mut protocols: Vec<Protocol> = Vec::new();
    for entry in entries {
        let problem = || BundleProblem::Protocol(entry.name.clone());
        let body =
            |index: Option<i64>| index.map(|index| type_id(types, index).ok_or_else(problem)).transpose();
        let protocol = Protocol {
            name: entry.name.as_str().into(),
            tag: tag(entry.tag).ok_or_else(problem)?,
            request: body(entry.request)?,
            response: body(entry.response)?,
            confirm: entry.confirm.unwrap_or(false),
        };
        if entry.name.is_empty() || protocols.last().is_some_and(|last| last.tag >= protocol.tag) {
            return Err(problem());
        }
        protocols.push(protocol);
    }
    let mut names: Vec<_> = protocols.iter().map(Protocol::name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair.first() == pair.last()) {
        Some(pair) => Err(BundleProblem::Protocol(pair.first().copied().unwrap_or_default().to_owned())),
        None => Ok(protocols),
    }
}

fn tag(tag: i64) -> Option<u16> {
    u16::try_from(tag).ok().filter(|&tag| tag <= MAX_TAG)
}

fn type_id(types: usize, index: i64) -> Option<TypeId> {
    let index = u32::try_from(index).ok()?;
    (usize::try_from(index).ok()? < types).then_some(TypeId(index))
}
