//! The spawner's loop: takes requests, hears of ends, keeps the pools full. One thread; nothing here waits for long.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::event::epoll;

use super::{
    companions::{COMPANIONS_MAX, Companions},
    launch::{self, Launcher},
    plan::{CodeTrees, Exit, Limits, Plan, Program, SlotId, ZygotePlan},
    protocol::{self, Asked, MESSAGE_MAX, Refusal, Reply, Request, Said, SocketKind},
    slot::{self, Kit, Slot},
    zygote::{Birth, News, Zygote},
};
use crate::{
    cgroup::{Group, Groups},
    net::NetPool,
};

/// Network namespaces and cgroups that wait ready, at most.
const READY_MAX: usize = 32;
/// Requests taken before looking at ends and pools again.
const REQUESTS_AT_ONCE: usize = 32;
/// How often running sandboxes are looked after, above all their memory. In the meantime one can have at most as much more as its `/tmp`
/// is large: beyond that the kernel stops it.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How many of them at a time; where more run each is looked after less often.
const LOOKS_AT_ONCE: usize = 128;
/// How long the end of everything may take before the watchdog is left to finish it.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// What an event is about, in the upper half of its number; the lower half is an index.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Source {
    Socket = 0,
    SlotEnd = 1,
    ZygoteSays = 2,
    ZygoteEnd = 3,
    Report = 4,
    CompanionEnd = 5,
}

/// Why a sandbox was not made, and what there is of it.
type Unmade = Box<(Refusal, Option<Slot>)>;

/// All that the spawner holds.
pub(super) struct Worker {
    socket: OwnedFd,
    epoll: OwnedFd,
    launcher: Launcher,
    kit: Kit,
    groups: Groups,
    networks: NetPool,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    generation: u64,
    zygotes: Vec<Option<Zygote>>,
    companions: Companions,
    /// Zygotes that nobody has asked for a child of yet: each costs a boot and some 15 MB.
    dormant: Vec<ZygotePlan>,
    /// Whether the pools may lack something.
    refills: bool,
    /// Whether any sandbox may be running.
    running: bool,
    looked: Instant,
    /// Whose turn it is to be looked after.
    look_from: usize,
    buffer: Box<[u8]>,
}

