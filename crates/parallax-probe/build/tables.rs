//! The tables as Rust source: everything in `src/emitter/known.rs` that is not a type.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::files::{Fingerprint, HEADER_WEIGHT, Mark};
use crate::{needed, spelling};

/// What the tables hold beside the fingerprints, as it is gathered.
#[derive(Default)]
struct Tables<'a> {
    marks: Vec<String>,
    expressions: Vec<String>,
    words: Words,
    lead_words: Words,
    by_header: Vec<(&'a str, &'a str, usize)>,
    by_whole: Vec<usize>,
    by_any_lead: Vec<usize>,
}

/// Words that are searched for in one go, and what hangs on them.
#[derive(Default)]
struct Words {
    all: Vec<String>,
    ids: BTreeMap<String, usize>,
    /// Which word leads to which mark.
    marks: Vec<(usize, usize)>,
}

impl Words {
    fn id(&mut self, word: &str) -> usize {
        *self.ids.entry(word.to_owned()).or_insert_with(|| {
            self.all.push(word.to_owned());
            self.all.len() - 1
        })
    }

    /// Writes the spellings of all words in order, and what hangs on them.
    fn write(&mut self, text: &mut String, signs: &[&str], names: [&str; 2]) -> std::fmt::Result {
        let spellings = spelling::of_all(&self.all, signs).into_iter().map(|(bytes, word)| {
            let word = word.map_or_else(|| "SIGN".to_owned(), |word| word.to_string());
            format!("Spelling {{ word: {word}, bytes: b\"{}\" }}", bytes.escape_ascii())
        });
        table(text, names[0], "Spelling", &spellings.collect::<Vec<_>>())?;
        self.marks.sort_unstable();
        self.marks.dedup();
        let marks: Vec<_> = self.marks.iter().map(|pair| format!("{pair:?}")).collect();
        table(text, names[1], "(WordId, MarkId)", &marks)
    }
}

/// Writes all tables.
pub(crate) fn write(all: &[Fingerprint]) -> Result<String, std::fmt::Error> {
    let mut tables = Tables::default();
    let mut fingerprints = Vec::new();
    for (who, known) in all.iter().enumerate() {
        fingerprints.push(fingerprint(known));
        for (mark, passes) in
            known.mark.iter().map(|mark| (mark, false)).chain(known.pass.iter().map(|mark| (mark, true)))
        {
            tables.add(who, mark, passes);
        }
    }
    tables.by_header.sort_unstable();
    let starts = tables.by_header.iter().map(|(name, pattern, mark)| {
        let letter = pattern.bytes().next().filter(|b| *b != b'*').map(|b| b.to_ascii_lowercase());
        format!("Start {{ name: {name:?}, letter: {letter:?}, mark: {mark} }}")
    });
    let starts: Vec<_> = starts.collect();
    let numbers = |all: &[usize]| all.iter().map(usize::to_string).collect::<Vec<_>>();
    let mut text = String::new();
    writeln!(text, "pub(super) const HEADER_WEIGHT: u8 = {HEADER_WEIGHT};")?;
    table(&mut text, "FINGERPRINTS", "Fingerprint", &fingerprints)?;
    table(&mut text, "MARKS", "Mark", &tables.marks)?;
    table(&mut text, "EXPRESSIONS", "Expression", &tables.expressions)?;
    tables.words.write(&mut text, &spelling::CONTENT_SIGNS, ["SPELLINGS", "BY_WORD"])?;
    tables.lead_words.write(&mut text, &[], ["LEAD_SPELLINGS", "BY_LEAD"])?;
    table(&mut text, "BY_HEADER", "Start", &starts)?;
    table(&mut text, "BY_WHOLE", "MarkId", &numbers(&tables.by_whole))?;
    table(&mut text, "BY_ANY_LEAD", "MarkId", &numbers(&tables.by_any_lead))?;
    Ok(text)
}

fn table(text: &mut String, name: &str, of: &str, rows: &[String]) -> std::fmt::Result {
    writeln!(text, "pub(super) static {name}: [{of}; {}] = [", rows.len())?;
    for row in rows {
        writeln!(text, "{row},")?;
    }
    writeln!(text, "];")
}

