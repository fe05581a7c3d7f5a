//! What a new child is told: plain memory, prepared by the spawner, so that the child only makes system calls. The same
//! bytes cross the socket to a zygote; both sides come from one build. No structure here has padding.

/// Most instructions of the seccomp filter.
pub const FILTER_MAX: usize = 384;
/// Most paths of `/proc` that are hidden.
pub const MASKS_MAX: usize = 24;
/// Most cgroup files a child writes itself into (version 1 has one for each controller).
pub const GROUPS_MAX: usize = 8;
/// Most descriptors that an order brings along.
pub const DESCRIPTORS_MAX: usize = 12 + GROUPS_MAX;
/// First byte of a message to a zygote that carries [`Fixed`].
pub const MESSAGE_FIXED: u64 = 1;
/// First byte of a message to a zygote that carries [`Orders`].
pub const MESSAGE_ORDERS: u64 = 2;

/// One instruction of the filter, as the kernel lays it out.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if true.
    pub jump_true: u8,
    /// Instructions to skip if false.
    pub jump_false: u8,
    /// Operand.
    pub operand: u32,
}

/// A path of `/proc` that is covered: a file by `/dev/null`, a directory by an empty one.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Mask {
    /// NUL-terminated.
    pub path: [u8; 31],
    /// Whether it is a directory.
    pub directory: bool,
}

/// What is the same for every sandbox of a spawner.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Fixed {
    /// [`MESSAGE_FIXED`].
    pub message: u64,
    /// Version of Landlock's interface; 0 where the kernel has none.
    pub landlock_version: u32,
    /// 1: each sandbox has a user id of its own (0: there is just one, in a user namespace).
    pub switches_user: u32,
    /// Instructions in use.
    pub filter_length: u32,
    /// Masks in use.
    pub masks_length: u32,
    /// What is covered.
    pub masks: [Mask; MASKS_MAX],
    /// The seccomp filter.
    pub filter: [Instruction; FILTER_MAX],
}

/// What one sandbox is told. Descriptors are numbers in the process that clones (−1: none); on the way to a zygote they
/// are indices into the message's descriptors.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Orders {
    /// [`MESSAGE_ORDERS`].
    pub message: u64,
    /// User and group id.
    pub user: u64,
    /// Most open files of a process.
    pub open_files: u64,
    /// Most processes of its user; 0 leaves the limit alone.
    pub processes: u64,
    /// Options of the tmpfs on `/tmp`, NUL-terminated.
    pub tmp_options: [u8; 128],
    /// Host name, NUL-terminated.
    pub hostname: [u8; 64],
    /// Where the runtime starts, NUL-terminated; empty: where it is.
    pub directory: [u8; 1024],
    /// The descriptors.
    pub descriptors: Descriptors,
}

/// The descriptors that a child needs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Descriptors {
    /// The template's mount namespace; none in a zygote, which lives in it.
    pub template: i32,
    /// Its network namespace.
    pub network: i32,
    /// `/dev/null`.
    pub null: i32,
    /// Becomes descriptors 1 and 2.
    pub output: i32,
    /// Becomes descriptor 3.
    pub channel: i32,
    /// Becomes descriptor 4.
    pub telemetry: i32,
    /// Detached mount for `/var/task`.
    pub task: i32,
    /// Detached mount for `/opt`.
    pub opt: i32,
    /// Detached mount of a container image, to be the root.
    pub root: i32,
    /// Where the first process writes what failed, and how the runtime ended.
    pub report: i32,
    /// The first process of a running sandbox that is to be joined.
    pub sandbox: i32,
    /// The cgroup directory to be cloned into (version 2).
    pub cgroup: i32,
    /// `tasks` files of cgroups to write itself into (version 1).
    pub groups: [i32; GROUPS_MAX],
}

impl Descriptors {
    /// No descriptors.
    pub const NONE: Descriptors = Descriptors {
        template: -1,
        network: -1,
        null: -1,
        output: -1,
        channel: -1,
        telemetry: -1,
        task: -1,
        opt: -1,
        root: -1,
        report: -1,
        sandbox: -1,
        cgroup: -1,
        groups: [-1; GROUPS_MAX],
    };