impl Worker {
    pub(super) fn new(
        socket: OwnedFd,
        launcher: Launcher,
        kit: Kit,
        groups: Groups,
        networks: NetPool,
        slots_max: u32,
    ) -> io::Result<Worker> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let worker = Worker {
            socket,
            epoll,
            launcher,
            kit,
            groups,
            networks,
            slots: (0..slots_max).map(|_| None).collect(),
            free: (0..slots_max).rev().collect(),
            // Above whatever a former spawner of this boot has counted to.
            generation: first_generation(),
            zygotes: Vec::new(),
            companions: Companions::default(),
            dormant: Vec::new(),
            refills: true,
            running: false,
            looked: Instant::now(),
            look_from: 0,
            buffer: vec![0; MESSAGE_MAX].into_boxed_slice(),
        };
        worker.watch(&worker.socket, Source::Socket, 0)?;
        Ok(worker)
    }

    /// Keeps a zygote's plan until the first child of it is asked for.
    pub(super) fn offer_zygote(&mut self, plan: ZygotePlan) {
        self.dormant.push(plan);
    }

    fn wake_zygote(&mut self, name: &str) -> Result<(), Refusal> {
        let Some(at) = self.dormant.iter().position(|plan| plan.name == name) else {
            return Ok(());
        };
        let plan = self.dormant.swap_remove(at);
        self.start_zygote(plan).map_err(Refusal::system("start the zygote"))
    }

    /// Starts a zygote; it says later when it has booted.
    fn start_zygote(&mut self, plan: ZygotePlan) -> io::Result<()> {
        let mut group = self.groups.take()?;
        // Whoever had it before may have been allowed less.
        group.set(&slot::zygote_limits())?;
        let zygote = Zygote::start(plan, &self.launcher, Some(group))?;
        let index = self.zygotes.len();
        self.watch(&zygote.control, Source::ZygoteSays, index)?;
        self.watch(&zygote.pidfd, Source::ZygoteEnd, index)?;
        self.zygotes.push(Some(zygote));
        Ok(())
    }

    /// Serves until the server's end closes.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(64);
        loop {
            let patience = match (self.refills, self.running) {
                (true, _) => Some(Duration::ZERO),
                (false, true) => Some(LOOK_EVERY.saturating_sub(self.looked.elapsed())),
                (false, false) => None,
            };
            let wait = patience.and_then(|patience| patience.try_into().ok());
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), wait.as_ref()) {
                Err(rustix::io::Errno::INTR) => continue,
                waited => waited?,
            };
            if self.running && self.looked.elapsed() >= LOOK_EVERY {
                self.look_after();
            }
            if events.is_empty() && self.refills {
                self.refill();
            }
            for event in &events {
                let number = event.data.u64();
                let index = number as u32 as usize;
                match (number >> 32) as u32 {
                    source if source == Source::Socket as u32 => {
                        if !self.take_requests()? {
                            self.shut_down();
                            return Ok(());
                        }
                    }
                    source if source == Source::SlotEnd as u32 => self.slot_ended(index)?,
                    source if source == Source::ZygoteSays as u32 => self.zygote_says(index)?,
                    source if source == Source::Report as u32 => self.slot_reports(index)?,
                    source if source == Source::CompanionEnd as u32 => self.companion_ended(index)?,
                    _ => self.zygote_ended(index)?,
                }
            }
        }
    }

    fn watch(&self, descriptor: impl AsFd, source: Source, index: usize) -> io::Result<()> {
        let data = epoll::EventData::new_u64(u64::from(source as u32) << 32 | index as u64);
        Ok(epoll::add(&self.epoll, descriptor, data, epoll::EventFlags::IN)?)
    }

    /// Makes one thing ready. A failure is not retried before the next request, where it would show.
    fn refill(&mut self) {
        let ready = READY_MAX.min(self.slots.len());
        let networks = self.networks.refill(ready);
        let groups = self.groups.refill((self.groups.ready() + 1).min(ready));
        self.refills = matches!(networks, Ok(true)) || (groups.is_ok() && self.groups.ready() < ready);
    }

    fn look_after(&mut self) {
        let (before, from) = self.slots.split_at_mut(self.look_from);
        let places = (self.look_from..).zip(from).chain((0..).zip(before));
        let running = places.filter_map(|(place, slot)| Some((place, slot.as_mut().filter(|slot| slot.is_running())?)));
        let mut last = None;
        for (place, slot) in running.take(LOOKS_AT_ONCE) {
            slot.look_after(&self.kit.home);
            last = Some(place);
        }
        self.running = last.is_some();
        self.look_from = last.map_or(0, |last| last + 1);
        self.looked = Instant::now();
    }

    /// False when the server has closed its end.
    fn take_requests(&mut self) -> io::Result<bool> {
        for _ in 0..REQUESTS_AT_ONCE {
            let length = match protocol::receive(&self.socket, &mut self.buffer, false) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                received => received?.0,
            };
            if length == 0 {
                return Ok(false);
            }
            let asked: Asked = protocol::decode(&self.buffer[..length])?;
            self.serve(asked)?;
        }
        Ok(true)
    }

    fn serve(&mut self, asked: Asked) -> io::Result<()> {
        let ticket = asked.ticket;
        let reply = match asked.request {
            Request::Spawn(plan) => match self.spawn(ticket, plan) {
                // Replied to already, or by the zygote's answer.
                Ok(()) => return Ok(()),
                Err(refusal) => Err(refusal),
            },
            Request::Attach { id, code, limits } => self.attach(id, &code, &limits),
            Request::Limit { id, limits } => self.slot(id).and_then(|slot| slot.limit(&limits)).map(|()| Reply::Done),
            Request::Settle { id, limits } => self.slot(id).and_then(|slot| slot.settle(&limits)).map(|()| Reply::Done),
            Request::Freeze { id, frozen } => {
                self.running |= !frozen;
                self.slot(id).and_then(|slot| {
                    slot.freeze(frozen).map(|()| Reply::Done).map_err(Refusal::system("freeze the cgroup"))
                })
            }
            Request::Join { id, program } => match self.join(ticket, id, program) {
                Ok(()) => return Ok(()),
                Err(refusal) => Err(refusal),
            },
            Request::Stop { id, companion: None } => self.slot(id).map(|slot| {
                slot.terminate();
                Reply::Done
            }),
            Request::Stop { id, companion: Some(companion) } => {
                self.companions.kill(id, companion);
                Ok(Reply::Done)
            }
            Request::Socket { id, kind } => match self.socket(ticket, id, kind) {
                Ok(()) => return Ok(()),
                Err(refusal) => Err(refusal),
            },
            Request::Usage { id } => self.slot(id).map(|slot| Reply::Usage(slot.usage())),
            Request::Destroy { id } => match self.slot(id) {
                Err(_) => Ok(Reply::Done),
                Ok(slot) if slot.ended => {
                    self.release(id.slot);
                    Ok(Reply::Done)
                }
                Ok(slot) => {
                    slot.kill();
                    slot.destroyers.push(ticket);
                    self.running = true;
                    return Ok(());
                }
            },
        };
        self.say(&Said::Reply { ticket, reply })
    }

    /// Starts another process in a sandbox and hands over its output.
    fn join(&mut self, ticket: u64, id: SlotId, program: Program) -> Result<(), Refusal> {
        let slot = self.slots.get_mut(id.slot as usize).and_then(Option::as_mut).filter(|slot| slot.id == id);
        let slot = slot.ok_or(Refusal::Gone)?;
        if slot.companions >= COMPANIONS_MAX {
            return Err(Refusal::Full);
        }
        let (pidfd, output) = slot.join(&self.kit, &self.launcher, program)?;
        let (companion, index) = self.companions.insert(id, pidfd);
        let watched = match self.companions.pidfd(index) {
            Some(pidfd) => self.watch(pidfd, Source::CompanionEnd, index),
            None => Ok(()),
        };
        let reply = protocol::encode(&Said::Reply { ticket, reply: Ok(Reply::Joined { companion }) });
        let sent = watched.and(reply).and_then(|said| protocol::send(&self.socket, &said, &[output.as_fd()]));
        sent.map_err(|error| {
            self.companions.kill(id, companion);
            Refusal::system("hand over its output")(error)
        })
    }

    /// Makes a socket in a sandbox's network and hands it over.
    fn socket(&mut self, ticket: u64, id: SlotId, kind: SocketKind) -> Result<(), Refusal> {
        let network = &self.slot(id)?.network;
        let socket = match kind {
            SocketKind::Stream => network.socket(),
            SocketKind::TraceDaemon => network.trace_daemon(),
        };
        let socket = socket.map_err(Refusal::system("make a socket"))?;
        let reply = protocol::encode(&Said::Reply { ticket, reply: Ok(Reply::Socket) });
        reply
            .and_then(|said| protocol::send(&self.socket, &said, &[socket.as_fd()]))
            .map_err(Refusal::system("hand over a socket"))
    }

    fn companion_ended(&mut self, index: usize) -> io::Result<()> {
        match self.companions.collect(index) {
            Some((companion, ended)) => self.say(&Said::CompanionEnded { companion, ended }),
            None => Ok(()),
        }
    }

    /// A sandbox without companions ends with its runtime; in others the server decides.
    fn slot_reports(&mut self, index: usize) -> io::Result<()> {
        let Some(slot) = &mut self.slots[index] else { return Ok(()) };
        let (ended, more) = slot.hear();
        if !more && let Some(report) = &slot.report {
            let _ = epoll::delete(&self.epoll, report);
        }
        let Some(ended) = ended else { return Ok(()) };
        if slot.companions == 0 {
            slot.kill();
            self.running = true;
            return Ok(());
        }
        let (id, usage) = (slot.id, slot.usage());
        self.say(&Said::Exited { id, exit: Exit { ended, usage } })
    }

    fn attach(&mut self, id: SlotId, code: &CodeTrees, limits: &Limits) -> Result<Reply, Refusal> {
        let slot = self.slots.get_mut(id.slot as usize).and_then(Option::as_mut).filter(|slot| slot.id == id);
        let slot = slot.ok_or(Refusal::Gone)?;
        self.running = true;
        slot.attach(&self.kit.home, code, limits).map(|()| Reply::Done)
    }

    fn slot(&mut self, id: SlotId) -> Result<&mut Slot, Refusal> {
        let slot = self.slots.get_mut(id.slot as usize).and_then(Option::as_mut);
        slot.filter(|slot| slot.id == id).ok_or(Refusal::Gone)
    }

    fn spawn(&mut self, ticket: u64, plan: Plan) -> Result<(), Refusal> {
        let Some(number) = self.free.pop() else {
            return Err(Refusal::Full);
        };
        self.generation += 1;
        let id = SlotId { slot: number, generation: self.generation };
        let made = self.make(ticket, id, plan);
        if let Err(unmade) = made {
            let (refusal, slot) = *unmade;
            match slot {
                Some(slot) => {
                    self.slots[number as usize] = Some(slot);
                    self.release(number);
                }
                None => self.free.push(number),
            }
            return Err(refusal);
        }
        Ok(())
    }

    /// On failure gives back what was made, to be taken apart.
    fn make(&mut self, ticket: u64, id: SlotId, plan: Plan) -> Result<(), Unmade> {
        self.refills = true;
        if let super::plan::Start::Zygote { name } = &plan.start {
            self.wake_zygote(name).map_err(|refusal| Box::new((refusal, None)))?;
        }
        if self.networks.ready() == 0 {
            // One that was used lately is cheaper than a new one.
            let _ = self.networks.refill(1);
        }
        let network = self
            .networks
            .take()
            .map_err(|error| Box::new((Refusal::system("make a network namespace")(error), None)))?;
        let group = match self.groups.take() {
            Ok(group) => group,
            Err(error) => {
                self.networks.give_back(network);
                return Err(Box::new((Refusal::system("make a cgroup")(error), None)));
            }
        };
        let mut slot = Slot::new(id, group, network);
        let made = slot.prepare(&self.kit, &self.launcher, &plan).and_then(|prepared| match plan.start {
            super::plan::Start::Exec { argv, env } => {
                slot.execute(&self.launcher, &prepared, argv, env).map(|pidfd| (prepared, Some(pidfd)))
            }
            super::plan::Start::Zygote { name } => {
                let zygote = self.zygotes.iter_mut().flatten().find(|zygote| zygote.plan.name == name);
                let zygote = zygote.ok_or(Refusal::NoZygote)?;
                let ordered = zygote.order(&prepared.orders, Birth { ticket, id });
                ordered.map_err(Refusal::system("order a child of the zygote")).map(|()| (prepared, None))
            }
        });
        match made {
            Err(refusal) => Err(Box::new((refusal, Some(slot)))),
            Ok((prepared, pidfd)) => {
                slot.take_ends(prepared);
                self.slots[id.slot as usize] = Some(slot);
                if let Some(pidfd) = pidfd {
                    self.born(ticket, id, pidfd);
                }
                Ok(())
            }
        }
    }

    /// Tells the server of a sandbox, and hands its ends over.
    fn born(&mut self, ticket: u64, id: SlotId, pidfd: OwnedFd) {
        let index = id.slot as usize;
        let watched = self.watch(&pidfd, Source::SlotEnd, index);
        let report = self.slots[index].as_ref().and_then(|slot| slot.report.as_ref());
        let watched = watched.and_then(|()| report.map_or(Ok(()), |report| self.watch(report, Source::Report, index)));
        let Some(slot) = &mut self.slots[index] else { return };
        slot.pidfd = Some(pidfd);
        self.running |= slot.is_running();
        let said = protocol::encode(&Said::Reply { ticket, reply: Ok(Reply::Spawned { id }) });
        let sent = watched.and(said).and_then(|said| protocol::send(&self.socket, &said, &slot.ends()));
        slot.ends = None;
        slot.network.sockets = None;
        if let Err(error) = sent {
            // The server is going away, or out of descriptors: nobody will ask for this one, but somebody waits.
            slot.kill();
            slot.orphan = true;
            let reply = Err(Refusal::system("hand over its descriptors")(error));
            let _ = self.say(&Said::Reply { ticket, reply });
        } else if !slot.destroyers.is_empty() {
            slot.kill();
        }
    }

    fn slot_ended(&mut self, index: usize) -> io::Result<()> {
        let Some(slot) = &mut self.slots[index] else {
            return Ok(());
        };
        let Some((exit, pidfd)) = slot.collect() else {
            return Ok(());
        };
        // The server holds a duplicate, with which a mere close would leave it watched, and readable for ever.
        let _ = epoll::delete(&self.epoll, &pidfd);
        let (id, orphan, destroyers) = (slot.id, slot.orphan, std::mem::take(&mut slot.destroyers));
        self.say(&Said::Exited { id, exit })?;
        if orphan || !destroyers.is_empty() {
            self.release(id.slot);
        }
        for ticket in destroyers {
            self.say(&Said::Reply { ticket, reply: Ok(Reply::Done) })?;
        }
        Ok(())
    }

    /// Takes a sandbox apart that has no process any more.
    fn release(&mut self, number: u32) {
        let Some(slot) = self.slots[number as usize].take() else {
            return;
        };
        if let Err(error) = self.groups.give_back(slot.group) {
            eprintln!("updraft spawner: cannot remove the cgroup of sandbox {number}: {error}");
        }
        self.networks.give_back(slot.network);
        self.free.push(number);
        self.refills = true;
    }

    fn zygote_says(&mut self, index: usize) -> io::Result<()> {
        loop {
            let Some(zygote) = &mut self.zygotes[index] else {
                return Ok(());
            };
            let news = match zygote.hear() {
                Ok(Some(news)) => news,
                Ok(None) => return Ok(()),
                // It closed its end; its pidfd tells the rest.
                Err(_) => {
                    let _ = epoll::delete(&self.epoll, &zygote.control);
                    return Ok(());
                }
            };
            match news {
                News::Booted => {
                    zygote.booted = true;
                    let name = zygote.plan.name.clone();
                    self.say(&Said::ZygoteReady { name })?;
                }
                News::Born(pidfd) => {
                    if let Some(birth) = zygote.births.pop_front() {
                        self.born(birth.ticket, birth.id, pidfd);
                    }
                }
                News::Refused(errno) => {
                    if let Some(birth) = zygote.births.pop_front() {
                        let error = io::Error::from_raw_os_error(errno);
                        self.stillborn(&birth, Refusal::system("clone the zygote")(error))?;
                    }
                }
            }
        }
    }

    fn stillborn(&mut self, birth: &Birth, refusal: Refusal) -> io::Result<()> {
        let destroyers = self.slot(birth.id).map(|slot| std::mem::take(&mut slot.destroyers)).unwrap_or_default();
        self.release(birth.id.slot);
        for ticket in destroyers {
            self.say(&Said::Reply { ticket, reply: Ok(Reply::Done) })?;
        }
        self.say(&Said::Reply { ticket: birth.ticket, reply: Err(refusal) })
    }

    /// A zygote that ended takes its unborn children with it. One that had booted is started again.
    fn zygote_ended(&mut self, index: usize) -> io::Result<()> {
        let Some(zygote) = self.zygotes[index].take() else {
            return Ok(());
        };
        let ended = launch::reap(&zygote.pidfd, false);
        eprintln!("updraft spawner: zygote {} ended: {ended:?}", zygote.plan.name);
        let _ = epoll::delete(&self.epoll, &zygote.control);
        for birth in &zygote.births {
            self.stillborn(birth, Refusal::NoZygote)?;
        }
        if let Some(group) = zygote.group {
            let _ = self.groups.give_back(group);
        }
        self.say(&Said::ZygoteEnded { name: zygote.plan.name.clone() })?;
        if zygote.booted
            && let Err(error) = self.start_zygote(zygote.plan)
        {
            eprintln!("updraft spawner: cannot start it again: {error}");
        }
        Ok(())
    }

    /// To a server that is gone nothing can be said; the socket's end is noticed at the next look.
    pub(super) fn say(&self, said: &Said) -> io::Result<()> {
        let bytes = protocol::encode(said)?;
        match protocol::send(&self.socket, &bytes, &[]) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET)) => Ok(()),
            sent => sent,
        }
    }

    /// The layers of isolation that cgroups and network give.
    pub(super) fn layers(&self) -> Vec<crate::posture::Layer> {
        self.groups.layers().iter().chain(self.networks.layers()).cloned().collect()
    }

    /// Ends every sandbox and zygote, removes every cgroup and the firewall table.
    fn shut_down(mut self) {
        let deadline = Instant::now() + SHUTDOWN_PATIENCE;
        for slot in self.slots.iter_mut().flatten() {
            slot.kill();
        }
        self.zygotes.iter().flatten().for_each(|zygote| launch::kill(&zygote.pidfd));
        self.companions
            .collect_all(|pidfd| slot::wait_readable(pidfd, deadline.saturating_duration_since(Instant::now())));
        let children = self.slots.iter().flatten().filter_map(|slot| slot.pidfd.as_ref());
        for pidfd in children.chain(self.zygotes.iter().flatten().map(|zygote| &zygote.pidfd)) {
            slot::wait_readable(pidfd, deadline.saturating_duration_since(Instant::now()));
            let _ = launch::reap(pidfd, false);
        }
        let groups: Vec<Group> = self.slots.drain(..).flatten().map(|slot| slot.group).collect();
        drop(groups);
        if let Err(error) = self.groups.shutdown() {
            eprintln!("updraft spawner: cannot remove all cgroups: {error}");
        }
        self.networks.shutdown();
    }
}

/// Nanoseconds since boot.
fn first_generation() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a struct timespec to be filled.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
