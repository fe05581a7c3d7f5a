//! Images of processes: a zygote's child writes its memory down, and another child of the same zygote becomes what it was.
//!
//! For SnapStart: a function initialises once, its image is restored as often as environments are wanted. Both sides are
//! ordinary sandboxes; nothing here needs a privilege. It works because children of one zygote have one layout: the same
//! code at the same addresses, the same thread area, the same first number. What differs is mapped from the image, privately,
//! so that all who are restored share the pages that none of them writes.
//!
//! What is not memory is not here: descriptors beyond the five of a sandbox, threads, children and shared mappings; whoever
//! has those is refused or must not ask (`updraft_runtime/snapshot.py`). `[stack]` is copied, not mapped, since it must grow.
//!
//! The server hands the image's descriptor over when it hears a `W` frame: of the socket on descriptor 3, one byte.

use core::arch::naked_asm;

use crate::child::sys::{self, call, number};

/// Scratch memory, and the stack of a restore, lie here: far from where Linux puts anything on x86-64.
const SCRATCH: usize = 0x1000_0000_0000;
const SCRATCH_BYTES: usize = 8 << 20;
/// Part of the scratch that holds the text of `/proc/self/maps` or `smaps`.
const TEXT_BYTES: usize = 4 << 20;
/// The header, its entries and paths take the beginning of an image; memory follows.
const HEAD_BYTES: usize = 1 << 20;
const ENTRIES_MAX: usize = 4096;
const PATHS_BYTES: usize = 512 << 10;
const PAGE: usize = 4096;
const MAGIC: u64 = 0x3147_4d49_5241_4455;
const SIGNALS: usize = 64;
const CHANNEL: usize = 3;

const E2BIG: i32 = 7;
const EINVAL: i32 = 22;
const ENOTSUP: i32 = 95;

const READ: u32 = 1;
const WRITE: u32 = 2;
const EXECUTE: u32 = 4;
const MAP_PRIVATE: usize = 2;
const MAP_FIXED: usize = 0x10;
const MAP_ANONYMOUS: usize = 0x20;
const MAP_NORESERVE: usize = 0x4000;
const MAP_FIXED_NOREPLACE: usize = 0x10_0000;
const AT_FDCWD: usize = -100isize as usize;

/// Where a mapping's bytes are.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Kind {
    /// In the image.
    Image = 0,
    /// In a file that every sandbox of the function sees.
    File,
    /// Nowhere: reserved addresses.
    Nothing,
    /// In the image, to be copied.
    Stack,
    /// It belongs to the kernel, and is left alone.
    Kernel,
}

/// One mapping.
#[repr(C)]
#[derive(Clone, Copy)]
struct Entry {
    start: usize,
    end: usize,
    file_offset: usize,
    image_offset: usize,
    path: usize,
    path_length: u32,
    protection: u32,
    kind: Kind,
    /// It is in place already.
    skip: u32,
}

/// What an image begins with.
#[repr(C)]
struct Head {
    magic: u64,
    birth: [u64; 2],
    stack_pointer: usize,
    program_break: usize,
    signal_mask: u64,
    signals: [[u64; 4]; SIGNALS],
    entries_length: usize,
    paths_length: usize,
    entries: [Entry; ENTRIES_MAX],
    paths: [u8; PATHS_BYTES],
}

const _: () = assert!(size_of::<Head>() <= HEAD_BYTES);

/// The scratch memory.
#[repr(C)]
struct Scratch {
    head: Head,
    text: [u8; TEXT_BYTES],
    own_length: usize,
    own: [Entry; ENTRIES_MAX],
    descriptor: usize,
}

const STACK_BYTES: usize = 256 << 10;
const _: () = assert!(size_of::<Scratch>() + STACK_BYTES < SCRATCH_BYTES);

/// Writes this process's memory down. 0: done; negative: it cannot be; 1: this is the process that was restored.
///
/// Keeps on the stack what a call must keep, so that the stack pointer is all there is to come back.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub extern "C" fn updraft_image_save() -> i32 {
    naked_asm!(
        "push rbp", "push rbx", "push r12", "push r13", "push r14", "push r15", "sub rsp, 8",
        "mov rdi, rsp",
        "call {save}",
        ".hidden updraft_image_back",
        ".globl updraft_image_back",
        "updraft_image_back:",
        "add rsp, 8", "pop r15", "pop r14", "pop r13", "pop r12", "pop rbx", "pop rbp",
        "ret",
        save = sym save,
    )
}

