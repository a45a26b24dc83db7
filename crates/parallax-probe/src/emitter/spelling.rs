//! How the words of fingerprints are spelled in pages. The build writes the spellings down; the program only searches for them.

/// Pages with one of these are articles, shops or applications; a notice has no use for them.
pub(crate) const CONTENT_SIGNS: [&str; 10] = [
    "property=\"og:",
    "property='og:",
    "rel=\"canonical\"",
    "application/ld+json",
    "application/rss+xml",
    "<article class",
    "<article id",
    "itemprop=\"",
    "rel=\"amphtml\"",
    "rel=\"next\"",
];

/// Every spelling of every word with the word's place in the list, and of signs, which have none; in order of bytes.
pub(crate) fn of_all(words: &[String], signs: &[&str]) -> Vec<(Vec<u8>, Option<usize>)> {
    let words = words.iter().enumerate().map(|(id, word)| (word.as_str(), Some(id)));
    let all = words.chain(signs.iter().map(|sign| (*sign, None)));
    let mut all: Vec<_> =
        all.flat_map(|(word, id)| spellings_of(word).into_iter().map(move |bytes| (bytes, id))).collect();
    all.sort();
    all
}

/// How a word is written in pages once case is out of the way: in UTF-8, and in the single-byte encoding that was usual for its
/// script, where case is not, so it is tried in small letters, with a capital and in capitals.
fn spellings_of(word: &str) -> Vec<Vec<u8>> {
    let mut all = vec![word.as_bytes().to_vec()];
    if !word.is_ascii() {
        let mut chars = word.chars();
        let capital: String = chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect();
        for text in [word.to_owned(), capital, word.to_uppercase()] {
            let bytes: Option<Vec<u8>> = text.chars().map(single_byte).collect();
            all.extend(bytes);
        }
    }
    for spelling in &mut all {
        spelling.make_ascii_lowercase();
    }
    all.sort();
    all.dedup();
    all
}

/// The byte of a letter in windows-1251 (Cyrillic), windows-1253 (Greek), windows-1254 (Turkish), TIS-620 (Thai), ISO-8859-1.
fn single_byte(letter: char) -> Option<u8> {
    let code = u32::from(letter);
    let byte = match code {
        0..=0xFF => code,
        0x0410..=0x044F => code - 0x0410 + 0xC0,
        0x0384..=0x03CE => code - 0x02D0,
        0x0E01..=0x0E5B => code - 0x0E00 + 0xA0,
        _ => match letter {
            'Ё' => 0xA8,
            'ё' => 0xB8,
            'І' => 0xB2,
            'і' => 0xB3,
            'Ї' => 0xAF,
            'ї' => 0xBF,
            'Є' => 0xAA,
            'є' => 0xBA,
            'Ў' => 0xA1,
            'ў' => 0xA2,
            '№' => 0xB9,
            'Ğ' => 0xD0,
            'ğ' => 0xF0,
            'İ' => 0xDD,
            'ı' => 0xFD,
            'Ş' => 0xDE,
            'ş' => 0xFE,
            _ => return None,
        },
    };
    u8::try_from(byte).ok()
}
