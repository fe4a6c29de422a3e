//! Short-lived certificates for ssh.

use std::path::Path;
use std::time::Duration;

use adit_config::Secret;
use adit_dialect::json::{Document, Value, Writer};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;

use crate::address::Address;
use crate::client::Client;
use crate::error::Error;
use crate::folder;
use crate::jwt::{Jwt, RS256};

/// How long the certificate authority may take.
const LIMIT: Duration = Duration::from_secs(10);

/// How the key is called in lines for ssh.
const KIND: &str = "ecdsa-sha2-nistp256";

/// Bytes that stand before the key, and between it and its public half, in its file.
const BEFORE: [u8; 7] = [0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20];
const BETWEEN: [u8; 17] = [
    0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0xa1, 0x44, 0x03, 0x42, 0x00,
];

impl Client {
    /// Fetches a certificate for the hosts behind an application.
    ///
    /// # Errors
    ///
    /// Fails when the user cannot sign in, or the team gives no certificates.
    pub async fn certificate(&self, address: &Address) -> Result<(), Error> {
        let application = self.discover(address).await?;
        let token = self.token(address, &application, false).await?;
        let claims = Jwt::parse(&token, RS256).map_err(crate::error::CacheError::from)?;
        let issuer = claims.text("iss").unwrap_or_default();
        if issuer != format!("https://{}", application.team) {
            return Err(Error::Issuer(issuer));
        }
        self.folder.make()?;
        let name = address.file_name();
        let public = self.key(&name)?;
        let certificate = self.sign(&issuer, &public, &token).await?;
        folder::write(
            &self.folder.file(&format!("{name}-cf_key-cert.pub")),
            certificate.as_bytes(),
        )
    }

    /// Returns the public line of the key of this name, which is made if it is not there.
    fn key(&self, name: &str) -> Result<String, Error> {
        let private = self.folder.file(&format!("{name}-cf_key"));
        let public = self.folder.file(&format!("{name}-cf_key.pub"));
        match folder::read(&public) {
            // A public half alone opens nothing.
            Ok(line) if private.is_file() => Ok(String::from_utf8_lossy(&line).into_owned()),
            Ok(_) | Err(_) => make(&private, &public),
        }
    }

    /// Asks the team to sign a key.
    async fn sign(&self, issuer: &str, public: &str, token: &str) -> Result<String, Error> {
        let mut writer = Writer::new();
        writer.begin_object().key("public_key").string(public);
        writer.key("jwt").string(token).key("issuer").string(issuer);
        writer.end_object();
        let url = format!("{issuer}/cdn-cgi/access/cert_sign");
        let body = Secret::new(writer.finish());
        let mut ask = self.question(Method::POST, &url, LIMIT);
        ask.headers.push(("Content-Type", "application/json"));
        ask.body = Some(&body);
        let reply = self.way.ask(&ask).await?;
        let document = Document::parse(reply.body()).map_err(|error| Error::Answer(error.to_string()))?;
        let text = |name| {
            document
                .root()
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        if reply.status() != 200 {
            let status = document.root().get("status").and_then(Value::as_number);
            return Err(Error::Signing {
                status: status.and_then(|number| number.parse().ok()).unwrap_or_default(),
                message: text("message").into_owned(),
            });
        }
        Ok(text("certificate").into_owned())
    }
}

/// Makes a key and writes both halves of it.
fn make(private: &Path, public: &Path) -> Result<String, Error> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| Error::Key)?;
    let secret: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(|_| Error::Key)?;
    let point = pair.public_key().as_ref();
    let der = [&BEFORE[..], secret.as_ref(), &BETWEEN[..], point].concat();
    folder::write(private, pem(&der).as_bytes())?;
    let line = line(point);
    folder::write(public, line.as_bytes())?;
    Ok(line)
}

fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN EC PRIVATE KEY-----\n");
    let digits = STANDARD.encode(der);
    let mut rest = digits.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END EC PRIVATE KEY-----\n");
    text
}

/// Returns the line by which ssh knows a public key.
fn line(point: &[u8]) -> String {
    let mut blob = Vec::new();
    for part in [KIND.as_bytes(), b"nistp256", point] {
        // A point has 65 bytes, and the names are shorter.
        blob.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        blob.extend_from_slice(part);
    }
    format!("{KIND} {}\n", STANDARD.encode(blob))
}
