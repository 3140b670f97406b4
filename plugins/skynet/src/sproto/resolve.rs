//! A parsed schema text to a [`Schema`]: order, uniqueness, and names looked up.

use super::parse::{BodyText, FieldText, ProtocolText, Tree, TypeText, fail};
use super::schema::{Field, Kind, Protocol, Repeat, Schema, Type, TypeId};
use super::{MAX_DIGITS, MAX_TYPES, SchemaError, TextProblem};

/// Makes a schema of a parsed text.
pub(super) fn schema(mut tree: Tree<'_>) -> Result<Schema, SchemaError> {
    let types = &mut tree.types;
    if types.len() > MAX_TYPES {
        return fail(1, TextProblem::TooManyTypes(types.len()));
    }
    types.sort_by(|a, b| (&a.name, a.line).cmp(&(&b.name, b.line)));
    for pair in types.windows(2) {
        if let [first, second] = pair
            && first.name == second.name
        {
            return fail(second.line, TextProblem::DuplicateType(second.name.clone()));
        }
    }
    for ty in types.iter_mut() {
        order_fields(ty)?;
    }
    let names = Names { types };
    let types = names.types.iter().map(|ty| names.type_(ty)).collect::<Result<_, _>>()?;
    let protocols = protocols(&names, tree.protocols)?;
    Ok(Schema::new(types, protocols))
}

fn order_fields(ty: &mut TypeText<'_>) -> Result<(), SchemaError> {
    ty.fields.sort_by_key(|field| field.name);
    for pair in ty.fields.windows(2) {
        if let [first, second] = pair
            && first.name == second.name
        {
            let problem = TextProblem::DuplicateField { ty: ty.name.clone(), field: second.name.to_owned() };
            return fail(first.line.max(second.line), problem);
        }
    }
    ty.fields.sort_by_key(|field| (field.tag, field.line));
    for pair in ty.fields.windows(2) {
        if let [first, second] = pair
            && first.tag == second.tag
        {
            let (ty, first_name) = (ty.name.clone(), first.name.to_owned());
            let problem = TextProblem::DuplicateTag {
                ty,
                first: first_name,
                second: second.name.to_owned(),
                tag: second.tag,
            };
            return fail(second.line, problem);
        }
    }
    Ok(())
}

/// All types of a text, ascending by full name, with fields ascending by tag.
struct Names<'a, 't> {
    types: &'a [TypeText<'t>],
}

impl Names<'_, '_> {
    fn type_(&self, ty: &TypeText<'_>) -> Result<Type, SchemaError> {
        let fields = ty.fields.iter().map(|field| self.field(ty, field)).collect::<Result<_, _>>()?;
        Ok(Type::new(&ty.name, fields))
    }

    fn field(&self, ty: &TypeText<'_>, field: &FieldText<'_>) -> Result<Field, SchemaError> {
        let kind = match field.type_name {
            "integer" => match field.argument {
                Some(digits) => Kind::Fixed(self::digits(field, digits)?),
                None => Kind::Integer,
            },
            "boolean" => Kind::Boolean,
            "string" => Kind::String,
            "binary" => Kind::Binary,
            "double" => Kind::Double,
            name => match self.find_from(&ty.name, name) {
                Some(id) => Kind::Struct(id),
                None => {
                    let (ty, field_name) = (ty.name.clone(), field.name.to_owned());
                    let problem = TextProblem::UnknownType { ty, field: field_name, name: name.to_owned() };
                    return fail(field.line, problem);
                }
            },
        };
        let repeat = match (field.array, field.argument, kind) {
            (true, Some(key), Kind::Struct(entry)) => self.keyed(field, key, entry)?,
            (false, Some(key), Kind::Struct(_))
            | (_, Some(key), Kind::Boolean | Kind::String | Kind::Binary | Kind::Double) => {
                let problem = TextProblem::KeyMisplaced { field: field.name.to_owned(), key: key.to_owned() };
                return fail(field.line, problem);
            }
            (true, _, _) => Repeat::Array,
            (false, _, _) => Repeat::One,
        };
        Ok(Field { name: field.name.into(), tag: field.tag, kind, repeat })
    }

