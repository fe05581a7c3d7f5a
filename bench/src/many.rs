//! Many functions: what ten thousand of them cost a server that had ten. Each has a deployment package of its own, as
//! different functions have.

use std::io::Write as _;

use zip::write::SimpleFileOptions;

use crate::client::{self, Connection};
use crate::functions::Function;
use crate::memory::resident_mb;
use crate::server::{Pools, Server};
use crate::statistics::Times;
use crate::table::{Figure, Goal, Row, Table};
use crate::{Bench, Failure};

const FEW: usize = 10;
const MANY: usize = 10_000;
/// Requests of each kind, with few and with many.
const REQUESTS: usize = 500;
/// "No slower", within what two measurements of the same differ on a shared machine.
const NO_SLOWER: f64 = 1.2;

/// What is asked of a server with so many functions.
struct Answers {
    list: Times,
    get: Times,
    invoke: Times,
    resident_mb: f64,
}

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let Some(echo) = &bench.functions.custom else { return Err("no compiler for the custom runtime".into()) };
    let mut server = Server::start(bench, Pools::None)?;
    create(&mut server, echo, 0..FEW)?;
    let mut few = ask(&server)?;
    let started = std::time::Instant::now();
    create(&mut server, echo, FEW..MANY)?;
    let rate = (MANY - FEW) as f64 / started.elapsed().as_secs_f64();
    let mut many = ask(&server)?;
    table.add(Row::new(format!("{MANY} functions: created, one after the other"), Figure::PerSecond(rate)));
    let rows = [
        ("ListFunctions, a page of 10", &mut many.list, &mut few.list),
        ("GetFunction", &mut many.get, &mut few.get),
        ("Invoke, warm", &mut many.invoke, &mut few.invoke),
    ];
    for (what, many, few) in rows {
        let row = Row::new(format!("{MANY} functions: {what}, p50, beside {FEW}"), many.p50());
        table.add(row.beside(few.p50()).goal(Goal::RatioAtMost(NO_SLOWER)));
    }
    let more = Figure::Megabytes(many.resident_mb - few.resident_mb);
    let row = Row::new(format!("{MANY} functions: the server's memory, more than with {FEW}"), more);
    table.add(row.goal(Goal::AtMost(Figure::Megabytes(100.0))));
    Ok(())
}

fn create(server: &mut Server, like: &Function, numbers: std::ops::Range<usize>) -> Result<(), Failure> {
    for number in numbers {
        let function = Function { runtime: like.runtime.clone(), handler: like.handler, zip: package(number, like)? };
        server.create(&format!("function-{number}"), &function)?;
    }
    Ok(())
}

/// A package like no other. All but the first hold no program, so that the disk is not what is measured.
fn package(number: usize, like: &Function) -> Result<Vec<u8>, Failure> {
    if number == 0 {
        return Ok(like.zip.clone());
    }
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755))?;
    writeln!(zip, "#!/bin/sh\n# {number}")?;
    Ok(zip.finish()?.into_inner())
}

fn ask(server: &Server) -> Result<Answers, Failure> {
    let list = client::signed(server.address, "GET", "/2015-03-31/functions?MaxItems=10", b"")?;
    let get = client::signed(server.address, "GET", "/2015-03-31/functions/function-7", b"")?;
    let invoke = server.invocation("function-0")?;
    let mut connection = Connection::open(server.address)?;
    let mut answers =
        Answers { list: Times::default(), get: Times::default(), invoke: Times::default(), resident_mb: 0.0 };
    for _ in 0..REQUESTS {
        answers.list.take(|| connection.send(&list))?.good()?;
        answers.get.take(|| connection.send(&get))?.good()?;
        answers.invoke.take(|| connection.send(&invoke))?.good()?;
    }
    answers.resident_mb = resident_mb(server.id());
    Ok(answers)
}
