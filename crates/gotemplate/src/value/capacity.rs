//! How far a Go slice reaches beyond its elements.

/// Go's `internal/runtime/gc/sizeclasses.go`: the sizes in which small objects are allocated.
const SIZE_CLASSES: [usize; 67] = [
    8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384, 416,
    448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688, 3072, 3200,
    3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336,
    16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768,
];
const LARGEST_SMALL: usize = 32768;
const PAGE: usize = 8192;
/// What stands before an object with pointers that is larger than [`WITHOUT_HEADER`].
const HEADER: usize = 8;
const WITHOUT_HEADER: usize = 512;
/// Bytes of a `string` or an `interface {}`.
const ELEMENT: usize = 16;

/// The capacity of a slice of strings or interfaces that was made with a capacity and to which so many elements were
/// appended one by one.
pub(super) fn after_appends(mut capacity: usize, length: usize) -> usize {
    while capacity < length {
        capacity = grown(capacity);
    }
    capacity
}

/// Go's `runtime.growslice` for one element more than there is room for.
fn grown(capacity: usize) -> usize {
    const THRESHOLD: usize = 256;
    let wanted = match capacity {
        small if small < THRESHOLD => (small * 2).max(1),
        large => large.saturating_add(large.saturating_add(3 * THRESHOLD) >> 2),
    };
    allocated(wanted.saturating_mul(ELEMENT)) / ELEMENT
}

/// Go's `runtime.roundupsize` for what holds pointers.
fn allocated(size: usize) -> usize {
    if size > LARGEST_SMALL - HEADER {
        return size.checked_next_multiple_of(PAGE).unwrap_or(size);
    }
    let header = if size > WITHOUT_HEADER { HEADER } else { 0 };
    let class = SIZE_CLASSES.partition_point(|class| *class < size + header);
    SIZE_CLASSES.get(class).map_or(size, |class| class - header)
}

#[cfg(test)]
mod tests {
    use super::after_appends;

    /// What `cap` says in Go 1.26 of slices made with room for 10 elements.
    #[test]
    fn slices_grow_as_in_go() {
        let capacities = [1, 10, 11, 21, 41, 100, 300, 1000, 3000].map(|length| after_appends(10, length));
        assert_eq!(capacities, [10, 10, 20, 43, 43, 191, 383, 1151, 3584]);
    }
}
