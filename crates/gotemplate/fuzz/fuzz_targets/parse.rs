//! Any text is parsed or refused.

#![no_main]

use gotemplate::Set;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let _ = Set::new("fuzz").parse("fuzz", text);
});