/// Comes back to a saved process: to its stack, without the scratch memory.
#[unsafe(naked)]
unsafe extern "C" fn resume(stack_pointer: usize) -> ! {
    naked_asm!(
        "mov rsp, rdi",
        "movabs rdi, {scratch}", "mov esi, {bytes}", "mov eax, {munmap}", "syscall",
        "mov eax, 1",
        "jmp updraft_image_back",
        scratch = const SCRATCH, bytes = const SCRATCH_BYTES, munmap = const number::MUNMAP,
    )
}

/// Goes on with [`finish`] on another stack.
#[unsafe(naked)]
unsafe extern "C" fn switch(stack: usize, scratch: *mut Scratch) -> ! {
    naked_asm!("mov rsp, rdi", "and rsp, -16", "xor ebp, ebp", "mov rdi, rsi", "call {finish}", "ud2", finish = sym finish)
}

extern "C" fn save(stack_pointer: usize) -> i32 {
    let done = want_descriptor().and_then(|descriptor| {
        let saved = with_scratch(|scratch| write_down(scratch, descriptor, stack_pointer));
        close(descriptor);
        saved
    });
    done.map_or_else(|errno| -errno, |()| 0)
}

/// Becomes the process that an image is of. Comes back only with a negative number: it cannot be, and nothing has changed.
#[unsafe(no_mangle)]
pub extern "C" fn updraft_image_load() -> i32 {
    let tried = want_descriptor().and_then(|descriptor| {
        let loaded = with_scratch(|scratch| {
            prepare(scratch, descriptor)?;
            let stack = SCRATCH + SCRATCH_BYTES;
            // SAFETY: the upper end of the scratch memory, which nothing else uses.
            unsafe { switch(stack, scratch) }
        });
        close(descriptor);
        loaded
    });
    tried.map_or_else(|errno: i32| -errno, |()| 0)
}

fn with_scratch(work: impl FnOnce(&mut Scratch) -> Result<(), i32>) -> Result<(), i32> {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    let protection = (READ | WRITE) as usize;
    // SAFETY: new memory at an address where there is none.
    let place = unsafe { call(number::MMAP, [SCRATCH, SCRATCH_BYTES, protection, flags, usize::MAX, 0]) }?;
    if place != SCRATCH {
        return Err(EINVAL);
    }
    // SAFETY: zeroed memory of at least this size, which is a valid value of it.
    let done = work(unsafe { &mut *(place as *mut Scratch) });
    // SAFETY: what was just mapped.
    let _ = unsafe { call(number::MUNMAP, [SCRATCH, SCRATCH_BYTES, 0, 0, 0, 0]) };
    done
}

// ---- saving

fn write_down(scratch: &mut Scratch, descriptor: usize, stack_pointer: usize) -> Result<(), i32> {
    let Scratch { head, text, .. } = scratch;
    let length = read_file(c"/proc/self/smaps", text)?;
    head.entries_length = parse(&text[..length], &mut head.entries, &mut head.paths, &mut head.paths_length)?;
    head.magic = MAGIC;
    head.birth = crate::birth();
    head.stack_pointer = stack_pointer;
    // SAFETY: numbers, and room for a mask and for actions of the kernel's size.
    unsafe {
        head.program_break = call(number::BRK, [0; 6])?;
        call(number::RT_SIGPROCMASK, [0, 0, &raw mut head.signal_mask as usize, 8, 0, 0])?;
        for (signal, action) in head.signals.iter_mut().enumerate() {
            let _ = call(number::RT_SIGACTION, [signal + 1, 0, action.as_mut_ptr() as usize, 8, 0, 0]);
        }
    }
    let mut at = HEAD_BYTES;
    for entry in &mut head.entries[..head.entries_length] {
        if entry.kind == Kind::Stack {
            entry.start = stack_pointer & !(PAGE - 1);
        }
        if matches!(entry.kind, Kind::Image | Kind::Stack) {
            entry.image_offset = at;
            write_pages(descriptor, entry)?;
            at += entry.end - entry.start;
        }
    }
    write_all(descriptor, &raw const *head as usize, size_of::<Head>(), 0)
}

