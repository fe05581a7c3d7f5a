//! What isolation was asked for, and which layers of it this host really gives.
//!
//! A layer the host lacks is *degraded*, with a reason and a hint, and is shown by `updraft status`: never dropped
//! silently. Plain data: the spawner fills it in, the command prints it.

/// How functions are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Namespaces, cgroups, seccomp, an own user id for each sandbox. Linux only.
    #[default]
    Sandbox,
    /// A plain child process. Isolates nothing: for macOS and locked-down containers, one trusted user.
    Process,
}

/// What a sandbox may reach outside of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Egress {
    /// The outside world through NAT, as AWS gives it by default; never the host, other sandboxes or metadata addresses.
    #[default]
    Nat,
    /// Nothing but the server's own endpoint.
    None,
}

/// Whether one layer of isolation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerState {
    /// It is on for every sandbox.
    Present,
    /// It is off, or weaker than promised.
    Degraded {
        /// What the host answered.
        why: String,
    },
}

/// One layer of isolation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Short name, for example `seccomp` or `memory limit`.
    pub name: &'static str,
    /// Whether it stands.
    pub state: LayerState,
    /// What the operator can do when it is degraded; empty when present.
    pub fix: String,
}

impl Layer {
    /// A layer that is on.
    pub fn present(name: &'static str) -> Layer {
        Layer { name, state: LayerState::Present, fix: String::new() }
    }

    /// A layer that is off or weak, why, and what to do about it.
    pub fn degraded(name: &'static str, why: impl Into<String>, fix: impl Into<String>) -> Layer {
        Layer { name, state: LayerState::Degraded { why: why.into() }, fix: fix.into() }
    }
}

/// All layers, in the order in which they are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Posture {
    /// The layers.
    pub layers: Vec<Layer>,
}

impl Posture {
    /// The layers that do not stand.
    pub fn degraded(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().filter(|layer| layer.state != LayerState::Present)
    }
}
