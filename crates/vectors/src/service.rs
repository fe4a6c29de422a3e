//! A service on this machine that says what it was recorded to say.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

/// A request that arrived.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What was to be done.
    pub method: String,
    /// To what.
    pub path: String,
    /// What stood behind the question mark.
    pub query: String,
    /// The fields with their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// A service, which notes what it is asked.
#[derive(Clone, Debug, Default)]
pub struct Service(Arc<Mutex<Vec<Seen>>>);

impl Seen {
    /// Returns path and query.
    #[must_use]
    pub fn target(&self) -> String {
        match self.query.as_str() {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }

    /// Returns the value of a field.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let field = self.headers.iter().find(|(given, _)| given == name);
        field.map(|(_, value)| value.as_str())
    }
}

impl Service {
    /// Serves whoever comes to `listener`: `accept` makes a stream of a connection, `reply` answers the
    /// request of this number on it, and says whether there may be another one.
    pub fn start<S: Read + Write>(
        listener: TcpListener,
        accept: impl Fn(TcpStream) -> io::Result<S> + Send + Sync + 'static,
        reply: impl Fn(&mut S, usize, &Seen) -> io::Result<bool> + Send + Sync + 'static,
    ) -> Self {
        let service = Self::default();
        let seen = service.clone();
        let doing = Arc::new((accept, reply));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, doing) = (seen.clone(), Arc::clone(&doing));
                std::thread::spawn(move || {
                    let (accept, reply) = &*doing;
                    // The program may leave whenever it wants.
                    drop(accept(stream).and_then(|stream| seen.serve(stream, reply)));
                });
            }
        });
        service
    }

    /// Returns the requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn serve<S: Read + Write>(
        &self,
        stream: S,
        reply: &impl Fn(&mut S, usize, &Seen) -> io::Result<bool>,
    ) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = receive(&mut reader)? {
            let index = {
                let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                seen.push(request.clone());
                seen.len() - 1
            };
            if !reply(reader.get_mut(), index, &request)? {
                break;
            }
            reader.get_mut().flush()?;
        }
        Ok(())
    }
}

/// Returns what a script says to the request of this number, if anything, when the time for it has
/// come.
#[must_use]
pub fn answer(script: &[Value], index: usize) -> Option<Value> {
    let answer = script.get(index).cloned();
    let answer = answer.unwrap_or_else(|| serde_json::json!({ "status": 404 }));
    if let Some(seconds) = answer["delay"].as_f64() {
        // A part of the record: the service is slow.
        std::thread::sleep(Duration::from_secs_f64(seconds));
    }
    (answer["close"] != true).then_some(answer)
}

fn receive(reader: &mut impl BufRead) -> io::Result<Option<Seen>> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        head.push(line.to_owned());
    }
    let fields = head.iter().skip(1).filter_map(|line| line.split_once(':'));
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    let mut words = head.first().map_or("", String::as_str).split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut seen = Seen {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers: fields.collect(),
        body: String::new(),
    };
    let length = seen.header("content-length").and_then(|value| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    seen.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(seen))
}
