//! Exit codes, the same for every command unless its help says otherwise.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for was done.
    Done,
    /// `diff` found differences.
    Differences,
    /// It could not be done, or `check` found something wrong.
    Failed,
    /// The command line cannot be understood; of `diff`: any error.
    Usage,
    /// The Sync ended without success, or an Application cannot get ready by itself.
    Unsuccessful,
    /// The time given for waiting is over.
    TimedOut,
    /// Ctrl-C.
    Interrupted,
}

/// What `--help` says about them.
pub const HELP: &str = "\
Exit codes:
  0    done
  1    it could not be done; `diff`: there are differences; `check`: something is wrong
  2    the command line cannot be understood; `diff`: any error
  3    the Sync ended without success, or an Application cannot get ready by itself
  4    the time given for waiting is over
  130  interrupted with Ctrl-C";

impl Exit {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Differences | Self::Failed => 1,
            Self::Usage => 2,
            Self::Unsuccessful => 3,
            Self::TimedOut => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
