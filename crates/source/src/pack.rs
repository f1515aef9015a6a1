//! Reading objects from the packs of a mirror, in memory that is bounded whatever the packs contain.
//!
//! libgit2 receives and indexes packs, in a worker. They are read here, without it, because this is done in the process
//! of the controller: a C library has no business with foreign bytes there, it would cost some megabytes, and it has no
//! limit for what an object needs while it is built. Git stores objects as differences to other objects, so whoever
//! makes a pack by hand can store a file of ten bytes as a difference to one of two gigabytes that takes two megabytes.
//!
//! The formats are those of gitformat-pack(5), with indexes of version 2. Mirrors have no loose objects, and what an
//! object is a difference to is always in the same pack: libgit2 writes them so. Checksums are its business, too.

mod entry;

use std::cmp;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use flate2::bufread::ZlibDecoder;

use self::entry::{Base, Start, Stored, take_size};

/// The id of an object.
pub(crate) type ObjectId = [u8; 20];

/// Bytes of what an object is built from, if its own limit is not larger.
const MAX_PART: u64 = 32 << 20;
/// Differences to differences. Git itself makes at most 4095.
const MAX_CHAIN: usize = 4096;
/// Bytes of parts that are kept at hand, because others are likely to be differences to them.
const MAX_KEPT: usize = 8 << 20;
/// What an index begins with: its mark, its version, and a table by the first byte of the ids. Then come the ids.
const INDEX_HEAD: usize = 8 + 256 * 4;
const IDS_AT: u64 = INDEX_HEAD as u64;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

