use std::fmt;

/// Largest page in bytes. As the value of a Secret it is written in base64, four bytes for three; with 16 KiB for
/// everything else in the Secret that stays below the 512 KiB that no object of ours exceeds.
pub const PAGE_BYTES: usize = (512 - 16) * 1024 / 4 * 3;

/// One page, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Page(pub Vec<u8>);

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({} bytes)", self.0.len())
    }
}

/// What is wrong with stored pages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageProblem {
    /// A page was not written by us.
    #[error("a page does not begin as the pages of Tiphys do")]
    Foreign,
}
