//! The spawner process by itself, for this crate's tests, whose own executables are multi-threaded harnesses.

fn main() {
    #[cfg(target_os = "linux")]
    sandbox::spawner::main()
}
