//! Sans-IO. Sets of characters by general category or script: `\pL`, `\p{Greek}`.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

use super::class::finished;
use super::limit::failed;
use super::parse::Flags;
use crate::error::{RegexError, RegexProblem};

/// Reads the `\p` or `\P` with which `text` begins, if there is one.
pub(super) fn escape(text: &str, flags: Flags) -> Result<Option<(ClassUnicode, &str)>, RegexError> {
    let (mut negated, inner) = match (text.strip_prefix("\\p"), text.strip_prefix("\\P")) {
        (Some(inner), _) => (false, inner),
        (None, Some(inner)) => (true, inner),
        (None, None) => return Ok(None),
    };
    let (name, rest) = if let Some(braced) = inner.strip_prefix('{') {
        let pieces = braced.split_once('}');
        pieces.ok_or_else(|| failed(RegexProblem::ClassRange, text))?
    } else {
        let end = inner.chars().next().map_or(0, char::len_utf8);
        inner.split_at(end)
    };
    let name = match name.strip_prefix('^') {
        Some(name) => {
            negated = !negated;
            name
        }
        None => name,
    };
    let Some(set) = set(name) else {
        let given = &text[..text.len() - rest.len()];
        return Err(failed(RegexProblem::ClassRange, given));
    };
    Ok(Some((finished(set, negated, flags), rest)))
}

/// Returns the set of a category or script; case, spaces, `_` and `-` do not count.
fn set(name: &str) -> Option<ClassUnicode> {
    let name: String = name.chars().filter(|c| !" _-".contains(*c)).collect();
    let is = |known: &str| {
        let letters = known
            .chars()
            .filter(|&c| c != '_')
            .map(|c| c.to_ascii_lowercase());
        letters.eq(name.chars().map(|c| c.to_ascii_lowercase()))
    };
    if is("Any") {
        return Some(ClassUnicode::new([ClassUnicodeRange::new('\0', char::MAX)]));
    }
    if is("ASCII") {
        return Some(ClassUnicode::new([ClassUnicodeRange::new('\0', '\x7f')]));
    }
    if is("Cs") || is("Surrogate") {
        // Halves of surrogate pairs stand in no text.
        return Some(ClassUnicode::empty());
    }
    if let Some(category) = CATEGORIES.iter().find(|category| is(category)) {
        return table(&format!("\\p{{gc={category}}}"));
    }
    let script = SCRIPTS.iter().find(|script| is(script))?;
    table(&format!("\\p{{sc={script}}}"))
}

fn table(pattern: &str) -> Option<ClassUnicode> {
    let HirKind::Class(Class::Unicode(class)) = regex_syntax::parse(pattern).ok()?.into_kind() else {
        return None;
    };
    Some(class)
}

/// The general categories and their other names.
#[rustfmt::skip]
const CATEGORIES: &[&str] = &[
    "Assigned", "C", "Other", "Cc", "Control", "cntrl", "Cf", "Format", "Cn", "Unassigned", "Co",
    "Private_Use", "L", "Letter", "LC", "Cased_Letter", "Ll", "Lowercase_Letter", "Lm", "Modifier_Letter",
    "Lo", "Other_Letter", "Lt", "Titlecase_Letter", "Lu", "Uppercase_Letter", "M", "Mark",
    "Combining_Mark", "Mc", "Spacing_Mark", "Me", "Enclosing_Mark", "Mn", "Nonspacing_Mark", "N", "Number",
    "Nd", "Decimal_Number", "digit", "Nl", "Letter_Number", "No", "Other_Number", "P", "Punctuation",
    "punct", "Pc", "Connector_Punctuation", "Pd", "Dash_Punctuation", "Pe", "Close_Punctuation", "Pf",
    "Final_Punctuation", "Pi", "Initial_Punctuation", "Po", "Other_Punctuation", "Ps", "Open_Punctuation",
    "S", "Symbol", "Sc", "Currency_Symbol", "Sk", "Modifier_Symbol", "Sm", "Math_Symbol", "So",
    "Other_Symbol", "Z", "Separator", "Zl", "Line_Separator", "Zp", "Paragraph_Separator", "Zs",
    "Space_Separator",
];

/// The scripts of Unicode 15, which upstream's runtime knows; it knows no short names of them.
#[rustfmt::skip]
const SCRIPTS: &[&str] = &[
    "Adlam", "Ahom", "Anatolian_Hieroglyphs", "Arabic", "Armenian", "Avestan", "Balinese", "Bamum",
    "Bassa_Vah", "Batak", "Bengali", "Bhaiksuki", "Bopomofo", "Brahmi", "Braille", "Buginese", "Buhid",
    "Canadian_Aboriginal", "Carian", "Caucasian_Albanian", "Chakma", "Cham", "Cherokee", "Chorasmian",
    "Common", "Coptic", "Cuneiform", "Cypriot", "Cypro_Minoan", "Cyrillic", "Deseret", "Devanagari",
    "Dives_Akuru", "Dogra", "Duployan", "Egyptian_Hieroglyphs", "Elbasan", "Elymaic", "Ethiopic",
    "Georgian", "Glagolitic", "Gothic", "Grantha", "Greek", "Gujarati", "Gunjala_Gondi", "Gurmukhi", "Han",
    "Hangul", "Hanifi_Rohingya", "Hanunoo", "Hatran", "Hebrew", "Hiragana", "Imperial_Aramaic",
    "Inherited", "Inscriptional_Pahlavi", "Inscriptional_Parthian", "Javanese", "Kaithi", "Kannada",
    "Katakana", "Kawi", "Kayah_Li", "Kharoshthi", "Khitan_Small_Script", "Khmer", "Khojki", "Khudawadi",
    "Lao", "Latin", "Lepcha", "Limbu", "Linear_A", "Linear_B", "Lisu", "Lycian", "Lydian", "Mahajani",
    "Makasar", "Malayalam", "Mandaic", "Manichaean", "Marchen", "Masaram_Gondi", "Medefaidrin",
    "Meetei_Mayek", "Mende_Kikakui", "Meroitic_Cursive", "Meroitic_Hieroglyphs", "Miao", "Modi",
    "Mongolian", "Mro", "Multani", "Myanmar", "Nabataean", "Nag_Mundari", "Nandinagari", "New_Tai_Lue",
    "Newa", "Nko", "Nushu", "Nyiakeng_Puachue_Hmong", "Ogham", "Ol_Chiki", "Old_Hungarian", "Old_Italic",
    "Old_North_Arabian", "Old_Permic", "Old_Persian", "Old_Sogdian", "Old_South_Arabian", "Old_Turkic",
    "Old_Uyghur", "Oriya", "Osage", "Osmanya", "Pahawh_Hmong", "Palmyrene", "Pau_Cin_Hau", "Phags_Pa",
    "Phoenician", "Psalter_Pahlavi", "Rejang", "Runic", "Samaritan", "Saurashtra", "Sharada", "Shavian",
    "Siddham", "SignWriting", "Sinhala", "Sogdian", "Sora_Sompeng", "Soyombo", "Sundanese", "Syloti_Nagri",
    "Syriac", "Tagalog", "Tagbanwa", "Tai_Le", "Tai_Tham", "Tai_Viet", "Takri", "Tamil", "Tangsa",
    "Tangut", "Telugu", "Thaana", "Thai", "Tibetan", "Tifinagh", "Tirhuta", "Toto", "Ugaritic", "Vai",
    "Vithkuqi", "Wancho", "Warang_Citi", "Yezidi", "Yi", "Zanabazar_Square",
];
