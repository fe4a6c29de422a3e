//! Exchanges the token of a team for one of an application, without a browser.

use std::time::Duration;

use http::Method;

use crate::address::Address;
use crate::client::Client;
use crate::error::Error;
use crate::web::{Reply, header, is_redirect};

/// How long the whole may take.
const LIMIT: Duration = Duration::from_secs(7);

/// More redirects than this are a circle.
const MOST_HOPS: usize = 20;

const LOGIN: &str = "/cdn-cgi/access/login";
const AUTHORIZED: &str = "/cdn-cgi/access/authorized";

impl Client {
    /// Returns a token for the application at `address`, from that of its team.
    ///
    /// # Errors
    ///
    /// Fails when the team's token does not open the application.
    pub(crate) async fn exchange(&self, address: &Address, team_token: &str) -> Result<String, Error> {
        let exchange = tokio::time::timeout(LIMIT, self.walk(address, team_token));
        let none = || Error::NoAppToken(address.to_string());
        exchange.await.unwrap_or_else(|_| Err(none()))?.ok_or_else(none)
    }

    /// Follows the redirects from an application to its team and back.
    async fn walk(&self, address: &Address, team_token: &str) -> Result<Option<String>, Error> {
        let mut here = address.clone();
        // The cookie of the application's own redirect, and that of the response before the last.
        let (mut session, mut fresh) = (None, None);
        for _ in 0..MOST_HOPS {
            let url = here.to_string();
            let mut cookies = Vec::new();
            if here.path().contains(LOGIN) && !team_token.is_empty() {
                cookies.push(format!("CF_Authorization={team_token}"));
            }
            if let (true, Some(session)) = (here.path().contains(AUTHORIZED), &session) {
                cookies.push(format!("CF_AppSession={session}"));
            }
            let mut ask = self.question(Method::HEAD, &url, LIMIT);
            ask.headers
                .extend(cookies.iter().map(|cookie| ("Cookie", cookie.as_str())));
            let reply = self.way.ask(&ask).await?;
            let next = header(&reply, "location").filter(|_| is_redirect(&reply));
            let next = next.and_then(|location| here.follow(location).ok());
            let Some(next) = next.filter(|_| !here.path().contains(AUTHORIZED)) else {
                return Ok(token(&reply));
            };
            session = fresh.or(session);
            fresh = cookie(&reply, "CF_AppSession").map(|(value, _)| value);
            here = next;
        }
        Ok(None)
    }
}

/// Returns the token that a response gives for longer than this session.
fn token(reply: &Reply) -> Option<String> {
    let (value, attributes) = cookie(reply, "CF_Authorization")?;
    let expires = attributes.split(';').find_map(|attribute| {
        let (name, value) = attribute.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("expires")
            .then_some(value.trim().to_owned())
    });
    let end = http_date(&expires?)?;
    (end > crate::client::now()).then_some(value)
}

/// Returns the value of a cookie that a response sets, and what follows it.
fn cookie(reply: &Reply, name: &str) -> Option<(String, String)> {
    let set = reply.headers().get_all("set-cookie").iter();
    set.filter_map(|field| field.to_str().ok()).find_map(|field| {
        let (pair, attributes) = field.split_once(';').unwrap_or((field, ""));
        let (given, value) = pair.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (given.trim() == name).then(|| (value.to_owned(), attributes.to_owned()))
    })
}

/// Returns a date of HTTP in seconds since 1970.
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (_, rest) = text.split_once(", ")?;
    let parts: Vec<&str> = rest.split([' ', '-', ':']).collect();
    let [day, month, year, hour, minute, second, "GMT"] = parts[..] else {
        return None;
    };
    let number = |text: &str| text.parse::<u16>().ok().map(i64::from);
    let month = i64::try_from(MONTHS.find(month).filter(|at| at % 3 == 0)? / 3 + 1).ok()?;
    let year = number(year)?;
    let days = days(year, month, number(day)?);
    Some(((days * 24 + number(hour)?) * 60 + number(minute)?) * 60 + number(second)?)
}

/// Returns the days from 1970 to a day of the Gregorian calendar.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that leap days come last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