/// Why an object cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// It is in no pack.
    #[error("an object is missing in the mirror")]
    Missing,
    /// It is larger than allowed.
    #[error("it has {size} bytes")]
    TooLarge { size: u64 },
    /// It is small enough, but what it is built from is not.
    #[error("it is stored as a difference to something of {size} bytes")]
    TooCostly { size: u64 },
    /// The pack is not as it should be.
    #[error("a pack of the mirror is malformed: {what}")]
    Malformed { what: &'static str },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

type Result<T, E = ReadError> = std::result::Result<T, E>;

/// The objects of one mirror.
pub(crate) struct Objects {
    directory: PathBuf,
    packs: RwLock<Vec<Arc<Pack>>>,
    kept: Mutex<Kept>,
}

/// How an object is built.
struct Chain {
    base: Arc<[u8]>,
    /// The differences and where they begin, the nearest to the base last.
    differences: Vec<(Start, u64)>,
}

/// Parts that were built, by the number of their pack and where they begin.
#[derive(Default)]
struct Kept {
    parts: HashMap<(u64, u64), Arc<[u8]>>,
    bytes: usize,
}

impl Objects {
    /// The objects in a bare repository. Nothing is read yet.
    pub(crate) fn new(repository: &Path) -> Self {
        Self { directory: repository.join("objects/pack"), packs: RwLock::default(), kept: Mutex::default() }
    }

    /// What the object is.
    pub(crate) fn kind(&self, id: &ObjectId) -> Result<Kind> {
        let (pack, mut at) = self.locate(id)?;
        for _ in 0..MAX_CHAIN {
            match pack.start(at)?.stored {
                Stored::Whole(kind) => return Ok(kind),
                Stored::Difference(base) => at = pack.offset_of(base)?,
            }
        }
        Err(malformed("differences without end"))
    }

    /// The size of the object in bytes.
    pub(crate) fn size(&self, id: &ObjectId) -> Result<u64> {
        let (pack, at) = self.locate(id)?;
        pack.start(at)?.result_size(&pack)
    }

    /// The content of the object, if it has no more than `limit` bytes.
    pub(crate) fn read(&self, id: &ObjectId, limit: u64) -> Result<Vec<u8>> {
        let (pack, at) = self.locate(id)?;
        let size = pack.start(at)?.result_size(&pack)?;
        if size > limit {
            return Err(ReadError::TooLarge { size });
        }
        let allowed = limit.max(MAX_PART);
        let Chain { base: mut content, differences } = self.chain(&pack, at, allowed)?;
        for (start, begin) in differences.into_iter().rev() {
            let difference = pack.inflate(start.data_at, start.size)?;
            let built: Arc<[u8]> = apply(&content, &difference)?.into();
            if begin != at {
                self.keep(&pack, begin, &built);
            }
            content = built;
        }
        Ok(content.to_vec())
    }

    /// Follows differences down to something that is there as a whole.
    fn chain(&self, pack: &Pack, mut at: u64, allowed: u64) -> Result<Chain> {
        let mut differences = Vec::new();
        loop {
            if let Some(kept) = self.kept(pack, at) {
                return Ok(Chain { base: kept, differences });
            }
            let start = pack.start(at)?;
            for size in [start.size, start.result_size(pack)?] {
                if size > allowed {
                    return Err(ReadError::TooCostly { size });
                }
            }
            match start.stored {
                Stored::Whole(_) => {
                    let base: Arc<[u8]> = pack.inflate(start.data_at, start.size)?.into();
                    if !differences.is_empty() {
                        self.keep(pack, at, &base);
                    }
                    return Ok(Chain { base, differences });
                }
                Stored::Difference(base) => {
                    differences.push((start, at));
                    at = pack.offset_of(base)?;
                }
            }
            if differences.len() > MAX_CHAIN {
                return Err(malformed("differences without end"));
            }
        }
    }

    /// Finds the pack that has the object, and where. Packs are looked up again when none has it: a worker may have
    /// fetched new ones, or put old ones together.
    fn locate(&self, id: &ObjectId) -> Result<(Arc<Pack>, u64)> {
        let find = |packs: &[Arc<Pack>]| {
            for pack in packs {
                if let Some(at) = pack.find(id)? {
                    return Ok(Some((Arc::clone(pack), at)));
                }
            }
            Ok::<_, ReadError>(None)
        };
        let known = find(&self.packs.read().unwrap_or_else(PoisonError::into_inner))?;
        if let Some(found) = known {
            return Ok(found);
        }
        let packs = self.open_packs()?;
        let found = find(&packs)?;
        *self.packs.write().unwrap_or_else(PoisonError::into_inner) = packs;
        found.ok_or(ReadError::Missing)
    }

    fn open_packs(&self) -> Result<Vec<Arc<Pack>>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let known = self.packs.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut packs = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|it| it != "idx") {
                continue;
            }
            if let Some(pack) = known.iter().find(|it| it.index_path == path) {
                packs.push(Arc::clone(pack));
                continue;
            }
            match Pack::open(path) {
                Ok(pack) => packs.push(Arc::new(pack)),
                // It was put together with others since the directory was listed.
                Err(ReadError::Disk(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        // The newest is most likely to have what is asked for.
        packs.sort_by_key(|pack| cmp::Reverse(pack.written));
        Ok(packs)
    }

    fn kept(&self, pack: &Pack, at: u64) -> Option<Arc<[u8]>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.parts.get(&(pack.number, at)).cloned()
    }

    fn keep(&self, pack: &Pack, at: u64, part: &Arc<[u8]>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + part.len() > MAX_KEPT {
            *kept = Kept::default();
        }
        if part.len() <= MAX_KEPT && kept.parts.insert((pack.number, at), Arc::clone(part)).is_none() {
            kept.bytes += part.len();
        }
    }
}

/// One pack with its index. The files stay open, so what was found can be read even after they are removed.
struct Pack {
    index_path: PathBuf,
    /// Tells packs apart, also from those that lay at the same path before.
    number: u64,
    written: std::time::SystemTime,
    index: File,
    data: File,
    /// For each first byte, how many ids begin with it or a lower one.
    fan_out: Box<[u32; 256]>,
}

impl Pack {
    fn open(index_path: PathBuf) -> Result<Self> {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let index = File::open(&index_path)?;
        let data = File::open(index_path.with_extension("pack"))?;
        let mut head = [0; INDEX_HEAD];
        index.read_exact_at(&mut head, 0)?;
        let table =
            head.strip_prefix(b"\xfftOc\0\0\0\x02").ok_or(malformed("its index is not of version 2"))?;
        let mut fan_out = Box::new([0; 256]);
        for (slot, bytes) in fan_out.iter_mut().zip(table.as_chunks().0) {
            *slot = u32::from_be_bytes(*bytes);
        }
        if !fan_out.is_sorted() {
            return Err(malformed("its index is not sorted"));
        }
        let (number, written) = (OPENED.fetch_add(1, Ordering::Relaxed), index.metadata()?.modified()?);
        Ok(Self { index_path, number, written, index, data, fan_out })
    }

    fn count(&self) -> u64 {
        self.fan_out[255].into()
    }

    /// Where the object begins, if the pack has it.
    fn find(&self, id: &ObjectId) -> Result<Option<u64>> {
        let first = usize::from(id[0]);
        let mut low = if first == 0 { 0 } else { u64::from(self.fan_out[first - 1]) };
        let mut high = u64::from(self.fan_out[first]);
        while low < high {
            let middle = low.midpoint(high);
            let mut found = ObjectId::default();
            self.index.read_exact_at(&mut found, IDS_AT + middle * 20)?;
            match found.cmp(id) {
                cmp::Ordering::Less => low = middle + 1,
                cmp::Ordering::Greater => high = middle,
                cmp::Ordering::Equal => return self.offset(middle).map(Some),
            }
        }
        Ok(None)
    }

    /// Where the object with this number begins. After the ids come checksums of four bytes, then offsets of four, of
    /// which those with the highest bit lead to a table of offsets of eight.
    fn offset(&self, number: u64) -> Result<u64> {
        let mut short = [0; 4];
        self.index.read_exact_at(&mut short, IDS_AT + self.count() * 24 + number * 4)?;
        let short = u32::from_be_bytes(short);
        if short & (1 << 31) == 0 {
            return Ok(short.into());
        }
        let mut long = [0; 8];
        let place = u64::from(short & !(1 << 31));
        self.index.read_exact_at(&mut long, IDS_AT + self.count() * 28 + place * 8)?;
        Ok(u64::from_be_bytes(long))
    }

    fn offset_of(&self, base: Base) -> Result<u64> {
        match base {
            Base::At(at) => Ok(at),
            Base::Id(id) => self.find(&id)?.ok_or(malformed("a difference to something that is not in it")),
        }
    }

    fn start(&self, at: u64) -> Result<Start> {
        // Size and distance take at most ten bytes each, an id twenty.
        let mut bytes = [0; 32];
        let length = read_up_to(&self.data, &mut bytes, at)?;
        Start::parse(&bytes[..length], at).ok_or(malformed("the beginning of an object"))
    }

    /// Uncompresses what should be exactly `size` bytes.
    fn inflate(&self, at: u64, size: u64) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        self.decoder(at).take(size + 1).read_to_end(&mut content).map_err(broken)?;
        if content.len() as u64 == size { Ok(content) } else { Err(malformed("an object of another size")) }
    }

    fn decoder(&self, at: u64) -> ZlibDecoder<BufReader<ReadAt<'_>>> {
        ZlibDecoder::new(BufReader::with_capacity(4096, ReadAt { file: &self.data, at }))
    }
}

