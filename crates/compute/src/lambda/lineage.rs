//! Loops: functions that cause their own invocation, over and over.
//!
//! The trace header carries, beside the trace, how often each function has been entered on the way here:
//! `Lineage=1:<function>:<times>|…`. AWS's SDKs send the header of the invocation they run in with every call, so an event
//! keeps its lineage through whatever functions it goes; AWS stops it after "approximately 16 times". What a function does
//! about it is its recursion configuration; requests whose header has no lineage of the function cost one search in it.

use std::fmt::Write as _;

use base::Error;
use sha2::{Digest, Sha256};
use shape::Shape;

/// AWS's number of times that one event may enter the same function.
const ENTRIES_MAX: u32 = 16;
/// Functions that a lineage names at most; further ones are not followed. AWS names no number.
const FUNCTIONS_MAX: usize = 16;

/// What happens to an event that goes in a circle.
#[derive(Shape, Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum RecursiveLoop {
    /// It goes on.
    Allow,
    /// It is stopped.
    #[default]
    Terminate,
}

/// A trace header that has been counted for one more entry into a function.
pub(crate) struct Entered {
    /// The header that the function is to see.
    pub(crate) trace_id: String,
    /// Times that the function has been entered before on this way.
    pub(crate) times: u32,
}

impl Entered {
    /// Whether the event has to be stopped.
    pub(crate) fn is_loop(&self) -> bool {
        self.times > ENTRIES_MAX
    }
}

/// Counts an entry into the function of this name in lineages.
pub(crate) fn enter(trace_id: &str, name: &str) -> Entered {
    let mut others: Vec<&str> = trace_id.split(';').filter(|part| !part.trim_start().starts_with("Lineage=")).collect();
    others.retain(|part| !part.is_empty());
    let mut header = others.join(";");
    let lineage = trace_id.split(';').find_map(|part| part.trim_start().strip_prefix("Lineage="));
    let entries: Vec<(&str, u32)> = lineage.into_iter().flat_map(|l| l.split('|')).filter_map(entry).collect();
    let times = entries.iter().find(|(function, _)| *function == name).map_or(0, |(_, times)| times + 1);
    _ = write!(header, "{}Lineage=1:{name}:{times}", if header.is_empty() { "" } else { ";" });
    for (function, times) in entries.iter().filter(|(function, _)| *function != name).take(FUNCTIONS_MAX) {
        _ = write!(header, "|1:{function}:{times}");
    }
    Entered { trace_id: header, times }
}

/// `<anything>:<function>:<times>`, or without the first.
fn entry(text: &str) -> Option<(&str, u32)> {
    let (before, times) = text.rsplit_once(':')?;
    let function = before.rsplit(':').next()?;
    Some((function, times.trim().parse().ok()?))
}

/// What a lineage calls a function: eight hexadecimal digits.
pub(crate) fn name(function_arn: &str) -> String {
    let hash = Sha256::digest(function_arn.as_bytes());
    hash.iter().take(4).fold(String::with_capacity(8), |mut name, byte| {
        _ = write!(name, "{byte:02x}");
        name
    })
}

/// 400: the event was stopped.
pub(crate) fn stopped() -> Error {
    let message = "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services \
                   resources and stopped your function's invocation.";
    Error::new(400, "RecursiveInvocationException", message).capital().with("Type", "User")
}

#[cfg(test)]
mod tests {
    use super::enter;

    #[test]
    fn entries_are_counted_for_each_function() {
        let mut header = "Root=1-0-0;Parent=1;Sampled=0".to_owned();
        for round in 0..=16 {
            for function in ["0000000a", "0000000b"] {
                let entered = enter(&header, function);
                assert_eq!((entered.times, entered.is_loop()), (round, false));
                header = entered.trace_id;
            }
        }
        assert!(header.starts_with("Root=1-0-0;Parent=1;Sampled=0;Lineage=1:"), "{header}");
        assert_eq!(header.matches("Lineage=").count(), 1);
        assert_eq!(enter(&header, "0000000c").times, 0);
        assert!(enter(&header, "0000000a").is_loop());
    }

    #[test]
    fn foreign_headers_are_taken_as_they_are() {
        for header in ["", "Lineage=", "Lineage=x", "Lineage=a:b|:|1:2", ";;;", "Root=1"] {
            assert_eq!(enter(header, "0000000a").times, 0, "{header}");
        }
        let name = super::name("arn:a");
        assert_eq!(enter(&format!("Root=1;Lineage={name}:3"), &name).times, 4, "AWS's older form");
    }

    #[test]
    fn a_lineage_does_not_grow_without_end() {
        let mut header = String::new();
        for n in 0..100 {
            header = enter(&header, &format!("{n:08}")).trace_id;
        }
        assert_eq!(header.matches('|').count(), super::FUNCTIONS_MAX);
    }
}
