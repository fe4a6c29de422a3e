//! Sans-IO. Which byte may stand where in a URL.

/// A place in a URL; its value is its bit in [`ALLOWED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    /// A host: bytes that need no escape.
    Host = 1,
    /// User information as a whole: bytes that are accepted.
    UserInfo = 2,
    /// A name or password: bytes that are printed unescaped.
    User = 4,
    /// A path: bytes that are printed unescaped.
    Path = 8,
    /// A path as written: bytes with which it may be printed as it is.
    WrittenPath = 16,
    /// A fragment: bytes that are printed unescaped.
    Fragment = 32,
    /// A fragment as written: bytes with which it may be printed as it is.
    WrittenFragment = 64,
}

impl Class {
    /// Tells whether `byte` may stand here.
    pub(super) const fn holds(self, byte: u8) -> bool {
        ALLOWED[byte as usize] & self as u8 != 0
    }

    /// Tells whether all of `text` may stand here.
    pub(super) fn holds_all(self, text: &[u8]) -> bool {
        text.iter().all(|&byte| self.holds(byte))
    }
}

const ALLOWED: [u8; 256] = {
    let mut table = [0; 256];
    let everywhere = 0x7f;
    let mut byte = 0u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            table[byte as usize] = everywhere;
        }
        byte += 1;
    }
    table = add(table, b"-_.~", everywhere);
    table = add(table, b"!$&'()*+,;=:[]<>\"", Class::Host as u8);
    table = add(table, b":!$&'()*+,;=%@", Class::UserInfo as u8);
    table = add(table, b"$&+,;=", Class::User as u8);
    table = add(table, b"$&+,/:;=@", Class::Path as u8);
    table = add(table, b"!$&'()*+,;=:@[]%/", Class::WrittenPath as u8);
    table = add(table, b"$&+,/:;=?@!()*", Class::Fragment as u8);
    add(table, b"!$&'()*+,;=:@[]%/?", Class::WrittenFragment as u8)
};

const fn add(mut table: [u8; 256], bytes: &[u8], class: u8) -> [u8; 256] {
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] |= class;
        at += 1;
    }
    table
}
