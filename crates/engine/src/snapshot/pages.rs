use std::fmt;
use std::io::Read as _;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::Digest;
use crate::error::Error;

/// Largest page in bytes. As the value of a Secret it is written in base64, four bytes for three; with 16 KiB for
/// everything else in the Secret that stays below the 512 KiB that no object of ours exceeds.
pub const PAGE_BYTES: usize = (512 - 16) * 1024 / 4 * 3;

/// The largest JSON that is read back, in bytes. What renders to more could not have been applied.
const LARGEST: u64 = 256 << 20;
/// Levels above this cost much and gain little on manifests.
const LEVEL: i32 = 6;

const MAGIC: &[u8; 6] = b"TIPHYS";
const VERSION: u8 = 1;
/// Magic, content, version, number and count of the page, length and digest of the whole.
const HEADER: usize = 6 + 1 + 1 + 2 + 2 + 4 + 16;

/// One page, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Page(pub Vec<u8>);

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({} bytes)", self.0.len())
    }
}

/// What is packed into pages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Snapshot,
    Plan,
}

impl Content {
    const fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Plan => "plan",
        }
    }

    const fn tag(self) -> u8 {
        match self {
            Self::Snapshot => b'S',
            Self::Plan => b'P',
        }
    }

    pub(super) fn unreadable(self, problem: PageProblem) -> Error {
        Error::Unpack { what: self.name(), source: problem }
    }

    fn unwritable(self, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Pack { what: self.name(), source: Box::new(error) }
    }
}

/// What is wrong with stored pages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageProblem {
    /// There are no pages at all.
    #[error("there are no pages: were they deleted?")]
    None,
    /// A page was not written by us, or is cut off.
    #[error("a page does not begin as the pages of Tiphys do")]
    Foreign,
    /// A page holds something else.
    #[error("the pages hold something else")]
    OtherContent,
    /// A page was written by a newer Tiphys.
    #[error(
        "it was written in format {version} by a newer version of Tiphys: this one reads format {VERSION}"
    )]
    Newer {
        /// The format.
        version: u8,
    },
    /// Pages are missing.
    #[error("there are {found} of {count} pages")]
    Missing {
        /// How many there are.
        found: usize,
        /// How many there should be.
        count: usize,
    },
    /// Pages do not belong together.
    #[error("the pages belong to different ones")]
    Mixed,
    /// The content is not what was written.
    #[error("the content is not what was written: it was changed or cut off")]
    Changed,
    /// The content is larger than anything that we write.
    #[error("the content is larger than {LARGEST} bytes")]
    TooLarge,
    /// The content is whole but does not mean anything to us.
    #[error("the content cannot be understood: {problem}")]
    Unreadable {
        /// What is wrong.
        problem: String,
    },
}

/// A value too large for as many pages as can be counted.
#[derive(Debug, thiserror::Error)]
#[error("it is too large: {0} bytes after compression")]
struct TooManyBytes(usize);

pub(super) fn write(content: Content, value: &impl Serialize) -> Result<Vec<Page>, Error> {
    let json = serde_json::to_vec(value).map_err(|error| content.unwritable(error))?;
    let packed = zstd::bulk::compress(&json, LEVEL).map_err(|error| content.unwritable(error))?;
    let digest = Digest::of(&[&packed]);
    let chunks: Vec<_> = packed.chunks(PAGE_BYTES - HEADER).collect();
    let too_large = |_| content.unwritable(TooManyBytes(packed.len()));
    let count = u16::try_from(chunks.len()).map_err(too_large)?;
    let length = u32::try_from(packed.len()).map_err(too_large)?;
    let pages = (0..count).zip(&chunks).map(|(number, chunk)| {
        let mut page = Vec::with_capacity(HEADER + chunk.len());
        page.extend_from_slice(MAGIC);
        page.extend_from_slice(&[content.tag(), VERSION]);
        page.extend_from_slice(&number.to_be_bytes());
        page.extend_from_slice(&count.to_be_bytes());
        page.extend_from_slice(&length.to_be_bytes());
        page.extend_from_slice(digest.as_bytes());
        page.extend_from_slice(chunk);
        Page(page)
    });
    Ok(pages.collect())
}

pub(super) fn read<T: DeserializeOwned>(content: Content, pages: &[Page]) -> Result<T, Error> {
    let json = unpack(content, pages).map_err(|problem| content.unreadable(problem))?;
    serde_json::from_slice(&json)
        .map_err(|error| content.unreadable(PageProblem::Unreadable { problem: error.to_string() }))
}

/// A page, read.
struct Read<'a> {
    number: u16,
    /// What all pages of one whole share.
    whole: Whole,
    chunk: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Whole {
    count: u16,
    length: u32,
    digest: [u8; 16],
}

fn unpack(content: Content, pages: &[Page]) -> Result<Vec<u8>, PageProblem> {
    let mut read: Vec<_> = pages.iter().map(|page| read_page(content, &page.0)).collect::<Result<_, _>>()?;
    read.sort_by_key(|page| page.number);
    let whole = read.first().ok_or(PageProblem::None)?.whole;
    if read.iter().any(|page| page.whole != whole) {
        return Err(PageProblem::Mixed);
    }
    let count = usize::from(whole.count);
    if !(0..whole.count).eq(read.iter().map(|page| page.number)) {
        return Err(PageProblem::Missing { found: read.len(), count });
    }
    let packed: Vec<u8> = read.iter().flat_map(|page| page.chunk).copied().collect();
    let intact = usize::try_from(whole.length) == Ok(packed.len())
        && Digest::of(&[&packed]).as_bytes() == &whole.digest;
    if !intact {
        return Err(PageProblem::Changed);
    }
    decompress(&packed)
}

fn read_page(content: Content, page: &[u8]) -> Result<Read<'_>, PageProblem> {
    let rest = page.strip_prefix(MAGIC.as_slice()).ok_or(PageProblem::Foreign)?;
    let ([tag, version], rest) = split(rest)?;
    if version > VERSION {
        return Err(PageProblem::Newer { version });
    }
    if tag != content.tag() {
        return Err(PageProblem::OtherContent);
    }
    let (number, rest) = split(rest)?;
    let (count, rest) = split(rest)?;
    let (length, rest) = split(rest)?;
    let (digest, chunk) = split(rest)?;
    Ok(Read {
        number: u16::from_be_bytes(number),
        whole: Whole { count: u16::from_be_bytes(count), length: u32::from_be_bytes(length), digest },
        chunk,
    })
}

fn split<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), PageProblem> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or(PageProblem::Foreign)?;
    Ok((*head, rest))
}

fn decompress(packed: &[u8]) -> Result<Vec<u8>, PageProblem> {
    let unreadable = |error: std::io::Error| PageProblem::Unreadable { problem: error.to_string() };
    let decoder = zstd::stream::read::Decoder::new(packed).map_err(unreadable)?;
    let mut json = Vec::new();
    decoder.take(LARGEST + 1).read_to_end(&mut json).map_err(unreadable)?;
    if json.len() as u64 > LARGEST {
        return Err(PageProblem::TooLarge);
    }
    Ok(json)
}
