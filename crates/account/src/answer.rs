//! Sans-IO. Calls to the API and what its responses mean.
//!
//! Every response is an envelope around a result; what is wrong stands in its errors, in the status
//! code, or in both. A list comes in pages.

use adit_dialect::JsonError;
use adit_dialect::json::{self, Decoder, Value};
use adit_dialect::query::Query;

use crate::error::Error;
use crate::read::{Read, fresh, object};
use crate::request::{Request, Response};

/// How a result is read.
type Reader<T> = fn(&mut Decoder, Value<'_>) -> Result<T, JsonError>;

/// A request to the API and the way to read what comes back.
#[derive(Clone, Debug)]
pub struct Call<T> {
    /// What to send.
    pub request: Request,
    /// What is asked for, as messages call it.
    pub operation: &'static str,
    /// How the result is read; nothing where it does not matter.
    reader: Option<Reader<T>>,
}

/// A list that comes in pages.
#[derive(Debug)]
pub struct Pages<T> {
    request: Request,
    base: String,
    query: Query,
    operation: &'static str,
    reader: Reader<Vec<T>>,
    page: u64,
    items: Vec<T>,
}

/// What to do after a page.
#[derive(Debug)]
pub enum Next<T> {
    /// Ask for the next one.
    More(Pages<T>),
    /// These are all.
    All(Vec<T>),
}

/// What surrounds a result.
#[derive(Debug, Default)]
struct Envelope<T> {
    success: bool,
    errors: Vec<Told>,
    info: Info,
    result: T,
    /// Why the result is not what was asked for.
    unexpected: Option<String>,
}

#[derive(Debug, Default)]
struct Told {
    code: String,
    message: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct Info {
    count: i64,
    per_page: i64,
    total_count: i64,
}

/// Pages beyond this one are not asked for; no account has so many tunnels.
const MOST_PAGES: u64 = 10_000;

impl<T: Read> Call<T> {
    /// Makes a call whose result is read.
    pub(crate) const fn new(request: Request, operation: &'static str) -> Self {
        Self {
            request,
            operation,
            reader: Some(fresh::<T>),
        }
    }
}

impl Call<()> {
    /// Makes a call whose result does not matter.
    pub(crate) const fn blind(request: Request, operation: &'static str) -> Self {
        Self {
            request,
            operation,
            reader: None,
        }
    }
}

impl<T: Default> Call<T> {
    /// Returns what the response gives.
    ///
    /// # Errors
    ///
    /// Fails when the API refused the call or the response is not understood.
    pub fn answer(&self, response: &Response) -> Result<T, Error> {
        let Some(reader) = self.reader else {
            return refusal(self.operation, response).map_or_else(|| Ok(T::default()), Err);
        };
        if response.status != 200 {
            return Err(refusal(self.operation, response).unwrap_or(Error::Unsuccessful));
        }
        open(response, reader).map(|envelope| envelope.result)
    }
}

impl<T: Read> Pages<T> {
    /// Makes a list whose requests look like `request`, with the number of the page in the query.
    pub(crate) const fn new(request: Request, base: String, query: Query, operation: &'static str) -> Self {
        Self {
            request,
            base,
            query,
            operation,
            reader: fresh::<Vec<T>>,
            page: 1,
            items: Vec::new(),
        }
    }
}

impl<T> Pages<T> {
    /// Returns the request of the page that is wanted.
    #[must_use]
    pub fn request(&self) -> Request {
        let query = self.query.clone().with("page", self.page.to_string());
        Request {
            url: query.behind(&self.base),
            ..self.request.clone()
        }
    }

    /// Takes over the page that was wanted.
    ///
    /// # Errors
    ///
    /// Fails when there is no page; the text tells which.
    pub fn take(mut self, response: Result<Response, Error>) -> Result<Next<T>, Error> {
        let page = self.page;
        let numbered = |cause| Error::Page {
            page,
            cause: Box::new(cause),
        };
        let undelivered = |cause| numbered(Error::Undelivered(Box::new(cause)));
        let response = response.map_err(undelivered)?;
        if response.status != 200 {
            let refusal = refusal(self.operation, &response).unwrap_or(Error::Unsuccessful);
            return Err(undelivered(refusal));
        }
        let envelope = open(&response, self.reader).map_err(numbered)?;
        let is_empty = envelope.result.is_empty();
        self.items.extend(envelope.result);
        self.page += 1;
        let have = i64::try_from(self.items.len()).unwrap_or(i64::MAX);
        let Info {
            count,
            per_page,
            total_count,
        } = envelope.info;
        if is_empty || count < per_page || have >= total_count || self.page > MOST_PAGES {
            return Ok(Next::All(self.items));
        }
        Ok(Next::More(self))
    }
}

/// Returns why a call was refused; nothing if it was not.
fn refusal(operation: &'static str, response: &Response) -> Option<Error> {
    let nothing: Reader<()> = |_, _| Ok(());
    if response.is_json()
        && let Ok(envelope) = decode(response, nothing)
        && let Some(told) = tell(&envelope.errors)
    {
        return Some(Error::Refused { operation, told });
    }
    match response.status {
        200 => None,
        400 => Some(Error::BadRequest),
        401 | 403 => Some(Error::Unauthorized),
        404 => Some(Error::NotFound),
        _ => Some(Error::Status {
            operation,
            status: response.status_text(),
        }),
    }
}

/// Returns the envelope of a response that should carry a result.
fn open<T: Default>(response: &Response, reader: Reader<T>) -> Result<Envelope<T>, Error> {
    let envelope = decode(response, reader).map_err(|error| Error::Undecodable(error.to_string()))?;
    if let Some(told) = tell(&envelope.errors) {
        return Err(Error::Told(told));
    }
    if !envelope.success {
        return Err(Error::Unsuccessful);
    }
    match envelope.unexpected {
        Some(reason) => Err(Error::Unexpected(reason)),
        None => Ok(envelope),
    }
}

/// Reads an envelope. What is wrong with the result is kept for later: errors come first.
fn decode<T: Default>(response: &Response, reader: Reader<T>) -> Result<Envelope<T>, JsonError> {
    let mut envelope = Envelope::default();
    let fields = ["success", "errors", "result", "result_info"];
    json::decode(response.body.expose(), |decoder, value| {
        decoder.object(value, "cfapi.response", &fields, |decoder, name, value| {
            match name {
                "success" => decoder.boolean(value, &mut envelope.success),
                "errors" => envelope.errors.read(decoder, value)?,
                "result" => match result(value, reader) {
                    Ok(result) => envelope.result = result,
                    Err(error) => envelope.unexpected = Some(error.to_string()),
                },
                _ => envelope.info.read(decoder, value)?,
            }
            Ok(())
        })
    })?;
    Ok(envelope)
}

fn result<T: Default>(value: Value<'_>, reader: Reader<T>) -> Result<T, JsonError> {
    let mut result = T::default();
    json::decode(value.raw(), |decoder, value| {
        result = reader(decoder, value)?;
        Ok(())
    })?;
    Ok(result)
}

object!(Told, "cfapi.apiError", "[]", {
    "code" => code by code,
    "message" => message,
});

object!(Info, "cfapi.Pagination", "[]", {
    "count" => count,
    "per_page" => per_page,
    "total_count" => total_count,
});

/// Reads a code: a number, or a number in quotes.
fn code(decoder: &mut Decoder, value: Value<'_>, code: &mut String) -> Result<(), JsonError> {
    if let Some(number) = value.as_number() {
        number.clone_into(code);
        return Ok(());
    }
    let Some(text) = decoder.text(value, "json.Number") else {
        return Ok(());
    };
    let is_number =
        json::Document::parse(text.as_bytes()).is_ok_and(|read| read.root().as_number().is_some());
    if !is_number && !text.is_empty() {
        let raw = adit_dialect::quote::quote(value.raw());
        return Err(JsonError::Value(format!(
            "json: invalid number literal, trying to unmarshal {raw} into Number"
        )));
    }
    text.as_ref().clone_into(code);
    Ok(())
}

/// Returns what the errors of an envelope say; nothing without errors.
fn tell(errors: &[Told]) -> Option<String> {
    let one = |told: &Told| format!("code: {}, reason: {}", told.code, told.message);
    match errors {
        [] => None,
        [only] => Some(one(only)),
        several => {
            let all: String = several.iter().map(|told| format!("{}; ", one(told))).collect();
            Some(format!("API errors: {all}"))
        }
    }
}
