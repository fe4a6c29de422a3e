//! Sans-IO. Where a visitor of the bastion wants to go.

use adit_dialect::url::Url;
use adit_exchange::{Class, Headers, Refusal};

/// The field that names the destination.
const DESTINATION: &str = "Cf-Access-Jump-Destination";

/// Returns the destination that a request names: `host:port`, unchecked.
///
/// # Errors
///
/// Refuses a request that names none.
pub(crate) fn destination(headers: &Headers) -> Result<String, Refusal> {
    let Some(named) = headers.get(DESTINATION).filter(|named| !named.is_empty()) else {
        return Err(Refusal::new(
            Class::Request,
            "Did not receive final destination from client. The --destination flag is likely not set on the \
             client side",
        ));
    };
    let url = Url::parse(named).ok();
    let host = url.as_ref().map(Url::host).filter(|host| !host.is_empty());
    let text = host.unwrap_or(named);
    let end = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
    Ok(String::from_utf8_lossy(&text[..end]).into_owned())
}

#[cfg(test)]
mod tests {
    use adit_vectors::{File, same};

    use super::*;

    #[test]
    fn destinations_are_read_as_recorded() {
        let Some(file) = File::open("private-bastion") else {
            return;
        };
        let mut report = file.report();
        for case in file.cases("cases") {
            let mut headers = Headers::new();
            if let Some(named) = case["header"].as_str() {
                headers.append(DESTINATION, named.to_owned());
            }
            let outcome = destination(&headers).map_err(|refusal| refusal.message);
            let recorded = match case["error"].as_str() {
                Some(error) => Err(error.to_owned()),
                None => Ok(case["dest"].as_str().unwrap_or_default().to_owned()),
            };
            report.give(&case["name"], same(&outcome, &recorded));
        }
        report.finish();
    }
}
