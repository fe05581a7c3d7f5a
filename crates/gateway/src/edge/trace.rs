//! The trace that a request belongs to: `X-Amzn-Trace-Id`.

use base::Timestamp;

/// The header that goes on: the caller's, if it names a trace, or one of a new trace.
pub(crate) fn header(from_caller: Option<&str>, now: Timestamp) -> String {
    match from_caller.filter(|header| header.contains("Root=")) {
        Some(header) => header.to_owned(),
        None => format!("Root={}", base::id::trace_root(now)),
    }
}

/// The trace's id.
pub(crate) fn root(header: &str) -> &str {
    header.split(';').find_map(|part| part.trim().strip_prefix("Root=")).unwrap_or(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_goes_on_or_begins() {
        let given = "Self=1-2-3;Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
        let now = Timestamp::from_secs(0x5759_e988);
        assert_eq!(header(Some(given), now), given);
        assert_eq!(root(given), "1-5759e988-bd862e3fe1be46a994272793");
        let new = header(Some("nonsense"), now);
        assert!(new.starts_with("Root=1-5759e988-") && new.len() == "Root=1-5759e988-bd862e3fe1be46a994272793".len());
    }
}