impl Start {
    /// Bytes of the object itself. A difference begins with the sizes of both objects.
    fn result_size(&self, pack: &Pack) -> Result<u64> {
        if let Stored::Whole(_) = self.stored {
            return Ok(self.size);
        }
        let mut head = Vec::new();
        pack.decoder(self.data_at).take(20).read_to_end(&mut head).map_err(broken)?;
        let sizes = take_size(&head).and_then(|(_, rest)| take_size(rest));
        sizes.map(|(size, _)| size).ok_or(malformed("the beginning of a difference"))
    }
}

/// Reads a file from a place on.
struct ReadAt<'a> {
    file: &'a File,
    at: u64,
}

impl Read for ReadAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

fn read_up_to(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read_at(&mut buffer[length..], at + length as u64)? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
}

/// Builds an object from its base and the difference to it.
fn apply(base: &[u8], difference: &[u8]) -> Result<Vec<u8>> {
    entry::apply(base, difference).ok_or(malformed("a difference that does not fit its base"))
}

const fn malformed(what: &'static str) -> ReadError {
    ReadError::Malformed { what }
}

/// An error while something was uncompressed.
fn broken(error: io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            malformed("compressed data")
        }
        _ => ReadError::Disk(error),
    }
}

#[cfg(test)]
mod tests {
    use sha1::{Digest as _, Sha1};

    use super::*;

    /// Reads every object of a repository, and checks it by its id, which is a hash of the content.
    fn read_all(repository: &tiphys_tests::TestRepo) -> usize {
        let listed = repository.git(&["cat-file", "--batch-all-objects", "--batch-check"]);
        let objects = Objects::new(repository.path());
        for line in listed.lines() {
            let [id, kind, size] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let id: crate::CommitId = id.parse().unwrap();
            let content = objects.read(id.as_bytes(), 1 << 20).unwrap();
            let hash = Sha1::new().chain_update(format!("{kind} {size}\0")).chain_update(&content).finalize();
            assert_eq!(hash.as_slice(), id.as_bytes(), "{line}");
            assert_eq!(objects.size(id.as_bytes()).unwrap(), size.parse::<u64>().unwrap());
            let expected = match kind {
                "commit" => Kind::Commit,
                "tree" => Kind::Tree,
                "blob" => Kind::Blob,
                _ => Kind::Tag,
            };
            assert_eq!(objects.kind(id.as_bytes()).unwrap(), expected);
        }
        let missing = objects.read(&[1; 20], 10);
        assert!(matches!(missing, Err(ReadError::Missing)));
        listed.lines().count()
    }

    #[test]
    fn all_that_git_packs_is_read() {
        let repository = tiphys_tests::TestRepo::create();
        for version in 0..60 {
            let file =
                |n: usize| format!("line {n} of version {version}\n").repeat(n * 50) + &"same\n".repeat(2000);
            let commit =
                (0..8).fold(repository.commit("main"), |it, n| it.write(&format!("dir/{n}"), file(n)));
            commit.finish();
        }
        repository.annotated_tag("v1", "main", "tag");
        for by_offset in ["true", "false"] {
            let setting = format!("repack.useDeltaBaseOffset={by_offset}");
            repository.git(&["-c", &setting, "repack", "-a", "-d", "-f", "-q", "--depth=50", "--window=20"]);
            let chains = repository.git(&["count-objects", "-v"]);
            assert!(chains.contains("count: 0") && chains.contains("packs: 1"), "{chains}");
            assert!(read_all(&repository) > 600);
        }
        // Several packs, of which one came while we were reading.
        let objects = Objects::new(repository.path());
        let id = |text: String| *text.parse::<crate::CommitId>().unwrap().as_bytes();
        objects.read(&id(repository.id("main")), 10_000).unwrap();
        let new = repository.commit_file("main", "dir/new", "new");
        repository.git(&["repack", "-d", "-q"]);
        assert_eq!(objects.kind(&id(new)).unwrap(), Kind::Commit);
        assert!(read_all(&repository) > 600);
    }
}