/// Anonymous memory is looked at page by page, so that what was never touched takes no room.
fn write_pages(descriptor: usize, entry: &Entry) -> Result<(), i32> {
    if entry.path_length > 0 {
        return write_all(descriptor, entry.start, entry.end - entry.start, entry.image_offset);
    }
    let (mut from, mut page) = (entry.start, entry.start);
    while page < entry.end {
        // SAFETY: a readable page of this process.
        let words = unsafe { core::slice::from_raw_parts(page as *const u64, PAGE / 8) };
        if words.iter().all(|word| *word == 0) {
            write_all(descriptor, from, page - from, entry.image_offset + (from - entry.start))?;
            from = page + PAGE;
        }
        page += PAGE;
    }
    write_all(descriptor, from, entry.end - from, entry.image_offset + (from - entry.start))
}

fn write_all(descriptor: usize, mut from: usize, mut length: usize, mut at: usize) -> Result<(), i32> {
    while length > 0 {
        // SAFETY: the kernel looks whether the memory is there.
        let written = unsafe { call(number::PWRITE64, [descriptor, from, length.min(16 << 20), at, 0, 0]) }?;
        (from, length, at) = (from + written, length - written, at + written);
    }
    Ok(())
}

// ---- loading

/// Everything that can fail without harm: reads the head, and compares the mappings with those there are.
fn prepare(scratch: &mut Scratch, descriptor: usize) -> Result<(), i32> {
    let Scratch { head, text, own, own_length, descriptor: kept } = scratch;
    read_at(descriptor, &raw mut *head as usize, size_of::<Head>(), 0)?;
    if head.magic != MAGIC || head.birth != crate::birth() || head.entries_length > ENTRIES_MAX {
        return Err(ENOTSUP);
    }
    let length = read_file(c"/proc/self/maps", text)?;
    // Own paths are only compared; they stay in the text.
    let mut paths_length = head.paths_length;
    *own_length = parse(&text[..length], own, &mut head.paths, &mut paths_length)?;
    let (entries, paths) = (&mut head.entries[..head.entries_length], &head.paths);
    let path = |entry: &Entry| paths.get(entry.path..entry.path + entry.path_length as usize);
    let mut at = 0;
    for mine in &mut own[..*own_length] {
        while at < entries.len() && entries[at].start < mine.start {
            at += 1;
        }
        let Some(entry) = entries.get_mut(at).filter(|entry| entry.start == mine.start) else { continue };
        let is_same = entry.end == mine.end
            && entry.protection == mine.protection
            && entry.protection & WRITE == 0
            && entry.file_offset == mine.file_offset
            && entry.path_length > 0
            && path(entry) == path(mine);
        if is_same {
            (entry.skip, mine.skip) = (1, 1);
        }
    }
    *kept = descriptor;
    Ok(())
}

/// From here on there is no way back: a failure ends the process. Runs on the scratch memory's stack.
extern "C" fn finish(scratch: *mut Scratch) -> ! {
    // SAFETY: `updraft_image_load` passes its scratch memory, which nothing below unmaps.
    let scratch = unsafe { &mut *scratch };
    if become_it(scratch).is_err() {
        sys::exit(70);
    }
    // SAFETY: memory is as it was in the process that was saved, its stack included.
    unsafe { resume(scratch.head.stack_pointer) }
}

fn become_it(scratch: &mut Scratch) -> Result<(), i32> {
    let Scratch { head, own, own_length, descriptor, .. } = scratch;
    let entries = &head.entries[..head.entries_length];
    // SAFETY: numbers.
    if unsafe { call(number::BRK, [head.program_break, 0, 0, 0, 0, 0]) }? != head.program_break {
        return Err(E2BIG);
    }
    // First over what is there, each at one stroke: the kernel may write into the thread's area at any moment.
    for entry in entries.iter().filter(|entry| entry.skip == 0) {
        map(entry, &head.paths, *descriptor)?;
    }
    for mine in own[..*own_length].iter().filter(|mine| mine.skip == 0) {
        if !matches!(mine.kind, Kind::Kernel | Kind::Stack) {
            unmap_rest(mine, entries)?;
        }
    }
    // SAFETY: numbers, and actions and a mask as the kernel gave them.
    unsafe {
        for (signal, action) in head.signals.iter().enumerate() {
            let _ = call(number::RT_SIGACTION, [signal + 1, action.as_ptr() as usize, 0, 8, 0, 0]);
        }
        const SIG_SETMASK: usize = 2;
        call(number::RT_SIGPROCMASK, [SIG_SETMASK, &raw const head.signal_mask as usize, 0, 8, 0, 0])?;
    }
    close(*descriptor);
    Ok(())
}

