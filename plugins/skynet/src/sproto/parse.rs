//! Schema text to a tree: words, and what may follow what. Names are looked up later, in `resolve`.

use super::{MAX_DEPTH, MAX_OBJECT, MAX_TAG, SchemaError, TextProblem};

/// What a text says, names not yet looked up.
#[derive(Default)]
pub(super) struct Tree<'t> {
    pub(super) types: Vec<TypeText<'t>>,
    pub(super) protocols: Vec<ProtocolText<'t>>,
}

pub(super) struct TypeText<'t> {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) fields: Vec<FieldText<'t>>,
}

pub(super) struct FieldText<'t> {
    pub(super) line: usize,
    pub(super) name: &'t str,
    pub(super) tag: u16,
    pub(super) array: bool,
    pub(super) type_name: &'t str,
    /// What stands in parentheses after the type; empty for `()`.
    pub(super) argument: Option<&'t str>,
}

pub(super) struct ProtocolText<'t> {
    pub(super) line: usize,
    pub(super) name: &'t str,
    pub(super) tag: u16,
    pub(super) request: Option<BodyText>,
    pub(super) response: Option<BodyText>,
}

pub(super) struct BodyText {
    pub(super) line: usize,
    pub(super) type_name: String,
}

/// Parses a whole schema text.
pub(super) fn text(text: &str) -> Result<Tree<'_>, SchemaError> {
    if text.len() > MAX_OBJECT {
        return Err(SchemaError::Text { line: 1, problem: TextProblem::TextTooLong(text.len()) });
    }
    let mut parser = Parser { rest: text, line: 1, token: Token::End, token_line: 1, tree: Tree::default() };
    parser.advance();
    parser.document()?;
    Ok(parser.tree)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    /// A name, or several joined by dots.
    Word(&'t str),
    /// Decimal digits.
    Number(&'t str),
    /// Anything else, one character.
    Sign(char),
    End,
}

struct Parser<'t> {
    /// What follows `token`.
    rest: &'t str,
    line: usize,
    token: Token<'t>,
    token_line: usize,
    tree: Tree<'t>,
}

impl<'t> Parser<'t> {
    fn document(&mut self) -> Result<(), SchemaError> {
        loop {
            match self.token {
                Token::End => return Ok(()),
                Token::Sign('.') => self.type_definition("", 0)?,
                Token::Word(_) => self.protocol()?,
                _ => return self.unexpected("a type `.Name { … }` or a protocol `name tag { … }`"),
            }
        }
    }

    fn type_definition(&mut self, scope: &str, depth: usize) -> Result<(), SchemaError> {
        self.advance();
        let line = self.token_line;
        let name = self.name("the name of a type after `.`")?;
        let full = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        self.struct_body(line, full, depth)
    }

    /// `{ field… }`, with nested types. Recursion ends at [`MAX_DEPTH`].
    fn struct_body(&mut self, line: usize, name: String, depth: usize) -> Result<(), SchemaError> {
        if depth >= MAX_DEPTH {
            return fail(line, TextProblem::TooDeep(name));
        }
        self.sign('{', "`{` before the fields of a type")?;
        let mut fields = Vec::new();
        loop {
            match self.token {
                Token::Sign('}') => break,
                Token::Sign('.') => self.type_definition(&name, depth + 1)?,
                Token::Word(_) => fields.push(self.field()?),
                _ => return self.unexpected("a field `name tag : type`, a nested type `.Name { … }` or `}`"),
            }
        }
        self.advance();
        self.tree.types.push(TypeText { line, name, fields });
        Ok(())
    }