    /// `*Type(key)` or, with an empty key, `*Type()`.
    fn keyed(&self, field: &FieldText<'_>, key: &str, entry: TypeId) -> Result<Repeat, SchemaError> {
        let Some(ty) = self.types.get(entry.0 as usize) else { return Ok(Repeat::Array) };
        let (name, entry) = (field.name.to_owned(), ty.name.clone());
        if key.is_empty() && ty.fields.len() != 2 {
            return fail(field.line, TextProblem::MapFields { field: name, entry, fields: ty.fields.len() });
        }
        let position = if key.is_empty() { Some(0) } else { ty.fields.iter().position(|f| f.name == key) };
        let Some((position, found)) =
            position.and_then(|p| Some((u16::try_from(p).ok()?, ty.fields.get(p)?)))
        else {
            return fail(field.line, TextProblem::KeyUnknown { field: name, key: key.to_owned(), entry });
        };
        let built_in = matches!(found.type_name, "integer" | "boolean" | "string" | "binary" | "double");
        if found.array || !built_in {
            return fail(
                field.line,
                TextProblem::KeyNotScalar { field: name, key: found.name.to_owned(), entry },
            );
        }
        Ok(if key.is_empty() { Repeat::Pairs } else { Repeat::Keyed(position) })
    }

    /// Looks a name up from inside `scope`: first in it, then in each type around it, then at the top.
    fn find_from(&self, mut scope: &str, name: &str) -> Option<TypeId> {
        loop {
            if let Some(id) = self.find(&format!("{scope}.{name}")) {
                return Some(id);
            }
            match scope.rsplit_once('.') {
                Some((outer, _)) => scope = outer,
                None => return self.find(name),
            }
        }
    }

    fn find(&self, full: &str) -> Option<TypeId> {
        let index = self.types.binary_search_by(|ty| ty.name.as_str().cmp(full)).ok()?;
        u32::try_from(index).ok().map(TypeId)
    }
}

fn digits(field: &FieldText<'_>, digits: &str) -> Result<u8, SchemaError> {
    match digits.parse() {
        Ok(n) if n <= MAX_DIGITS => Ok(n),
        _ => {
            fail(field.line, TextProblem::Digits { field: field.name.to_owned(), digits: digits.to_owned() })
        }
    }
}

fn protocols(names: &Names<'_, '_>, mut texts: Vec<ProtocolText<'_>>) -> Result<Vec<Protocol>, SchemaError> {
    texts.sort_by_key(|protocol| (protocol.name, protocol.line));
    for pair in texts.windows(2) {
        if let [first, second] = pair
            && first.name == second.name
        {
            return fail(second.line, TextProblem::DuplicateProtocol(second.name.to_owned()));
        }
    }
    texts.sort_by_key(|protocol| (protocol.tag, protocol.line));
    for pair in texts.windows(2) {
        if let [first, second] = pair
            && first.tag == second.tag
        {
            let (first, tag) = (first.name.to_owned(), second.tag);
            return fail(
                second.line,
                TextProblem::DuplicateProtocolTag { first, second: second.name.to_owned(), tag },
            );
        }
    }
    texts.iter().map(|text| protocol(names, text)).collect()
}

fn protocol(names: &Names<'_, '_>, text: &ProtocolText<'_>) -> Result<Protocol, SchemaError> {
    let body = |part: &'static str, body: &Option<BodyText>| match body {
        Some(body) if body.type_name != "nil" => match names.find(&body.type_name) {
            Some(id) => Ok(Some(id)),
            None => {
                let (protocol, name) = (text.name.to_owned(), body.type_name.clone());
                fail(body.line, TextProblem::UnknownBody { protocol, part, name })
            }
        },
        _ => Ok(None),
    };
    Ok(Protocol {
        name: text.name.into(),
        tag: text.tag,
        request: body("request", &text.request)?,
        response: body("response", &text.response)?,
        confirm: text.response.as_ref().is_some_and(|body| body.type_name == "nil"),
    })
}