fn map(entry: &Entry, paths: &[u8; PATHS_BYTES], image: usize) -> Result<(), i32> {
    let (start, length, protection) = (entry.start, entry.end - entry.start, entry.protection as usize);
    let mapped = |descriptor: usize, offset: usize, flags: usize| {
        // SAFETY: addresses that are to become what they were in the saved process; nothing in use lies there but what is
        // replaced by its equal.
        unsafe { call(number::MMAP, [start, length, protection, MAP_PRIVATE | MAP_FIXED | flags, descriptor, offset]) }
            .map(|_| ())
    };
    match entry.kind {
        Kind::Kernel => Ok(()),
        Kind::Image => mapped(image, entry.image_offset, 0),
        Kind::Nothing => mapped(usize::MAX, 0, MAP_ANONYMOUS | MAP_NORESERVE),
        Kind::Stack => read_at(image, start, length, entry.image_offset),
        Kind::File => {
            let path = paths.as_ptr() as usize + entry.path;
            // SAFETY: a path with its NUL, put there by `parse`.
            let file = unsafe { call(number::OPENAT, [AT_FDCWD, path, 0o2000000, 0, 0, 0]) }?;
            let done = mapped(file, entry.file_offset, 0);
            close(file);
            done
        }
    }
}

/// Unmaps what is left of a mapping that the saved process did not have.
fn unmap_rest(mine: &Entry, entries: &[Entry]) -> Result<(), i32> {
    let mut from = mine.start;
    for entry in entries.iter().filter(|entry| entry.end > mine.start && entry.start < mine.end) {
        unmap(from, entry.start)?;
        from = from.max(entry.end);
    }
    unmap(from, mine.end)
}

fn unmap(from: usize, to: usize) -> Result<(), i32> {
    if from >= to || from >= SCRATCH && from < SCRATCH + SCRATCH_BYTES {
        return Ok(());
    }
    // SAFETY: memory that nothing of the saved process knows of.
    unsafe { call(number::MUNMAP, [from, to - from, 0, 0, 0, 0]) }.map(|_| ())
}

// ---- /proc/self/maps

/// Reads the lines of `maps` or `smaps`; shared memory is refused.
fn parse(
    text: &[u8],
    entries: &mut [Entry; ENTRIES_MAX],
    paths: &mut [u8; PATHS_BYTES],
    paths_length: &mut usize,
) -> Result<usize, i32> {
    let mut length = 0usize;
    for line in text.split(|byte| *byte == b'\n') {
        if let Some(anonymous) = line.strip_prefix(b"Anonymous:") {
            // Of a file, and changed: relocated, for example. Its bytes are its own.
            let is_changed = anonymous.iter().any(|byte| (b'1'..=b'9').contains(byte));
            if let (true, Some(last)) = (is_changed, length.checked_sub(1))
                && entries[last].kind == Kind::File
            {
                entries[last].kind = Kind::Image;
            }
        }
        if !line.first().is_some_and(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte)) {
            continue;
        }
        let entry = entries.get_mut(length).ok_or(E2BIG)?;
        *entry = read_line(line, paths, paths_length)?;
        if entry.start != SCRATCH {
            length += 1;
        }
    }
    Ok(length)
}