    /// Every field, in a fixed order.
    pub fn each(&mut self) -> impl Iterator<Item = &mut i32> {
        [
            &mut self.template,
            &mut self.network,
            &mut self.null,
            &mut self.output,
            &mut self.channel,
            &mut self.telemetry,
            &mut self.task,
            &mut self.opt,
            &mut self.root,
            &mut self.report,
            &mut self.sandbox,
            &mut self.cgroup,
        ]
        .into_iter()
        .chain(self.groups.iter_mut())
    }
}

/// What a zygote says: a header, then possibly a pidfd.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ZygoteSays {
    /// 0: booted. Else the pid of the child (its pidfd comes along), or the negated error number of the clone.
    pub pid: i64,
}

/// Stands in the place of a step when the report is that the sandbox is confined: its namespaces can be joined.
pub const REPORT_CONFINED: u32 = u32::MAX - 1;

/// Stands in the place of a step when the report is of the runtime's end: the number is then its wait status.
pub const REPORT_ENDED: u32 = u32::MAX;

/// A step that failed in a child.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which one: a [`Step`]. 0: none.
    pub step: u32,
    /// The system's error number.
    pub errno: i32,
}

impl Failure {
    /// Nothing failed.
    pub const NONE: Failure = Failure { step: 0, errno: 0 };

    /// What was being done.
    pub fn words(&self) -> &'static str {
        Step::words(self.step)
    }
}

/// The steps of a child.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Step {
    Clone = 1,
    Cgroup,
    EnterTemplate,
    UnshareMounts,
    MountProc,
    MaskProc,
    MountTmp,
    MountTask,
    MountOpt,
    EnterImage,
    EnterNetwork,
    SetHostname,
    Descriptors,
    ResourceLimits,
    SwitchUser,
    DropCapabilities,
    DeathSignal,
    NoNewPrivileges,
    Landlock,
    Seccomp,
    EnterTask,
    Execute,
    LeaveInit,
    EnterSandbox,
}

impl Step {
    /// All, by number.
    pub const ALL: [Step; 24] = [
        Step::Clone,
        Step::Cgroup,
        Step::EnterTemplate,
        Step::UnshareMounts,
        Step::MountProc,
        Step::MaskProc,
        Step::MountTmp,
        Step::MountTask,
        Step::MountOpt,
        Step::EnterImage,
        Step::EnterNetwork,
        Step::SetHostname,
        Step::Descriptors,
        Step::ResourceLimits,
        Step::SwitchUser,
        Step::DropCapabilities,
        Step::DeathSignal,
        Step::NoNewPrivileges,
        Step::Landlock,
        Step::Seccomp,
        Step::EnterTask,
        Step::Execute,
        Step::LeaveInit,
        Step::EnterSandbox,
    ];

    /// What was being done, in words.
    pub fn words(number: u32) -> &'static str {
        match Step::ALL.into_iter().find(|step| *step as u32 == number) {
            Some(Step::Clone) => "clone a process into new namespaces",
            Some(Step::Cgroup) => "join the cgroup",
            Some(Step::EnterTemplate) => "enter the mount template",
            Some(Step::UnshareMounts) => "copy the mount template",
            Some(Step::MountProc) => "mount /proc",
            Some(Step::MaskProc) => "hide parts of /proc",
            Some(Step::MountTmp) => "mount /tmp",
            Some(Step::MountTask) => "mount the code on /var/task",
            Some(Step::EnterImage) => "make the image the root",
            Some(Step::MountOpt) => "mount the layers on /opt",
            Some(Step::EnterNetwork) => "enter the network namespace",
            Some(Step::SetHostname) => "set the host name",
            Some(Step::Descriptors) => "place the descriptors",
            Some(Step::ResourceLimits) => "set resource limits",
            Some(Step::SwitchUser) => "switch to the sandbox's user",
            Some(Step::DropCapabilities) => "drop capabilities",
            Some(Step::DeathSignal) => "set the death signal",
            Some(Step::NoNewPrivileges) => "set no_new_privs",
            Some(Step::Landlock) => "restrict the file system by landlock",
            Some(Step::Seccomp) => "install the seccomp filter",
            Some(Step::EnterTask) => "go to the working directory",
            Some(Step::Execute) => "execute the program",
            Some(Step::LeaveInit) => "leave an init behind",
            Some(Step::EnterSandbox) => "enter the sandbox",
            None => "an unknown step",
        }
    }
}
