//! What the tests of this crate share.
#![allow(dead_code, reason = "every test program uses a part")]

pub mod cases;
pub mod peer;
pub mod random;
