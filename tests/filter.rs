//! A filter of system calls, as the kernel wants it: what a hardened unit of systemd leaves.

/// The families of addresses that a service may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Families {
    /// IPv4 and IPv6.
    Internet,
    /// Those, and sockets of the machine.
    InternetAndUnix,
}

impl Families {
    const fn numbers(self) -> &'static [u32] {
        match self {
            Self::Internet => &[2, 10],
            Self::InternetAndUnix => &[1, 2, 10],
        }
    }
}

/// Returns whether the numbers below are those of this machine, and says so if not.
pub(crate) fn is_possible() -> bool {
    let possible = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    if !possible {
        println!("confinement: skipped, the filter of system calls is one for x86-64");
    }
    possible
}

/// The architecture, as the kernel tells it to filters.
const X86_64: u32 = 0xc000_003e;

/// Ends the process.
const KILL: u32 = 0x8000_0000;
/// Lets the call pass.
const PASS: u32 = 0x7fff_0000;
/// Refuses a family of addresses, as systemd does: `EAFNOSUPPORT`.
const NO_FAMILY: u32 = 0x0005_0000 | 97;

const SOCKET: u32 = 41;
const MMAP: u32 = 9;
const MPROTECT: u32 = 10;
const WRITE: u32 = 2;
const EXECUTE: u32 = 4;

/// The calls that a connector may make. Each is in systemd's `@system-service` and neither in
/// `@privileged` nor in `@resources`; what is not needed is left out, so that this filter is stricter
/// than that of any unit.
const CALLS: &[u32] = &[
    // Files: read, write, open, close, stat and kin, lseek, pread64, pwrite64, readv, writev, access.
    0, 1, 2, 3, 4, 5, 6, 8, 17, 18, 19, 20, 21, 257, 262, 269, 332, 437, 439,
    // Directories and names: getdents, getcwd, rename, mkdir, unlink, readlink, umask, statfs.
    78, 79, 82, 83, 87, 89, 95, 137, 138, 217, 258, 263, 264, 267, 316,
    // What a log file needs: fcntl, flock, fsync, fdatasync, ftruncate, fallocate.
    72, 73, 74, 75, 77, 285, // Memory: munmap, brk, mremap, madvise.
    11, 12, 25, 28, // Waiting: poll, select, epoll, eventfd, inotify, ppoll.
    7, 23, 232, 233, 271, 281, 284, 290, 291, 294, 254, 255, 441, // Pipes: pipe, dup, ioctl, splice.
    16, 22, 32, 33, 275, 292, 293,
    // Sockets, but for their making: connect to getsockopt, accept4, recvmmsg, sendmmsg.
    40, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 288, 299, 307,
    // Signals: rt_sigaction, rt_sigprocmask, rt_sigreturn, kill, sigaltstack, tgkill.
    13, 14, 15, 62, 131, 219, 234,
    // Threads: sched_yield, clone, exit, futex, sched_getaffinity, robust lists, rseq, getcpu.
    24, 56, 60, 186, 202, 204, 218, 231, 273, 274, 309, 324, 334, 435,
    // The process: getpid, execve, wait4, uname, getrlimit, getrusage, sysinfo, ids, prctl, prlimit64.
    39, 59, 61, 63, 97, 98, 99, 102, 104, 107, 108, 110, 157, 158, 302,
    // Time and chance: nanosleep, gettimeofday, clock_gettime, clock_getres, clock_nanosleep, getrandom.
    35, 96, 228, 229, 230, 318,
];

/// Returns the rules of the filter.
pub(crate) fn rules(families: Families) -> Vec<u8> {
    let mut program = Program(Vec::new());
    program.load(4);
    program.unless_equal(X86_64, KILL);
    program.load(0);
    program.on(SOCKET, |program| {
        program.load(16);
        for family in families.numbers() {
            program.if_equal(*family, PASS);
        }
        program.end(NO_FAMILY);
    });
    // Memory that is both written and run is what MemoryDenyWriteExecute is about.
    program.on(MMAP, |program| {
        program.load(32);
        program.mask(WRITE | EXECUTE);
        program.if_equal(WRITE | EXECUTE, KILL);
        program.end(PASS);
    });
    program.on(MPROTECT, |program| {
        program.load(32);
        program.mask(EXECUTE);
        program.if_equal(EXECUTE, KILL);
        program.end(PASS);
    });
    for call in CALLS {
        program.if_equal(*call, PASS);
    }
    program.end(KILL);
    program.0
}

/// Instructions of the kernel's packet filter, eight bytes each.
struct Program(Vec<u8>);

impl Program {
    fn instruction(&mut self, code: u16, on_true: u8, on_false: u8, operand: u32) {
        self.0.extend(code.to_ne_bytes());
        self.0.extend([on_true, on_false]);
        self.0.extend(operand.to_ne_bytes());
    }

    /// Loads a word of what the kernel says of the call.
    fn load(&mut self, offset: u32) {
        self.instruction(0x20, 0, 0, offset);
    }

    fn mask(&mut self, bits: u32) {
        self.instruction(0x54, 0, 0, bits);
    }

    fn end(&mut self, verdict: u32) {
        self.instruction(0x06, 0, 0, verdict);
    }

    fn if_equal(&mut self, value: u32, verdict: u32) {
        self.instruction(0x15, 0, 1, value);
        self.end(verdict);
    }

    fn unless_equal(&mut self, value: u32, verdict: u32) {
        self.instruction(0x15, 1, 0, value);
        self.end(verdict);
    }

    /// Judges one call by rules of its own, which end in a verdict.
    fn on(&mut self, call: u32, rules: impl FnOnce(&mut Self)) {
        let mut own = Self(Vec::new());
        rules(&mut own);
        let length = u8::try_from(own.0.len() / 8).expect("rules for one call are few");
        self.instruction(0x15, 0, length, call);
        self.0.extend(own.0);
    }
}