fn fingerprint(known: &Fingerprint) -> String {
    let pop = known.pop.as_ref().map_or_else(
        || "None".to_owned(),
        |rule| {
            format!(
                "Some(PopRule {{ header: {:?}, after: {:?}, length: {:?} }})",
                rule.header, rule.after, rule.length
            )
        },
    );
    format!(
        "Fingerprint {{ name: {:?}, layer: {}, proxy_status: &{:?}, pop: {pop}, cause: {}, refuses: {} }}",
        known.name,
        variant("Place", &known.layer),
        known.proxy_status,
        optional("ResponseCause", known.cause.as_deref()),
        known.refuses,
    )
}

impl<'a> Tables<'a> {
    /// Adds a mark, and its place among those that hang on the same thing.
    fn add(&mut self, who: usize, mark: &'a Mark, passes: bool) {
        let at = self.marks.len();
        let mut found: Vec<&str> = Vec::new();
        let mut body = String::new();
        for piece in &mark.body {
            let words: Vec<&str> = piece.split('*').filter(|word| !word.is_empty()).collect();
            let ids: Vec<usize> = words.iter().map(|word| self.words.id(word)).collect();
            // Writing to a String cannot fail.
            let _ = write!(body, "Piece {{ text: {piece:?}, words: &{ids:?} }}, ");
            found.extend(words);
        }
        // The longest word is the rarest.
        if let Some(word) = found.iter().max_by_key(|word| word.len()) {
            let id = self.words.id(word);
            self.words.marks.push((id, at));
        } else if mark.body_is.is_some() {
            self.by_whole.push(at);
        } else if let Some((name, pattern)) = mark.headers.first_key_value() {
            self.by_header.push((name, pattern, at));
        } else if let Some(words) = needed::one_of(&mark.leads.join("|")) {
            for word in words {
                let id = self.lead_words.id(&word);
                self.lead_words.marks.push((id, at));
            }
        } else {
            self.by_any_lead.push(at);
        }
        let more = self.more(mark);
        let headers: Vec<_> = mark.headers.iter().collect();
        self.marks.push(format!(
            "Mark {{ who: {who}, weight: {}, passes: {passes}, plain: {}, cause: {}, kind: {}, status: &{:?}, \
             headers: &{headers:?}, body: &[{body}], more: {more} }}",
            mark.weight,
            mark.plain,
            optional("ResponseCause", mark.cause.as_deref()),
            optional("BlockedFailure", mark.kind.as_deref().map(|kind| kind.trim_start_matches("blocked-"))),
            mark.status,
        ));
    }

    /// What few marks look at.
    fn more(&mut self, mark: &Mark) -> String {
        let shape = self.expression(mark.shape.as_slice());
        let (leads, leads_not) = (self.expression(&mark.leads), self.expression(&mark.leads_not));
        let none = mark.without.is_empty() && mark.body_is.is_none() && mark.layer.is_none();
        if none && shape.is_none() && leads.is_none() && leads_not.is_none() {
            return "&NOTHING_MORE".to_owned();
        }
        format!(
            "&More {{ without: &{:?}, body_is: {:?}, shape: {shape:?}, leads: {leads:?}, leads_not: {leads_not:?}, \
             layer: {} }}",
            mark.without,
            mark.body_is,
            optional("Place", mark.layer.as_deref()),
        )
    }

    /// The place of one expression that fits where any of these does.
    fn expression(&mut self, any: &[String]) -> Option<usize> {
        let last = any.split_last().map(|_| any.join("|"))?;
        self.expressions.push(format!("Expression::new({last:?})"));
        Some(self.expressions.len() - 1)
    }
}

fn optional(of: &str, word: Option<&str>) -> String {
    word.map_or_else(|| "None".to_owned(), |word| format!("Some({})", variant(of, word)))
}

/// `block-page` is `BlockPage`.
fn variant(of: &str, word: &str) -> String {
    let parts = word.split('-').map(|part| {
        let mut letters = part.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    format!("{of}::{}", parts.collect::<String>())
}
