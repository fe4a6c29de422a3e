//! The side of a WebSocket that a record describes.

use std::io::{self, Read, Write};
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What the program sent: data, and whether it took leave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frames {
    pub(crate) data: Vec<u8>,
    pub(crate) pongs: Vec<u8>,
    pub(crate) closes: Vec<u8>,
}

/// Accepts an upgrade and does what the record says.
pub(crate) fn play(
    stream: &mut (impl Read + Write),
    key: &str,
    steps: &[Value],
    fill: &dyn Fn(&str) -> String,
    frames: &mut Frames,
) -> io::Result<()> {
    let accept = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, accept.as_bytes()));
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: \
         {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.flush()?;
    for step in steps {
        if let Some(text) = step["recv"].as_str() {
            let wanted = frames.data.len() + fill(text).len();
            while frames.data.len() < wanted {
                receive(stream, frames)?;
            }
        } else if step.get("recv_any").is_some() {
            receive(stream, frames)?;
        } else if let Some(text) = step["send"].as_str() {
            let opcode = if step["op"] == "text" { 1 } else { 2 };
            send(stream, opcode, fill(text).as_bytes())?;
        } else if let Some(text) = step["ping"].as_str() {
            send(stream, 9, text.as_bytes())?;
        } else if let Some(code) = step["send_close"].as_u64() {
            let code = u16::try_from(code).map_err(io::Error::other)?.to_be_bytes();
            let reason = step["reason"].as_str().unwrap_or_default();
            send(stream, 8, &[&code[..], reason.as_bytes()].concat())?;
            while frames.closes.is_empty() {
                receive(stream, frames)?;
            }
        } else if let Some(seconds) = step["sleep"].as_f64() {
            // A part of the record: the application is slow.
            std::thread::sleep(Duration::from_secs_f64(seconds));
        } else {
            return Ok(());
        }
    }
    Ok(())
}

fn send(stream: &mut impl Write, opcode: u8, payload: &[u8]) -> io::Result<()> {
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(length),
        _ => {
            frame.push(126);
            let length = u16::try_from(payload.len()).map_err(io::Error::other)?;
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend(payload);
    stream.write_all(&frame)?;
    stream.flush()
}

fn receive(stream: &mut impl Read, frames: &mut Frames) -> io::Result<()> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let length = match head[1] & 0x7f {
        126 => {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            usize::from(u16::from_be_bytes(length))
        }
        length => usize::from(length),
    };
    let mut mask = [0; 4];
    stream.read_exact(&mut mask)?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload)?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    match head[0] & 0x0f {
        8 => frames.closes = payload,
        10 => frames.pongs = payload,
        9 => {}
        _ => frames.data.extend(payload),
    }
    Ok(())
}
