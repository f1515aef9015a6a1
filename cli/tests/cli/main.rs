//! The program `tiphys` as a person runs it, against a real control plane.
//!
//! No controller runs here: where a command waits for one, the test writes the status that the controller would.

mod applications;
mod check;
mod create;
mod delete;
mod errors;
mod history;
mod local;
mod support;
mod suspend;
mod sync;
mod wait;
