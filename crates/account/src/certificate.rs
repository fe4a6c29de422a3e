//! Sans-IO. The origin certificate: what proves that its holder may manage an account.

use adit_config::Secret;
use adit_dialect::base64;
use adit_dialect::json::{self, Writer};

use crate::error::CertificateError;
use crate::read::{Read, object};

/// The right to manage an account, as `tunnel login` wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginCertificate {
    /// The zone that DNS names are added to.
    pub zone: String,
    /// The account; empty in old certificates.
    pub account: String,
    /// What opens the API.
    pub token: Secret<String>,
    /// The region: empty, or `fed`.
    pub endpoint: String,
}

object!(OriginCertificate, "credentials.OriginCert", "[]", {
    "zoneID" => zone,
    "accountID" => account,
    "apiToken" => token,
    "endpoint" => endpoint,
});

/// The region for American authorities.
pub const FED: &str = "fed";

/// The type of the block that counts.
const TOKEN: &str = "ARGO TUNNEL TOKEN";

/// Blocks of old certificates, which no longer count.
const IGNORED: [&str; 2] = ["PRIVATE KEY", "CERTIFICATE"];

impl OriginCertificate {
    /// Reads a certificate.
    ///
    /// # Errors
    ///
    /// Fails without the one block that holds a right, and for foreign blocks.
    pub fn read(text: &[u8]) -> Result<Self, CertificateError> {
        if text.is_empty() {
            return Err(CertificateError::Empty);
        }
        let mut read = Self::default();
        for (kind, content) in blocks(&String::from_utf8_lossy(text)) {
            if IGNORED.contains(&kind.as_str()) {
                continue;
            }
            if kind != TOKEN {
                return Err(CertificateError::Unknown(kind));
            }
            if !read.zone.is_empty() || !read.token.expose().is_empty() {
                return Err(CertificateError::Several);
            }
            read = Self::read_token(content.expose());
        }
        if read.zone.is_empty() || read.token.expose().is_empty() {
            return Err(CertificateError::Missing);
        }
        Ok(read)
    }

    /// Reads what a block holds; what cannot be understood counts as missing.
    fn read_token(content: &[u8]) -> Self {
        let mut read = Self::default();
        let outcome = json::decode(content, |decoder, value| Read::read(&mut read, decoder, value));
        // A wrong part is told as a missing one.
        drop(outcome);
        read.endpoint = read.endpoint.to_lowercase();
        read
    }

    /// Returns whether the account is in the region for American authorities.
    #[must_use]
    pub fn is_fed(&self) -> bool {
        self.endpoint == FED
    }

    /// Returns the text of the certificate.
    #[must_use]
    pub fn write(&self) -> Secret<String> {
        let mut out = Writer::new();
        out.begin_object();
        out.key("zoneID").string(&self.zone);
        out.key("accountID").string(&self.account);
        out.key("apiToken").string(self.token.expose());
        if !self.endpoint.is_empty() {
            out.key("endpoint").string(&self.endpoint);
        }
        out.end_object();
        let json = Secret::new(out.finish());
        let content = Secret::new(base64::encode(json.expose()));
        let mut text = format!("-----BEGIN {TOKEN}-----\n");
        let mut rest = content.expose().as_str();
        while !rest.is_empty() {
            let (line, more) = rest.split_at(rest.len().min(LINE));
            text.push_str(line);
            text.push('\n');
            rest = more;
        }
        text.push_str(&format!("-----END {TOKEN}-----\n"));
        Secret::new(text)
    }
}

/// Characters on a line of a block.
const LINE: usize = 64;

/// Returns the PEM blocks of a text, skipping everything that is none.
fn blocks(text: &str) -> Vec<(String, Secret<Vec<u8>>)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        let Some(kind) = marker(line, "BEGIN") else {
            continue;
        };
        let rest = &lines[at..];
        let Some(length) = rest.iter().position(|line| marker(line, "END") == Some(kind)) else {
            continue;
        };
        let body = &rest[..length];
        let headers = body.iter().take_while(|line| line.contains(':')).count();
        let content: String = body[headers..].concat().split_whitespace().collect();
        if let Ok(content) = base64::decode(content) {
            blocks.push((kind.to_owned(), Secret::new(content)));
            at += length + 1;
        }
    }
    blocks
}

/// Returns the type that a line which begins or ends a block names.
fn marker<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let line = line.trim_end().strip_prefix("-----")?.strip_suffix("-----")?;
    line.strip_prefix(word)?.strip_prefix(' ')
}
