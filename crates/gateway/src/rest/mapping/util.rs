//! `$util`: escapes and encodings. They are Java libraries' functions on AWS, and behave as those.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lang::vtl::{Fault, Meter, Object, Value, json};

use super::Answer;

pub(super) struct Util;

impl Object for Util {
    fn call(&self, name: &str, arguments: &[Value], meter: &Meter) -> Answer {
        let [argument] = arguments else { return Ok(None) };
        let text = match argument {
            Value::String(text) => text.clone(),
            Value::Null => return Ok(Some(Value::Null)),
            Value::Bool(value) => value.to_string().into(),
            Value::Integer(value) => value.to_string().into(),
            // What is no text becomes one as JSON.
            other => json::write(other, meter)?.into(),
        };
        // No encoding makes more than six bytes of one.
        meter.made(text.len().saturating_mul(6))?;
        Ok(Some(match name {
            "escapeJavaScript" => escape_java_script(&text).into(),
            "parseJson" => match json::read(text.trim()) {
                Ok(value) => value,
                Err(_) if !text.trim_start().starts_with(['{', '[']) => Value::String(text),
                Err(error) => return Err(Fault::Method(format!("parseJson was given no JSON: {error}"))),
            },
            "urlEncode" => url_encode(&text).into(),
            "urlDecode" => url_decode(&text)?.into(),
            "base64Encode" => STANDARD.encode(&*text).into(),
            "base64Decode" => match STANDARD.decode(text.trim()) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
                Err(error) => return Err(Fault::Method(format!("base64Decode was given no base64: {error}"))),
            },
            _ => return Ok(None),
        }))
    }

    fn text(&self, _: &Meter) -> Result<Option<String>, Fault> {
        Ok(Some(String::new()))
    }
}

/// Apache commons-lang's `escapeJavaScript`: single quotes too, which JSON does not want; slashes; and all that is no ASCII.
fn escape_java_script(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '\'' | '"' | '\\' | '/' => {
                out.push('\\');
                out.push(letter);
            }
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='\u{7f}' => out.push(letter),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
        }
    }
    out
}

/// `java.net.URLEncoder`: a space is a plus.
fn url_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

/// `java.net.URLDecoder`.
fn url_decode(text: &str) -> Result<String, Fault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    Some(byte) => bytes.push(byte),
                    None => return Err(Fault::Method("urlDecode was given a '%' without two digits".to_owned())),
                }
                rest = &rest[2..];
            }
            other => bytes.push(*other),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