    fn field(&mut self) -> Result<FieldText<'t>, SchemaError> {
        let line = self.token_line;
        let name = self.name("the name of a field")?;
        let tag = self.tag(name)?;
        self.sign(':', "`:` between the tag and the type of a field")?;
        let array = self.token == Token::Sign('*');
        if array {
            self.advance();
        }
        let type_name = self.word("the type of the field")?;
        let argument = self.argument()?;
        Ok(FieldText { line, name, tag, array, type_name, argument })
    }

    fn argument(&mut self) -> Result<Option<&'t str>, SchemaError> {
        if self.token != Token::Sign('(') {
            return Ok(None);
        }
        self.advance();
        let argument = match self.token {
            Token::Word(text) | Token::Number(text) => {
                self.advance();
                text
            }
            _ => "",
        };
        self.sign(')', "`)` after a key field or a number of decimal digits")?;
        Ok(Some(argument))
    }

    fn protocol(&mut self) -> Result<(), SchemaError> {
        let line = self.token_line;
        let name = self.name("the name of a protocol")?;
        let tag = self.tag(name)?;
        self.sign('{', "`{` before the parts of a protocol")?;
        let mut protocol = ProtocolText { line, name, tag, request: None, response: None };
        loop {
            let (part, place) = match self.token {
                Token::Sign('}') => break,
                Token::Word("request") => ("request", &mut protocol.request),
                Token::Word("response") => ("response", &mut protocol.response),
                _ => return self.unexpected("`request`, `response` or `}`"),
            };
            if place.is_some() {
                return fail(self.token_line, TextProblem::DuplicatePart { protocol: name.to_owned(), part });
            }
            self.advance();
            *place = Some(self.body(name, part)?);
        }
        self.advance();
        self.tree.protocols.push(protocol);
        Ok(())
    }

    fn body(&mut self, protocol: &str, part: &str) -> Result<BodyText, SchemaError> {
        let line = self.token_line;
        if self.token == Token::Sign('{') {
            let name = format!("{protocol}.{part}");
            self.struct_body(line, name.clone(), 0)?;
            return Ok(BodyText { line, type_name: name });
        }
        let type_name = self.word("the name of a type, `nil` or an inline `{ … }`")?.to_owned();
        Ok(BodyText { line, type_name })
    }

    fn tag(&mut self, name: &str) -> Result<u16, SchemaError> {
        let Token::Number(digits) = self.token else {
            return self.unexpected("a tag, a number from 0 to 32766, after the name");
        };
        let Some(tag) = digits.parse().ok().filter(|&tag| tag <= MAX_TAG) else {
            return fail(
                self.token_line,
                TextProblem::TagTooLarge { name: name.to_owned(), tag: shown(digits) },
            );
        };
        self.advance();
        Ok(tag)
    }

    /// A name without dots.
    fn name(&mut self, expected: &'static str) -> Result<&'t str, SchemaError> {
        match self.token {
            Token::Word(word) if word.contains('.') => self.unexpected("a name without dots"),
            _ => self.word(expected),
        }
    }

    fn word(&mut self, expected: &'static str) -> Result<&'t str, SchemaError> {
        let Token::Word(word) = self.token else { return self.unexpected(expected) };
        self.advance();
        Ok(word)
    }

    fn sign(&mut self, sign: char, expected: &'static str) -> Result<(), SchemaError> {
        if self.token != Token::Sign(sign) {
            return self.unexpected(expected);
        }
        self.advance();
        Ok(())
    }

    fn unexpected<T>(&self, expected: &'static str) -> Result<T, SchemaError> {
        let found = match self.token {
            Token::Word(text) | Token::Number(text) => format!("`{}`", shown(text)),
            Token::Sign(sign) => format!("`{}`", sign.escape_debug()),
            Token::End => "the end of the text".to_owned(),
        };
        fail(self.token_line, TextProblem::Syntax { found, expected })
    }

    fn advance(&mut self) {
        self.skip_blanks();
        self.token_line = self.line;
        self.token = match self.rest.chars().next() {
            None => Token::End,
            Some(first) if first.is_ascii_digit() => {
                let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
                Token::Number(self.take(end))
            }
            Some(first) if is_letter(first) => Token::Word(self.take(word_length(self.rest))),
            Some(first) => {
                self.take(first.len_utf8());
                Token::Sign(first)
            }
        };
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.rest.as_bytes().first() {
                Some(b'\n') => {
                    self.line += 1;
                    self.take(1);
                }
                Some(b' ' | b'\t' | b'\r') => {
                    self.take(1);
                }
                Some(b'#') => {
                    self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
                }
                _ => return,
            }
        }
    }

    fn take(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

/// Bytes of the name at the start of `text`, with further names joined by dots.
fn word_length(text: &str) -> usize {
    let mut length = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let joins = c == '.' && chars.peek().copied().is_some_and(is_letter);
        if !(is_letter(c) || c.is_ascii_digit() || joins) {
            break;
        }
        length += 1;
    }
    length
}

/// As much of a word as a message should show.
fn shown(text: &str) -> String {
    const MOST: usize = 64;
    if text.len() <= MOST { text.to_owned() } else { format!("{}…", text.get(..MOST).unwrap_or_default()) }
}

pub(super) fn fail<T>(line: usize, problem: TextProblem) -> Result<T, SchemaError> {
    Err(SchemaError::Text { line, problem })
}