/// `start-end rwxp offset device inode   path`
fn read_line(line: &[u8], paths: &mut [u8; PATHS_BYTES], paths_length: &mut usize) -> Result<Entry, i32> {
    let (start, rest) = hexadecimal(line)?;
    let (end, rest) = hexadecimal(rest)?;
    let (flags, rest) = (rest.get(..4).ok_or(EINVAL)?, rest.get(5..).ok_or(EINVAL)?);
    let (file_offset, rest) = hexadecimal(rest)?;
    let path_at = rest.iter().position(|byte| matches!(byte, b'/' | b'['));
    let path = path_at.map_or(&b""[..], |at| &rest[at..]);
    let bit = |at: usize, letter: u8, bit: u32| if flags[at] == letter { bit } else { 0 };
    let protection = bit(0, b'r', READ) | bit(1, b'w', WRITE) | bit(2, b'x', EXECUTE);
    let is_kernels = [&b"[v"[..], b"[u"].iter().any(|prefix| path.starts_with(prefix));
    let is_file = path.starts_with(b"/") && !path.ends_with(b"(deleted)") && !path.starts_with(b"/tmp");
    // A file that is only read is as good as private: the C library has its conversion tables so.
    if flags[3] != b'p' && !is_kernels && !(is_file && protection & WRITE == 0) {
        return Err(ENOTSUP);
    }
    let kind = match path {
        _ if is_kernels => Kind::Kernel,
        b"[stack]" => Kind::Stack,
        _ if protection & READ == 0 => Kind::Nothing,
        _ if is_file && protection & WRITE == 0 => Kind::File,
        _ => Kind::Image,
    };
    // Only files have names that matter; the heap and the like are memory.
    let name = if path.starts_with(b"/") { path } else { b"" };
    let at = *paths_length;
    let room = paths.get_mut(at..at + name.len() + 1).ok_or(E2BIG)?;
    room[..name.len()].copy_from_slice(name);
    room[name.len()] = 0;
    *paths_length += name.len() + 1;
    Ok(Entry {
        start,
        end,
        file_offset,
        image_offset: 0,
        path: at,
        path_length: name.len() as u32,
        protection,
        kind,
        skip: 0,
    })
}

/// A number, and what follows the one byte after it.
fn hexadecimal(text: &[u8]) -> Result<(usize, &[u8]), i32> {
    let mut number = 0;
    for (at, byte) in text.iter().enumerate() {
        match (*byte as char).to_digit(16) {
            Some(digit) => number = number << 4 | digit as usize,
            None => return Ok((number, &text[at + 1..])),
        }
    }
    Err(EINVAL)
}

// ---- system calls

fn read_file(path: &core::ffi::CStr, buffer: &mut [u8]) -> Result<usize, i32> {
    // SAFETY: a path with its NUL.
    let file = unsafe { call(number::OPENAT, [AT_FDCWD, path.as_ptr() as usize, 0o2000000, 0, 0, 0]) }?;
    let mut length = 0;
    let done = loop {
        let room = buffer.len() - length;
        // SAFETY: `room` bytes of the buffer.
        match unsafe { call(number::READ, [file, buffer.as_mut_ptr() as usize + length, room, 0, 0, 0]) } {
            Ok(0) if room > 0 => break Ok(length),
            Ok(0) => break Err(E2BIG),
            Ok(read) => length += read,
            Err(errno) => break Err(errno),
        }
    };
    close(file);
    done
}

/// Reads exactly so much, or fails.
fn read_at(descriptor: usize, mut to: usize, mut length: usize, mut at: usize) -> Result<(), i32> {
    while length > 0 {
        // SAFETY: the callers' own memory: the scratch, or the stack that is being made.
        let read = unsafe { call(number::PREAD64, [descriptor, to, length, at, 0, 0]) }?;
        if read == 0 {
            return Err(EINVAL);
        }
        (to, length, at) = (to + read, length - read, at + read);
    }
    Ok(())
}

/// Says `W`, and takes the descriptor that comes with one byte.
fn want_descriptor() -> Result<usize, i32> {
    let want = *b"\x01\0\0\0W";
    // SAFETY: five bytes.
    let written = unsafe { call(number::WRITE, [CHANNEL, want.as_ptr() as usize, want.len(), 0, 0, 0]) }?;
    if written != want.len() {
        return Err(EINVAL);
    }
    crate::receive_one_descriptor().map(|descriptor| descriptor as usize)
}

fn close(descriptor: usize) {
    // SAFETY: a number.
    let _ = unsafe { call(number::CLOSE, [descriptor, 0, 0, 0, 0, 0]) };
}
