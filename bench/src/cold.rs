//! The first request of an execution environment over signed HTTP, by each path, beside programs from start to exit.
//!
//! Before each round the function's settings change, so that its next request finds no environment. Variables that an
//! interpreter reads at its start send a function down the exec path.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::client::Connection;
use crate::functions::Function;
use crate::server::{Pools, Server};
use crate::statistics::Times;
use crate::table::{Figure, Goal, Row, Table};
use crate::{Bench, Failure};

const ROUNDS: usize = 30;

/// Where each path stands among the status page's launches.
const PARKED: usize = 0;
const ZYGOTE: usize = 1;
const EXEC: usize = 2;

/// One way to start one function.
struct Start<'a> {
    what: &'static str,
    function: &'a Option<Function>,
    path: usize,
    /// A variable that forbids the use of a started interpreter.
    variable: Option<&'static str>,
    baseline: Option<&'a Baseline>,
    /// One line of the table for each.
    goals: Vec<Goal>,
}

/// A program run from start to exit, with an empty environment.
struct Baseline {
    program: Option<PathBuf>,
    arguments: &'static [&'static str],
}

const fn at_most_ms(ms: f64) -> Goal {
    Goal::AtMost(Figure::Milliseconds(ms))
}

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let f = &bench.functions;
    let baseline = |program: &Option<PathBuf>, arguments| Baseline { program: program.clone(), arguments };
    let python = &baseline(&f.python_program, &["-I", "-S", "-E", "-c", "pass"]);
    let node = &baseline(&f.node_program, &["-e", "0"]);
    let java = &baseline(&f.java_program, &["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-version"]);
    let start = |what, function, path, variable, baseline, goals: Vec<Goal>| Start {
        what,
        function,
        path,
        variable,
        baseline,
        goals,
    };
    let with_pools = [
        start(
            "cold Python, parked",
            &f.python,
            PARKED,
            None,
            Some(python),
            vec![Goal::RatioAtMost(0.125), at_most_ms(1.2)],
        ),
        start("cold Node.js, parked", &f.node, PARKED, None, Some(node), vec![Goal::RatioAtMost(0.1), at_most_ms(2.2)]),
        start("cold Java, parked", &f.java, PARKED, None, Some(java), vec![at_most_ms(5.2)]),
    ];
    let without = [
        start("cold Python, zygote", &f.python, ZYGOTE, None, Some(python), vec![at_most_ms(5.2)]),
        start("cold Python, exec", &f.python, EXEC, Some("PYTHONUNBUFFERED"), Some(python), Vec::new()),
        start("cold Node.js, exec", &f.node, EXEC, Some("NODE_OPTIONS"), Some(node), Vec::new()),
        start("cold Java, exec", &f.java, EXEC, Some("JAVA_TOOL_OPTIONS"), Some(java), Vec::new()),
        start("cold custom runtime, exec", &f.custom, EXEC, None, None, vec![at_most_ms(0.7)]),
    ];
    for (pools, starts) in [(Pools::Default, &with_pools[..]), (Pools::None, &without[..])] {
        let mut server = Server::start(bench, pools)?;
        for start in starts {
            start.measure(&mut server, pools, table)?;
        }
    }
    Ok(())
}

impl Start<'_> {
    fn measure(&self, server: &mut Server, pools: Pools, table: &mut Table) -> Result<(), Failure> {
        let Some(function) = self.function else { return Ok(()) };
        let name = self.what.replace([' ', ',', '.'], "-");
        server.create(&name, function)?;
        let invocation = server.invocation(&name)?;
        let mut connection = Connection::open(server.address)?;
        connection.send(&invocation)?.good()?; // code unpacked, pool there, zygote booted
        let (mut cold, mut baseline) = (Times::default(), Times::default());
        for round in 0..ROUNDS {
            server.change(&name, round, self.variable)?;
            if let Some(program) = self.baseline {
                program.run(&mut baseline)?;
            }
            match pools {
                Pools::Default => server.fill()?,
                Pools::None => std::thread::sleep(std::time::Duration::from_millis(8)),
            }
            let before = server.launches()?[self.path];
            let mut time = Times::default();
            time.take(|| connection.send(&invocation))?.good()?;
            if server.launches()?[self.path] == before + 1 {
                cold.add(time.p50());
            }
        }
        self.report(&mut cold, &mut baseline, table);
        Ok(())
    }

    fn report(&self, cold: &mut Times, baseline: &mut Times, table: &mut Table) {
        if cold.is_empty() {
            return eprintln!("bench: {}: no launch went this way", self.what);
        }
        let mut row = || {
            let row = Row::new(format!("{}, p50", self.what), cold.p50());
            if self.baseline.is_some() { row.beside(baseline.p50()) } else { row }
        };
        match self.goals.as_slice() {
            [] => table.add(row()),
            goals => goals.iter().for_each(|goal| table.add(row().goal(*goal))),
        }
    }
}

impl Baseline {
    fn run(&self, times: &mut Times) -> Result<(), Failure> {
        let Some(program) = &self.program else { return Ok(()) };
        let mut command = Command::new(program);
        command.args(self.arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        times.take(|| command.status())?;
        Ok(())
    }
}
