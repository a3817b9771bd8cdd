//! From the text of an expression to its tokens and paths.

use crate::expression::Invalid;
use crate::expression::path::{Path, Step};

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A keyword or a function's name.
    Word(String),
    /// An alias, without its `#`; the protocol's aliases are their attributes' names.
    Alias(String),
    /// A placeholder, with its colon.
    Value(String),
    /// A number, in an index.
    Number(usize),
    /// An operator or a bracket.
    Mark(&'static str),
}

const MARKS: [&str; 14] = ["<>", "<=", ">=", "<", ">", "=", "(", ")", "[", "]", ",", ".", "+", "-"];

/// The tokens of an expression, to be taken from the front.
#[derive(Debug)]
pub struct Tokens {
    tokens: Vec<Token>,
    next: usize,
}

impl Tokens {
    /// Reads a text.
    ///
    /// # Errors
    /// When it holds a character that is in no token.
    pub fn read(text: &str) -> Result<Self, Invalid> {
        let mut tokens = Vec::new();
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = token_length(rest, first)?;
            let (piece, behind) = rest.split_at(length);
            tokens.push(token(piece, first)?);
            rest = behind.trim_start();
        }
        Ok(Self { tokens, next: 0 })
    }

    /// The next token, which stays.
    #[must_use]
    pub fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    /// Takes the next token.
    ///
    /// # Errors
    /// When there is none.
    pub fn take(&mut self) -> Result<Token, Invalid> {
        let token = self.tokens.get(self.next).cloned().ok_or_else(|| Invalid::new("the expression ends too early"))?;
        self.next += 1;
        Ok(token)
    }

    /// Takes the next token if it is this mark.
    pub fn accept(&mut self, mark: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Mark(next)) if *next == mark);
        self.next += usize::from(is_it);
        is_it
    }

    /// Takes the next token if it is this word.
    pub fn accept_word(&mut self, word: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Word(next)) if next == word);
        self.next += usize::from(is_it);
        is_it
    }

    /// Takes this mark.
    ///
    /// # Errors
    /// When something else comes next.
    pub fn expect(&mut self, mark: &str) -> Result<(), Invalid> {
        if self.accept(mark) {
            Ok(())
        } else {
            Err(Invalid::new(format!("`{mark}` is missing before {:?}", self.peek())))
        }
    }

    /// Takes a path.
    ///
    /// # Errors
    /// When something else comes next.
    pub fn path(&mut self) -> Result<Path, Invalid> {
        let root = self.alias()?;
        let mut steps = Vec::new();
        loop {
            if self.accept(".") {
                steps.push(Step::Name(self.alias()?));
            } else if self.accept("[") {
                let Token::Number(index) = self.take()? else {
                    return Err(Invalid::new("an index is no number"));
                };
                self.expect("]")?;
                steps.push(Step::Index(index));
            } else {
                return Ok(Path { root, steps });
            }
        }
    }

    fn alias(&mut self) -> Result<String, Invalid> {
        match self.take()? {
            Token::Alias(name) => Ok(name),
            // Many names are reserved, so the protocol aliases all of them, and this subset knows nothing else.
            other => Err(Invalid::new(format!("{other:?} is no alias"))),
        }
    }

    /// Takes a placeholder.
    ///
    /// # Errors
    /// When something else comes next.
    pub fn value(&mut self) -> Result<String, Invalid> {
        match self.take()? {
            Token::Value(name) => Ok(name),
            other => Err(Invalid::new(format!("{other:?} is no value"))),
        }
    }
}

fn token_length(rest: &str, first: char) -> Result<usize, Invalid> {
    let word = |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    match first {
        '#' | ':' => Ok(1 + word(rest.get(1..).unwrap_or_default())),
        c if c.is_ascii_alphanumeric() => Ok(word(rest)),
        _ => MARKS
            .iter()
            .find(|mark| rest.starts_with(**mark))
            .map(|mark| mark.len())
            .ok_or_else(|| Invalid::new(format!("`{first}` is in no expression of the subset"))),
    }
}

fn token(piece: &str, first: char) -> Result<Token, Invalid> {
    Ok(match first {
        '#' => Token::Alias(piece.trim_start_matches('#').to_owned()),
        ':' => Token::Value(piece.to_owned()),
        c if c.is_ascii_digit() => Token::Number(piece.parse().map_err(|_| Invalid::new("an index is too large"))?),
        c if c.is_ascii_alphabetic() => Token::Word(piece.to_owned()),
        _ => MARKS
            .into_iter()
            .find(|mark| *mark == piece)
            .map(Token::Mark)
            .ok_or_else(|| Invalid::new(format!("`{piece}` is no mark")))?,
    })
}
