//! What a test may ask of the machine it runs on. A test that needs root fails without it, by name, unless
//! `UPDRAFT_TESTS_UNPRIVILEGED=1` says that this is known; then it says that it was skipped.

/// Whether the test may go on.
pub(crate) fn root_for(test: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let known = std::env::var_os("UPDRAFT_TESTS_UNPRIVILEGED").is_some_and(|value| value == "1");
    assert!(known, "{test} needs root; run as root, or set UPDRAFT_TESTS_UNPRIVILEGED=1 to skip such tests");
    eprintln!("SKIPPED {test}: needs root");
    false
}
